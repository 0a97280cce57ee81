#include "lab/sys/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sys/wait.h>

#include <csignal>
#include <thread>

namespace weft::lab {
namespace {

SpawnOptions shell(const std::string& script) {
  SpawnOptions o;
  o.argv = {"sh", "-c", script};
  return o;
}

TEST(Process, input_goes_in_and_both_outputs_and_the_code_come_out) {
  const auto r = run_blocking(shell("cat; echo err >&2; exit 7"), "hello\n");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->out, "hello\nerr\n");
  EXPECT_EQ(r->code, 7);
}

TEST(Process, large_input_does_not_deadlock) {
  const std::string big(300'000, 'x');
  const auto r = run_blocking(shell("cat"), big);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->out.size(), big.size());
}

TEST(Process, a_program_that_does_not_exist_is_an_error_not_an_exit_code) {
  SpawnOptions o;
  o.argv = {"no-such-program-of-ours"};
  const auto r = spawn(o);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::not_found);
  EXPECT_THAT(r.error().message, ::testing::HasSubstr("no-such-program-of-ours: running it failed"));
}

TEST(Process, a_signal_counts_as_128_and_its_number) {
  const auto r = run_blocking(shell("kill -9 $$"));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->code, 137);
}

TEST(Process, env_replaces_ours_and_gives_the_path) {
  SpawnOptions o;
  o.argv = {"env"};
  o.env = {"A=1", "PATH=/usr/bin:/bin"};
  const auto r = run_blocking(o);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->out, "A=1\nPATH=/usr/bin:/bin\n");
}

TEST(Process, descriptors_do_not_leak_into_children_unless_kept) {
  int fds[2], kept[2];
  ASSERT_EQ(::pipe(fds), 0);
  ASSERT_EQ(::pipe(kept), 0);
  auto o = shell("test ! -e /proc/self/fd/" + std::to_string(fds[0]) + " && test -e /proc/self/fd/" +
                 std::to_string(kept[0]));
  o.keep = {kept[0]};
  const auto r = run_blocking(o);
  for (const int fd : {fds[0], fds[1], kept[0], kept[1]}) ::close(fd);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->code, 0);
}

TEST(Process, identity_tells_a_process_from_its_successor) {
  auto self = identify(::getpid());
  ASSERT_TRUE(self);
  EXPECT_TRUE(alive(*self));
  self->start += 1;
  EXPECT_FALSE(alive(*self));
  EXPECT_FALSE(open_process(*self));
}

// Its file may go between opening and reading it.
TEST(Process, one_that_is_reaped_meanwhile_has_no_identity) {
  for (int round = 0; round < 300; ++round) {
    const auto pid = spawn(shell("exit 0"));
    ASSERT_TRUE(pid);
    const std::jthread reaper([&] { wait_for(*pid); });
    while (identify(*pid)) continue;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(identify(*pid));
  }
}

TEST(Process, a_zombie_is_not_alive) {
  const auto pid = spawn(shell("exit 0"));
  ASSERT_TRUE(pid);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(*pid), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(identify(*pid));
  EXPECT_EQ(wait_for(*pid), 0);
}

}  // namespace
}  // namespace weft::lab
