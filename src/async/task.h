// Task: our coroutines are Asio's. One thread runs one io_context; everything that owns state lives on it.
//
// Cancellation is structural: a Scope (scope.h) owns the coroutines it spawned, and scope.stop() cancels the
// operation each of them is waiting on. The wait then throws operation_aborted, which unwinds the coroutine;
// nobody catches it on the way except to clean up. Cancellation comes as an exception, failures come as Result.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>

#include "base/result.h"

namespace weft {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

using Executor = asio::io_context::executor_type;

/// Waits `d`; cancelled, it throws.
Task<> sleep_for(std::chrono::nanoseconds d);

/// Gives the loop a turn: long computations on the shared thread call it between pieces.
Task<> yield();

}  // namespace weft
