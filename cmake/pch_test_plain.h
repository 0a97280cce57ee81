// What the tests of NO_PCH folders read besides pch_plain.h.
#pragma once
#include "pch_plain.h"
#ifdef __cplusplus
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#endif
