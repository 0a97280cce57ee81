#include "lab/node/async_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>

#include "async/scope.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

Task<> run_some(int count, int& failures) {
  for (int i = 0; i < count; ++i) {
    SpawnOptions o;
    o.argv = {"true"};
    std::string input;
    const auto r = co_await run_process(std::move(o), std::move(input), 30s);
    if (!r || r->code != 0) ++failures;
  }
}

// Asio's wait for readiness may return early while other descriptors come and go; an end may not.
TEST(ProcessEnd, is_not_told_of_a_process_that_runs_however_many_others_end) {
  asio::io_context io(1);
  SpawnOptions o;
  o.argv = {"sleep", "600"};
  const auto pid = spawn(o);
  ASSERT_TRUE(pid) << pid.error().message;
  const auto sleeper = identify(*pid);
  ASSERT_TRUE(sleeper);
  struct State {
    Scope scope;
    int failures = 0, early = 0, ended = 0;
  } state{Scope(io, "test")};
  const auto watch = [](State& s, ProcessId process) -> Task<> {
    co_await process_end(process);
    ++(alive(process) ? s.early : s.ended);
  };
  const auto main = [](State& s, ProcessId process, auto watch) -> Task<int> {
    constexpr int kRounds = 40, kWatchers = 4, kRunners = 6;
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kWatchers; ++i) s.scope.spawn("watch", watch(s, process));
      for (int i = 0; i < kRunners; ++i) s.scope.spawn("run", run_some(2, s.failures));
      co_await run_some(4, s.failures);
    }
    ::kill(process.pid, SIGKILL);
    // Its parent has not reaped it yet: a zombie has ended, too.
    while (s.scope.running() > 0) co_await sleep_for(1ms);
    co_return kRounds* kWatchers;
  };
  const int watchers = run_to_completion(io, main(state, *sleeper, watch));
  ::waitpid(*pid, nullptr, 0);
  EXPECT_EQ(state.failures, 0);
  EXPECT_EQ(state.early, 0);
  EXPECT_EQ(state.ended, watchers);
}

}  // namespace
}  // namespace weft::lab
