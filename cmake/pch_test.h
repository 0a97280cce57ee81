// What the tests read besides pch.h.
#pragma once
#include "pch.h"
#ifdef __cplusplus
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#endif
