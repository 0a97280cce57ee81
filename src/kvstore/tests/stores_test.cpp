// The write side and the read side, against a real etcd.
#include <gtest/gtest.h>

#include <set>

#include "async/scope.h"
#include "async/tests/run.h"
#include "kvstore/lease.h"
#include "kvstore/sync_store.h"
#include "kvstore/testing/etcd_server.h"
#include "kvstore/watch_store.h"

using namespace std::chrono_literals;

namespace weft::kvstore {
namespace {

using testing::EtcdServer;
using weft::testing::eventually;
using weft::testing::run;

struct Recorder : WatchStore::Observer {
  std::map<std::string, std::string> rows;
  std::set<std::string> unseen;
  std::vector<std::string> log;
  void begin_list() override {
    unseen.clear();
    for (const auto& [key, value] : rows) unseen.insert(key);
  }
  void put(const std::string& key, const std::string& value) override {
    unseen.erase(key);
    rows[key] = value;
    log.push_back("+" + key);
  }
  void removed(const std::string& key) override {
    if (rows.erase(key) > 0) log.push_back("-" + key);
  }
  void listed() override {
    for (const auto& key : std::set(unseen)) removed(key);
    log.push_back("listed");
  }
};

Task<> drive(SyncStore& s) { (void)co_await s.run(); }
Task<> drive(WatchStore& s) { (void)co_await s.run(); }
Task<> drive(LeaseManager& s) { co_await s.run(); }

Task<std::map<std::string, std::string>> dump(Client& c, std::string prefix) {
  RangeRequest r = RangeRequest::prefix(prefix);
  auto got = co_await c.range(std::move(r));
  std::map<std::string, std::string> out;
  if (!got) {
    ADD_FAILURE() << got.error().message;
    co_return out;
  }
  for (auto& kv : got->kvs) out[kv.key] = kv.value;
  co_return out;
}

TEST(SyncStore, writes_what_is_wanted_deletes_what_an_earlier_life_left_and_then_the_canary) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    const auto left = co_await c.put("p/left-over", "x");
    EXPECT_TRUE(left.has_value());
    LeaseManager leases(c, {900s, 100});
    SyncStore s(c, leases, {.prefix = "p/", .canary = "synced/p"});
    Scope scope(io, "test");
    scope.spawn("sync", drive(s));
    for (int i = 0; i < 250; ++i) s.upsert(fmt::format("{:03}", i), "v");
    s.remove("007");
    co_await eventually("the queue is written", [&] { return s.waiting() == 0; });
    const auto early = co_await c.get("synced/p");
    EXPECT_TRUE(early && !early->has_value()) << "no canary before synced()";
    s.upsert("late", "v");
    s.synced();
    co_await eventually("the canary", [&] { return s.canary_written(); });
    auto rows = co_await dump(c, "p/");
    EXPECT_EQ(rows.size(), 250u);
    EXPECT_FALSE(rows.contains("p/left-over"));
    EXPECT_FALSE(rows.contains("p/007"));
    const auto canary = co_await c.get("synced/p");
    const auto late = co_await c.get("p/late");
    EXPECT_TRUE(canary && canary->has_value() && late && late->has_value());
    EXPECT_GT((*canary)->mod_revision, (*late)->mod_revision);
    EXPECT_NE((*canary)->lease, 0);
    EXPECT_NE((*late)->lease, 0);
    EXPECT_EQ(leases.leases(), 3u) << "252 keys, 100 a lease";
    s.upsert("late", "changed");
    s.remove("001");
    co_await eventually("the changes", [&] { return s.waiting() == 0; });
    co_await sleep_for(20ms);
    rows = co_await dump(c, "p/");
    EXPECT_EQ(rows["p/late"], "changed");
    EXPECT_FALSE(rows.contains("p/001"));
    co_await scope.stop();
  });
}

TEST(SyncStore, rewrites_everything_after_its_lease_expired) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    LeaseManager leases(c, {3s, 1000});
    SyncStore s(c, leases, {.prefix = "p/", .canary = "synced/p"});
    Scope scope(io, "test");
    scope.spawn("leases", drive(leases));
    scope.spawn("sync", drive(s));
    s.upsert("a", "1");
    s.upsert("b", "2");
    s.synced();
    co_await eventually("the canary", [&] { return s.canary_written(); });
    const auto a = co_await c.get("p/a");
    const auto lease = (*a)->lease;
    const auto revoked = co_await c.lease_revoke(lease);  // as if etcd had let it expire
    EXPECT_TRUE(revoked.has_value());
    auto rows = co_await dump(c, "");
    EXPECT_TRUE(rows.empty());
    co_await eventually("the canary again", [&] { return s.canary_written() && leases.leases() == 1; });
    const auto until = Steady::now() + 10s;
    while (rows.size() < 3 && Steady::now() < until) {
      rows = co_await dump(c, "");
      co_await sleep_for(20ms);
    }
    EXPECT_EQ(rows["p/a"], "1");
    EXPECT_EQ(rows["p/b"], "2");
    EXPECT_TRUE(rows.contains("synced/p"));
    const auto again = co_await c.get("p/a");
    EXPECT_NE((*again)->lease, lease);
    co_await scope.stop();
  });
}

TEST(SyncStore, keeps_trying_while_etcd_is_away) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    LeaseManager leases(c);
    SyncStore s(c, leases, {.prefix = "p/", .canary = "synced/p", .retry_first = 20ms, .retry_max = 200ms});
    Scope scope(io, "test");
    scope.spawn("sync", drive(s));
    s.upsert("a", "1");
    co_await eventually("the first write", [&] { return s.waiting() == 0; });
    etcd.kill();
    s.upsert("a", "2");
    s.upsert("b", "3");
    co_await eventually("an error", [&] { return !s.error().empty(); });
    EXPECT_EQ(s.waiting(), 2u);
    etcd.start();
    co_await eventually("the writes", [&] { return s.waiting() == 0 && s.error().empty(); });
    co_await sleep_for(20ms);
    const auto rows = co_await dump(c, "p/");
    EXPECT_EQ(rows, (std::map<std::string, std::string>{{"p/a", "2"}, {"p/b", "3"}}));
    co_await scope.stop();
  });
}

TEST(SyncStore, one_value_that_etcd_refuses_does_not_hold_up_the_others) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    LeaseManager leases(c);
    SyncStore s(c, leases, {.prefix = "p/", .retry_first = 20ms, .retry_max = 100ms});
    s.upsert("a", "1");
    s.upsert("big", std::string(3 << 20, 'x'));
    s.upsert("z", "2");
    Scope scope(io, "test");
    scope.spawn("sync", drive(s));
    std::map<std::string, std::string> rows;
    const auto until = Steady::now() + 10s;
    while (rows.size() < 2 && Steady::now() < until) {
      co_await sleep_for(20ms);
      rows = co_await dump(c, "p/");
    }
    EXPECT_EQ(rows, (std::map<std::string, std::string>{{"p/a", "1"}, {"p/z", "2"}}));
    EXPECT_FALSE(s.error().empty());
    s.upsert("big", "small");
    co_await eventually("all written", [&] { return s.waiting() == 0 && s.error().empty(); });
    co_await scope.stop();
  });
}

TEST(WatchStore, lists_in_pages_and_follows) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    for (int i = 0; i < 40; ++i) {
      std::string key = fmt::format("p/{:02}", i);
      (void)co_await c.put(std::move(key), "v");
    }
    (void)co_await c.put("p2/other", "v");
    Recorder rec;
    WatchStore s(c, rec, {.prefix = "p/", .first_page = 8});
    Scope scope(io, "test");
    scope.spawn("watch", drive(s));
    co_await eventually("the list", [&] { return s.health().watching; });
    EXPECT_EQ(rec.rows.size(), 40u);
    EXPECT_EQ(rec.log.back(), "listed");
    (void)co_await c.put("p/new", "1");
    (void)co_await c.del("p/00");
    co_await eventually("the changes", [&] { return rec.rows.contains("new") && !rec.rows.contains("00"); });
    EXPECT_EQ(rec.rows.size(), 40u);
    co_await scope.stop();
  });
}

TEST(WatchStore, resumes_after_a_lost_connection_without_losing_rows_or_events) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    (void)co_await c.put("p/a", "1");
    Recorder rec;
    WatchStore s(c, rec, {.prefix = "p/", .retry_first = 20ms, .retry_max = 100ms});
    Scope scope(io, "test");
    scope.spawn("watch", drive(s));
    co_await eventually("the list", [&] { return s.health().watching; });
    etcd.kill();
    co_await eventually("the loss is noticed", [&] { return !s.health().watching; });
    EXPECT_EQ(rec.rows.size(), 1u) << "rows stay";
    EXPECT_FALSE(s.health().error.empty());
    etcd.start();
    Client writer(io, etcd.options());
    (void)co_await writer.put("p/b", "2");
    (void)co_await writer.del("p/a");
    co_await eventually("what was missed", [&] { return rec.rows == std::map<std::string, std::string>{{"b", "2"}}; });
    EXPECT_EQ(s.health().lists, 1u) << "no second list was needed";
    co_await scope.stop();
  });
}

TEST(WatchStore, lists_again_after_a_compaction_and_reports_what_vanished) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    (void)co_await c.put("p/stays", "1");
    (void)co_await c.put("p/goes", "1");
    Recorder rec;
    WatchStore s(c, rec, {.prefix = "p/", .retry_first = 20ms, .retry_max = 100ms});
    Scope scope(io, "test");
    scope.spawn("watch", drive(s));
    co_await eventually("the list", [&] { return s.health().watching; });
    etcd.kill();
    co_await eventually("the loss is noticed", [&] { return !s.health().watching; });
    etcd.start_hidden();  // what happens now is compacted before the store can look
    {
      Client writer(io, etcd.options());
      (void)co_await writer.del("p/goes");
      const auto last = co_await writer.put("p/new", "1");
      const auto done = co_await writer.compact(last->revision);
      EXPECT_TRUE(done.has_value());
    }
    etcd.stop();
    etcd.start();
    const std::map<std::string, std::string> wanted{{"new", "1"}, {"stays", "1"}};
    co_await eventually("the truth", [&] { return rec.rows == wanted; });
    EXPECT_EQ(std::count(rec.log.begin(), rec.log.end(), "-stays"), 0) << "a row that stayed was never gone";
    EXPECT_EQ(s.health().lists, 2u);
    co_await scope.stop();
  });
}

TEST(WatchStore, another_data_set_ends_it_and_its_successor_drops_what_vanished) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    auto c = std::make_unique<Client>(io, etcd.options());
    (void)co_await c->put("p/a", "1");
    (void)co_await c->put("p/b", "1");
    Recorder rec;
    WatchStore first(*c, rec, {.prefix = "p/", .retry_first = 20ms, .retry_max = 100ms});
    Result<> ended;
    bool done = false;
    const auto keep = [](WatchStore& s, Result<>& r, bool& done) -> Task<> {
      r = co_await s.run();
      done = true;
    };
    Scope scope(io, "test");
    scope.spawn("watch", keep(first, ended, done));
    co_await eventually("the list", [&] { return first.health().watching; });
    etcd.stop();
    etcd.wipe();
    etcd.start();
    co_await eventually("the end", [&] { return done; });
    EXPECT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error().code, Errc::conflict);
    EXPECT_EQ(rec.rows.size(), 2u) << "rows stay until something better is known";
    Client fresh(io, etcd.options());
    (void)co_await fresh.put("p/b", "2");
    WatchStore second(fresh, rec, {.prefix = "p/"});
    scope.spawn("watch", drive(second));
    co_await eventually("the new truth", [&] { return rec.rows == std::map<std::string, std::string>{{"b", "2"}}; });
    co_await scope.stop();
  });
}

}  // namespace
}  // namespace weft::kvstore
