// The headers that nearly every file reads; see weft_use_pch in WeftTargets.cmake.
#pragma once
#include "pch_plain.h"
#ifdef __cplusplus
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#endif
