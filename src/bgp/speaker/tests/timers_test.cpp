#include <gtest/gtest.h>

#include "bgp/speaker/deadline_timer.h"
#include "bgp/speaker/shared.h"

namespace weft::bgp {
namespace {

using namespace std::chrono_literals;

class DeadlineTimerTest : public ::testing::Test {
 protected:
  asio::io_context io{1};
  int fired = 0;
  std::unique_ptr<DeadlineTimer> timer = std::make_unique<DeadlineTimer>(io, [this] { ++fired; });
  void run() { io.run_for(20s); }  // returns when nothing is left to wait for
};

TEST_F(DeadlineTimerTest, FiresOnceWhenItIsDue) {
  const auto due = Steady::now() + 20ms;
  timer->set(due);
  run();
  EXPECT_EQ(fired, 1);
  EXPECT_GE(Steady::now(), due);
  EXPECT_FALSE(timer->due());
}

TEST_F(DeadlineTimerTest, PushedBackItWaitsForTheLaterTime) {
  const auto late = Steady::now() + 60ms;
  timer->set(Steady::now() + 10ms);
  timer->set(late);
  run();
  EXPECT_EQ(fired, 1);
  EXPECT_GE(Steady::now(), late);
}

TEST_F(DeadlineTimerTest, PulledForwardItDoesNotWaitForTheEarlierSetting) {
  timer->set(Steady::now() + 1h);
  timer->set(Steady::now() + 5ms);
  run();
  EXPECT_EQ(fired, 1);
}

TEST_F(DeadlineTimerTest, ClearedOrDestroyedItStaysSilent) {
  timer->set(Steady::now() + 5ms);
  timer->clear();
  run();
  EXPECT_EQ(fired, 0);
  io.restart();
  timer->set(Steady::now() + 5ms);
  timer.reset();
  run();
  EXPECT_EQ(fired, 0);
}

TEST_F(DeadlineTimerTest, MayBeDestroyedByWhatItCalls) {
  timer = std::make_unique<DeadlineTimer>(io, [this] {
    ++fired;
    timer.reset();
  });
  timer->set(Steady::now());
  run();
  EXPECT_EQ(fired, 1);
}

TEST(LineLimit, LetsABurstPassThenOneASecondAndCountsTheRest) {
  LineLimit limit(3);
  const auto start = Steady::now();
  int passed = 0;
  for (int i = 0; i < 10; ++i) passed += limit.pass(start) ? 1 : 0;
  EXPECT_EQ(passed, 3);
  EXPECT_EQ(limit.take_held_back(), 7u);
  EXPECT_TRUE(limit.pass(start + 1s));
  EXPECT_FALSE(limit.pass(start + 1s));
}

}  // namespace
}  // namespace weft::bgp
