#include <gmock/gmock.h>
#include <signal.h>

#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/wait.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Harness, a_command_gives_its_output_and_code) {
  const auto r = run({"sh", "-c", "cat; echo wrong >&2; exit 3"}, {.input = "hello"});
  EXPECT_EQ(r.code, 3);
  EXPECT_EQ(r.out, "hello");
  EXPECT_EQ(r.err, "wrong\n");
  EXPECT_THAT(r.describe(), HasSubstr("exit code 3"));
  EXPECT_FALSE(r.ok());
}

TEST(Harness, a_command_that_hangs_is_killed_with_its_children) {
  const auto r = run({"sh", "-c", "sleep 100 & echo $!; wait"}, {.limit = 1s});
  EXPECT_TRUE(r.timed_out);
  const pid_t child = std::atoi(r.out.c_str());
  ASSERT_GT(child, 1);
  EXPECT_TRUE(eventually(2s, "the child is gone", [&] { return Seen{kill(child, 0) != 0, "it lives"}; }));
}

TEST(Harness, a_daemon_left_behind_does_not_hold_the_caller_up) {
  const auto start = std::chrono::steady_clock::now();
  const auto r = run({"sh", "-c", "sleep 3 & echo started"}, {.limit = 10s});
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(r.out, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

TEST(Harness, big_input_and_output_do_not_deadlock) {
  const std::string big(3 << 20, 'x');
  EXPECT_EQ(run({"cat"}, {.input = big}).out.size(), big.size());
}

TEST(Harness, a_program_that_is_not_there_says_so) {
  const auto r = run({"no-such-program"});
  EXPECT_EQ(r.code, 127);
  EXPECT_THAT(r.err, HasSubstr("No such file"));
}

TEST(Harness, a_background_process_can_be_watched_and_stopped) {
  Background b({"sh", "-c", "echo one; exec sleep 100"});
  EXPECT_TRUE(eventually(2s, "its first line", [&] { return Seen{b.so_far() == "one\n", b.so_far()}; }, 5ms));
  EXPECT_TRUE(b.running());
  EXPECT_EQ(b.stop().code, 128 + SIGTERM);
}

TEST(Harness, waiting_says_what_was_seen) {
  int n = 0;
  const auto r = eventually(30ms, "n is a hundred", [&] { return Seen{false, "n = " + std::to_string(++n)}; }, 10ms);
  EXPECT_FALSE(r);
  EXPECT_THAT(r.message(), HasSubstr("n is a hundred"));
  EXPECT_THAT(r.message(), HasSubstr("n = "));
}

}  // namespace
}  // namespace weft::e2e
