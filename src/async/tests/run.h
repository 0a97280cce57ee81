// How tests run coroutines and wait for facts, each with a deadline: a test that waits for ever fails instead.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <string>

#include "async/scope.h"
#include "base/clock.h"

namespace weft::testing {

inline void run(asio::io_context& io, Task<> task, std::chrono::seconds limit = std::chrono::seconds(20)) {
  bool done = false;
  asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& e) {
    done = true;
    io.stop();
    if (e) std::rethrow_exception(e);
  });
  io.run_for(limit);
  EXPECT_TRUE(done) << "the test's coroutine did not end in time";
}

/// `test(io)` on an io_context of its own.
template <class Fn>
void run(Fn test, std::chrono::seconds limit = std::chrono::seconds(60)) {
  asio::io_context io;
  run(io, test(io), limit);
}

/// Waits until `fact` holds; the text it gives is what was seen when it does not in time.
inline Task<> until(std::function<bool()> fact, std::function<std::string()> seen = {},
                    std::chrono::milliseconds limit = std::chrono::seconds(5)) {
  const auto end = Steady::now() + limit;
  while (!fact()) {
    if (Steady::now() > end) {
      ADD_FAILURE() << "did not come true in time" << (seen ? "; seen: " + seen() : "");
      co_return;
    }
    co_await sleep_for(std::chrono::milliseconds(2));
  }
}

/// The same, with the fact in words.
inline Task<> eventually(std::string what, std::function<bool()> fact,
                         std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  const auto end = Steady::now() + limit;
  while (!fact() && Steady::now() < end) co_await sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(fact()) << what;
}

}  // namespace weft::testing
