#include <gtest/gtest.h>

#include "async/backoff.h"
#include "async/scope.h"
#include "async/signal.h"

using namespace std::chrono_literals;

namespace weft {
namespace {

TEST(Scope, stop_cancels_what_its_children_wait_on_and_waits_for_them) {
  asio::io_context io;
  Scope scope(io, "test");
  bool unwound = false;
  const auto child = [](bool& flag) -> Task<> {
    struct Mark {
      bool& f;
      ~Mark() { f = true; }
    } mark{flag};
    co_await sleep_for(1h);
  };
  scope.spawn("sleeper", child(unwound));
  const auto main = [](Scope& s) -> Task<int> {
    co_await yield();
    co_await s.stop();
    co_return 7;
  };
  EXPECT_EQ(run_to_completion(io, main(scope)), 7);
  EXPECT_TRUE(unwound);
  EXPECT_EQ(scope.running(), 0u);
}

TEST(Notifier, a_notification_between_looking_and_waiting_is_not_lost) {
  asio::io_context io;
  Notifier n(io);
  const auto main = [](Notifier& n) -> Task<int> {
    const auto seen = n.version();
    n.notify();
    co_await n.changed_since(seen);
    co_return 0;
  };
  EXPECT_EQ(run_to_completion(io, main(n)), 0);
}

TEST(Notifier, says_when_the_time_ran_out) {
  asio::io_context io;
  Notifier n(io);
  const auto main = [](Notifier& n) -> Task<int> {
    const bool changed = co_await n.changed_since(n.version(), 5ms);
    co_return changed ? 1 : 2;
  };
  EXPECT_EQ(run_to_completion(io, main(n)), 2);
}

TEST(Notifier, a_waiter_is_cancelled_by_its_scope) {
  asio::io_context io;
  Notifier n(io);
  Scope scope(io, "test");
  const auto waiter = [](Notifier& n) -> Task<> { co_await n.changed_since(n.version()); };
  scope.spawn("waiter", waiter(n));
  const auto main = [](Scope& s) -> Task<int> {
    co_await yield();
    co_await s.stop();
    co_return 3;
  };
  EXPECT_EQ(run_to_completion(io, main(scope)), 3);
}

TEST(Backoff, doubles_up_to_its_maximum_and_starts_over_after_reset) {
  Backoff b(100ms, 350ms, 0);
  EXPECT_EQ(b.next(), 100ms);
  EXPECT_EQ(b.next(), 200ms);
  EXPECT_EQ(b.next(), 350ms);
  EXPECT_EQ(b.next(), 350ms);
  b.reset();
  EXPECT_EQ(b.next(), 100ms);
}

}  // namespace
}  // namespace weft
