#include "bgp/control/drain_clock.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "bgp/control/tests/scratch.h"

namespace weft::bgp::control {
namespace {

using namespace std::chrono_literals;

class DrainClockTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_ / "since"; }
  const Wall::time_point wall = parse_rfc3339("2026-01-01T12:00:00Z");
  const Steady::time_point steady{1h};
  Scratch dir_;
};

TEST_F(DrainClockTest, a_drain_is_as_long_as_it_lasts) {
  DrainClock clock("");
  EXPECT_FALSE(clock.update(false, wall, steady));
  EXPECT_EQ(clock.update(true, wall, steady), 0s);
  EXPECT_EQ(clock.update(true, wall + 1h, steady + 40s), 40s) << "whatever the wall clock does meanwhile";
  EXPECT_TRUE(clock.draining());
  EXPECT_FALSE(clock.update(false, wall, steady + 50s));
  EXPECT_EQ(clock.update(true, wall, steady + 60s), 0s);
}

TEST_F(DrainClockTest, the_next_run_counts_on) {
  DrainClock(path()).update(true, wall, steady);
  DrainClock next(path());
  EXPECT_EQ(next.update(true, wall + 10min, steady + 5s), 10min);
  EXPECT_EQ(next.update(true, wall + 10min, steady + 15s), 10min + 10s);
}

TEST_F(DrainClockTest, the_end_of_a_drain_is_remembered_too) {
  DrainClock(path()).update(true, wall, steady);
  DrainClock(path()).update(false, wall + 1min, steady);
  EXPECT_EQ(DrainClock(path()).update(true, wall + 10min, steady), 0s);
}

TEST_F(DrainClockTest, what_cannot_be_a_moment_in_the_past_begins_anew) {
  for (const char* text : {"", "yesterday", "2027-01-01T12:00:00Z"}) {
    ASSERT_TRUE(write_file(path(), text));
    EXPECT_EQ(DrainClock(path()).update(true, wall, steady), 0s) << text;
    EXPECT_EQ(DrainClock(path()).update(true, wall + 7s, steady), 7s) << text;
  }
}

}  // namespace
}  // namespace weft::bgp::control
