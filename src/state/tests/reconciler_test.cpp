#include "state/reconciler.h"

#include <gtest/gtest.h>

#include "state/tests/row.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

// A world that can refuse.
struct World : ReconcileOps<Row> {
  std::map<std::string, int> things{{"stale", 1}};
  int refuse = 0;
  Task<Result<>> update(const Row& row) override {
    if (refuse-- > 0) co_return fail(Errc::unavailable, "not now");
    things[row.name] = row.value;
    co_return Result<>{};
  }
  Task<Result<>> remove(const std::string& key) override {
    things.erase(key);
    co_return Result<>{};
  }
  Task<Result<>> prune(const Table<Row>& table) override {
    std::erase_if(things, [&](const auto& t) { return !table.contains(t.first); });
    co_return Result<>{};
  }
};

Task<int> until(Scope& scope, Reconciler<Row>& r, std::function<bool()> fact) {
  const auto deadline = Steady::now() + 5s;
  while (!fact() && Steady::now() < deadline) co_await r.progressed().changed_since(r.progressed().version(), 10ms);
  const bool held = fact();
  co_await scope.stop();
  co_return held ? 0 : 1;
}

TEST(Reconciler, applies_prunes_and_removes) {
  asio::io_context io;
  Table<Row> table(io, "rows");
  World world;
  Reconciler<Row> reconciler(table, world);
  Scope scope(io, "test");
  table.upsert({"a", 1});
  table.upsert({"b", 2});
  scope.spawn("reconciler", reconciler.run());
  EXPECT_EQ(
      run_to_completion(
          io, until(scope, reconciler, [&] { return world.things == std::map<std::string, int>{{"a", 1}, {"b", 2}}; })),
      0);
}

TEST(Reconciler, retries_what_failed_and_says_why_meanwhile) {
  asio::io_context io;
  Table<Row> table(io, "rows");
  World world;
  world.refuse = 2;
  Reconciler<Row> reconciler(table, world, {.retry_first = 1ms});
  Scope scope(io, "test");
  table.upsert({"a", 1});
  scope.spawn("reconciler", reconciler.run());
  EXPECT_EQ(run_to_completion(
                io, until(scope, reconciler, [&] { return world.things.contains("a") && reconciler.settled(); })),
            0);
  EXPECT_TRUE(reconciler.health().errors.empty());
}

TEST(Reconciler, prunes_nothing_before_the_table_is_initialized) {
  asio::io_context io;
  Table<Row> table(io, "rows");
  table.expect("slow source");
  World world;
  Reconciler<Row> reconciler(table, world);
  Scope scope(io, "test");
  table.upsert({"a", 1});
  scope.spawn("reconciler", reconciler.run());
  EXPECT_EQ(run_to_completion(io, until(scope, reconciler, [&] { return world.things.contains("a"); })), 0);
  EXPECT_TRUE(world.things.contains("stale"));
  io.restart();
  table.initialized_by("slow source");
  scope.spawn("reconciler", reconciler.run());
  EXPECT_EQ(run_to_completion(io, until(scope, reconciler, [&] { return !world.things.contains("stale"); })), 0);
}

}  // namespace
}  // namespace weft
