// The client against a real etcd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/scope.h"
#include "async/tests/run.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/tests/free_port.h"
#include "kvstore/client.h"
#include "kvstore/testing/etcd_server.h"
#include "kvstore/tls_probe.h"

using namespace std::chrono_literals;

namespace weft::kvstore {
namespace {

using testing::EtcdServer;
using testing::TestCa;
using weft::testing::free_port;
using weft::testing::run;

EtcdServer& shared_etcd() {
  static EtcdServer server;
  return server;
}

#define ASSERT_OK(r)                                      \
  do {                                                    \
    if (!(r)) {                                           \
      ADD_FAILURE() << #r << ": " << (r).error().message; \
      co_return;                                          \
    }                                                     \
  } while (false)

TEST(Client, puts_gets_and_deletes) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    const auto put = co_await c.put("basic/a", "1");
    ASSERT_OK(put);
    const auto got = co_await c.get("basic/a");
    ASSERT_OK(got);
    EXPECT_TRUE(got->has_value());
    EXPECT_EQ((*got)->value, "1");
    EXPECT_EQ((*got)->mod_revision, put->revision);
    EXPECT_EQ((*got)->version, 1);
    const auto del = co_await c.del("basic/a");
    ASSERT_OK(del);
    EXPECT_EQ(del->deleted, 1);
    const auto gone = co_await c.get("basic/a");
    ASSERT_OK(gone);
    EXPECT_FALSE(gone->has_value());
    EXPECT_NE(c.cluster_id(), 0u);
  });
}

TEST(Client, a_transaction_takes_the_branch_its_conditions_choose) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    Txn create;
    create.when = {Compare::absent("txn/a")};
    create.then = {Op::put("txn/a", "first")};
    create.otherwise = {Op::get("txn/a")};
    Txn again = create;
    const auto first = co_await c.txn(std::move(create));
    ASSERT_OK(first);
    EXPECT_TRUE(first->succeeded);
    const auto second = co_await c.txn(std::move(again));
    ASSERT_OK(second);
    EXPECT_FALSE(second->succeeded);
    EXPECT_EQ(second->results.size(), 1u);
    EXPECT_EQ(second->results.at(0).kvs.at(0).value, "first");
    Txn update;
    update.when = {Compare::mod_revision_is("txn/a", first->revision)};
    update.then = {Op::put("txn/a", "second", 0, true), Op::del("txn/none")};
    const auto third = co_await c.txn(std::move(update));
    ASSERT_OK(third);
    EXPECT_TRUE(third->succeeded);
    EXPECT_EQ(third->results.at(0).kvs.at(0).value, "first");
    EXPECT_EQ(third->results.at(1).count, 0);
  });
}

TEST(Client, a_list_in_pages_sees_one_revision) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    for (int i = 0; i < 30; ++i) {
      const std::string key = fmt::format("list/{:03}", i);
      const auto r = co_await c.put(key, "v");
      ASSERT_OK(r);
    }
    std::vector<std::string> keys;
    int pages = 0;
    // A key that appears while the list is under way must not show up.
    Scope scope(io, "test");
    std::function<void(std::vector<KeyValue>)> page = [&](std::vector<KeyValue> kvs) {
      if (++pages == 1) {
        const auto meddle = [](Client& c) -> Task<> { (void)co_await c.put("list/999", "late"); };
        scope.spawn("meddle", meddle(c));
      }
      for (auto& kv : kvs) keys.push_back(kv.key);
    };
    RangeRequest all = RangeRequest::prefix("list/");
    const auto rev = co_await c.list(std::move(all), page, 4);
    ASSERT_OK(rev);
    EXPECT_EQ(keys.size(), 30u);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    EXPECT_EQ(pages, 4);  // 4 + 8 + 16 + 2
    co_await scope.stop();
  });
}

TEST(Client, a_watch_delivers_puts_and_deletions_with_their_revisions) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    const auto before = co_await c.put("watch/old", "0");
    ASSERT_OK(before);
    WatchRequest request = WatchRequest::prefix("watch/", before->revision + 1);
    request.prev_kv = true;
    auto w = co_await c.watch(std::move(request));
    ASSERT_OK(w);
    const auto put = co_await c.put("watch/a", "1");
    ASSERT_OK(put);
    const auto del = co_await c.del("watch/a");
    ASSERT_OK(del);
    std::vector<WatchEvent> events;
    while (events.size() < 2) {
      auto batch = co_await (*w)->next();
      ASSERT_OK(batch);
      for (auto& e : batch->events) events.push_back(std::move(e));
    }
    EXPECT_EQ(events[0].type, WatchEvent::Type::put);
    EXPECT_EQ(events[0].kv.value, "1");
    EXPECT_EQ(events[0].kv.mod_revision, put->revision);
    EXPECT_EQ(events[1].type, WatchEvent::Type::del);
    EXPECT_EQ(events[1].kv.mod_revision, del->revision);
    EXPECT_TRUE(events[1].prev.has_value());
    EXPECT_EQ(events[1].prev->value, "1");
    (*w)->request_progress();
    const auto progress = co_await (*w)->next();
    ASSERT_OK(progress);
    EXPECT_TRUE(progress->progress());
    EXPECT_GE(progress->revision, del->revision);
  });
}

TEST(Client, ten_thousand_events_arrive_in_order_at_a_slow_reader) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    WatchRequest request = WatchRequest::prefix("burst/");
    auto w = co_await c.watch(std::move(request));
    ASSERT_OK(w);
    for (int i = 0; i < 100; ++i) {
      Txn t;
      for (int j = 0; j < 100; ++j) t.then.push_back(Op::put(fmt::format("burst/{:05}", i * 100 + j), "v"));
      const auto r = co_await c.txn(std::move(t));
      ASSERT_OK(r);
    }
    int next = 0;
    while (next < 10'000) {
      auto batch = co_await (*w)->next();
      ASSERT_OK(batch);
      for (auto& e : batch->events) {
        if (e.kv.key != fmt::format("burst/{:05}", next++)) {
          ADD_FAILURE() << e.kv.key << " came as number " << next - 1;
          co_return;
        }
      }
      co_await yield();
    }
  });
}

TEST(Client, a_watch_from_a_compacted_revision_is_told_the_oldest_one) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    const auto first = co_await c.put("compact/a", "1");
    ASSERT_OK(first);
    const auto last = co_await c.put("compact/a", "2");
    ASSERT_OK(last);
    const auto done = co_await c.compact(last->revision);
    ASSERT_OK(done);
    WatchRequest request = WatchRequest::prefix("compact/", first->revision);
    auto w = co_await c.watch(std::move(request));
    ASSERT_OK(w);
    const auto batch = co_await (*w)->next();
    EXPECT_FALSE(batch.has_value());
    EXPECT_EQ(batch.error().code, Errc::expired);
    EXPECT_EQ((*w)->compact_revision(), last->revision);
    RangeRequest old = RangeRequest::prefix("compact/");
    old.revision = first->revision;
    const auto r = co_await c.range(std::move(old));
    EXPECT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::expired);
  });
}

TEST(Client, leases_are_granted_kept_alive_and_revoked) {
  run([](asio::io_context& io) -> Task<> {
    Client c(io, shared_etcd().options());
    const auto lease = co_await c.lease_grant(60s);
    ASSERT_OK(lease);
    const auto put = co_await c.put("lease/a", "1", lease->id);
    ASSERT_OK(put);
    const auto ttl = co_await c.lease_keepalive(lease->id);
    ASSERT_OK(ttl);
    EXPECT_EQ(*ttl, 60);
    const auto revoked = co_await c.lease_revoke(lease->id);
    ASSERT_OK(revoked);
    const auto gone = co_await c.get("lease/a");
    ASSERT_OK(gone);
    EXPECT_FALSE(gone->has_value());
    const auto dead = co_await c.lease_keepalive(lease->id);
    EXPECT_FALSE(dead.has_value());
    EXPECT_EQ(dead.error().code, Errc::not_found);
  });
}

TEST(Client, cancelling_a_waiting_coroutine_returns_at_once) {
  EtcdServer etcd;
  run([&etcd](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    const auto warm = co_await c.put("a", "1");
    ASSERT_OK(warm);
    etcd.pause();
    Scope scope(io, "test");
    const auto asks = [](Client& c) -> Task<> { (void)co_await c.get("a"); };
    const auto watches = [](Client& c) -> Task<> {
      WatchRequest w = WatchRequest::prefix("a");
      (void)co_await c.watch(std::move(w));
    };
    scope.spawn("get", asks(c));
    scope.spawn("watch", watches(c));
    co_await yield();
    const auto began = Steady::now();
    co_await scope.stop();
    EXPECT_LT(Steady::now() - began, 2s);
    etcd.resume();
    const auto after = co_await c.get("a");
    ASSERT_OK(after);
  });
}

TEST(Client, an_io_context_may_die_with_calls_under_way) {
  EtcdServer etcd;
  etcd.pause();
  auto io = std::make_unique<asio::io_context>();
  const auto asks = [](asio::io_context& io, EtcdServer& etcd) -> Task<> {
    Client c(io, etcd.options());
    (void)co_await c.get("a");
    ADD_FAILURE() << "a stopped etcd cannot answer";
  };
  asio::co_spawn(*io, asks(*io, etcd), [](std::exception_ptr) {});
  io->run_for(50ms);
  io.reset();
  etcd.resume();
}

TEST(Client, a_dead_endpoint_is_left_for_the_next) {
  run([](asio::io_context& io) -> Task<> {
    Options o = shared_etcd().options();
    o.endpoints.insert(o.endpoints.begin(), fmt::format("http://127.0.0.1:{}", free_port()));
    Client c(io, o);
    const auto first = co_await c.get("a");
    EXPECT_FALSE(first.has_value());
    EXPECT_EQ(first.error().code, Errc::unavailable);
    const auto second = co_await c.get("a");
    ASSERT_OK(second);
    EXPECT_EQ(c.endpoint(), shared_etcd().endpoint());
  });
}

TEST(Client, a_silent_endpoint_times_out) {
  EtcdServer etcd;
  run([&etcd](asio::io_context& io) -> Task<> {
    Options o = etcd.options();
    o.request_timeout = 2s;  // long enough for a first answer on a busy machine
    Client c(io, o);
    const auto warm = co_await c.get("a");
    ASSERT_OK(warm);
    etcd.pause();
    const auto r = co_await c.get("a");
    EXPECT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::timeout);
  });
}

TEST(Client, another_data_set_behind_the_address_is_a_conflict_for_good) {
  EtcdServer etcd;
  run([&etcd](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    const auto before = co_await c.put("a", "1");
    ASSERT_OK(before);
    etcd.stop();
    etcd.wipe();
    etcd.start();
    std::optional<Error> error;
    const auto until = Steady::now() + 20s;
    while (!(error && error->code == Errc::conflict) && Steady::now() < until) {
      const auto r = co_await c.get("a");
      if (!r) error = r.error();
      co_await sleep_for(20ms);
    }
    EXPECT_TRUE(error.has_value());
    EXPECT_EQ(error->code, Errc::conflict) << error->message;
    const auto later = co_await c.put("a", "2");
    EXPECT_EQ(later.error().code, Errc::conflict);
    Client fresh(io, etcd.options());
    const auto works = co_await fresh.get("a");
    ASSERT_OK(works);
  });
}

TEST(Client, tls_with_client_certificates_and_users_lets_a_reader_read_and_nothing_else) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&etcd](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    const auto put = co_await root.put("cilium/state/x", "1");
    ASSERT_OK(put);
    for (const char* user : {"root", "remote"}) {
      std::string name = user;
      const auto r = co_await root.user_add(std::move(name));
      ASSERT_OK(r);
      std::string role = user;
      const auto a = co_await root.role_add(std::move(role));
      ASSERT_OK(a);
      std::string u = user, v = user;
      const auto g = co_await root.user_grant_role(std::move(u), std::move(v));
      ASSERT_OK(g);
    }
    const auto twice = co_await root.user_add("remote");
    EXPECT_EQ(twice.error().code, Errc::exists) << twice.error().message;
    std::string end = prefix_end("cilium/state/");
    const auto grant = co_await root.role_grant_read("remote", "cilium/state/", std::move(end));
    ASSERT_OK(grant);
    const auto on = co_await root.auth_enable();
    ASSERT_OK(on);

    Client remote(io, etcd.options("remote"));
    const auto read = co_await remote.get("cilium/state/x");
    ASSERT_OK(read);
    EXPECT_EQ((*read)->value, "1");
    const auto refused = co_await remote.put("cilium/state/x", "2");
    EXPECT_EQ(refused.error().code, Errc::unauthorized) << refused.error().message;
    const auto hidden = co_await remote.get("other");
    EXPECT_EQ(hidden.error().code, Errc::unauthorized) << hidden.error().message;
    WatchRequest forbidden = WatchRequest::prefix("other/");
    const auto no_watch = co_await remote.watch(std::move(forbidden));
    EXPECT_EQ(no_watch.error().code, Errc::unauthorized) << no_watch.error().message;
    WatchRequest allowed = WatchRequest::prefix("cilium/state/");
    auto watch = co_await remote.watch(std::move(allowed));
    ASSERT_OK(watch);
    const auto change = co_await root.put("cilium/state/x", "3");
    ASSERT_OK(change);
    const auto event = co_await (*watch)->next();
    ASSERT_OK(event);
    EXPECT_EQ(event->events.at(0).kv.value, "3");

    Client stranger(io, etcd.options("stranger"));
    const auto nobody = co_await stranger.get("cilium/state/x");
    EXPECT_EQ(nobody.error().code, Errc::unauthorized) << nobody.error().message;
  });
}

TEST(Client, a_user_that_is_deleted_can_do_nothing_any_more) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&etcd](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    for (const char* name : {"root", "reader"}) {
      const auto user = co_await root.user_add(name);
      ASSERT_OK(user);
      const auto role = co_await root.role_add(name);
      ASSERT_OK(role);
      const auto granted = co_await root.user_grant_role(name, name);
      ASSERT_OK(granted);
    }
    const auto grant = co_await root.role_grant_read("reader", "k", "");
    ASSERT_OK(grant);
    const auto on = co_await root.auth_enable();
    ASSERT_OK(on);
    const auto users = co_await root.user_list();
    ASSERT_OK(users);
    EXPECT_THAT(*users, ::testing::UnorderedElementsAre("root", "reader"));
    const auto roles = co_await root.user_roles("reader");
    ASSERT_OK(roles);
    EXPECT_THAT(*roles, ::testing::ElementsAre("reader"));

    Client reader(io, etcd.options("reader"));
    const auto read = co_await reader.get("k");
    ASSERT_OK(read);
    const auto revoked = co_await root.user_revoke_role("reader", "reader");
    ASSERT_OK(revoked);
    const auto without_role = co_await reader.get("k");
    EXPECT_EQ(without_role.error().code, Errc::unauthorized) << without_role.error().message;
    const auto again = co_await root.user_grant_role("reader", "reader");
    ASSERT_OK(again);
    const auto deleted = co_await root.user_delete("reader");
    ASSERT_OK(deleted);
    const auto nobody = co_await reader.get("k");
    EXPECT_EQ(nobody.error().code, Errc::unauthorized) << nobody.error().message;
    const auto left = co_await root.user_list();
    ASSERT_OK(left);
    EXPECT_THAT(*left, ::testing::ElementsAre("root"));
  });
}

TEST(Client, a_server_of_another_ca_is_not_talked_to) {
  TestCa ours("our CA");
  TestCa theirs("their CA");
  EtcdServer etcd({.ca = &theirs});
  run([&](asio::io_context& io) -> Task<> {
    Options o = etcd.options();
    (void)write_file(o.tls.ca, ours.pem());
    Client c(io, o);
    const auto r = co_await c.get("a");
    EXPECT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, Errc::unavailable);
    EXPECT_NE(r.error().message.find("certificate verify failed"), std::string::npos) << r.error().message;
  });
}

TEST(TlsProbe, says_which_certificate_is_not_trusted_by_whom) {
  TestCa ours("our CA");
  TestCa theirs("their CA");
  EtcdServer etcd({.ca = &theirs});
  run([&](asio::io_context& io) -> Task<> {
    (void)io;
    const Options good = etcd.options("remote");
    Options probe = good;
    const auto fine = co_await probe_tls(etcd.endpoint(), std::move(probe), "cluster east");
    EXPECT_TRUE(fine.has_value()) << fine.error().message;

    Options other_ca = etcd.options("remote");
    other_ca.tls.ca = etcd.dir() + "/ours.crt";
    (void)write_file(other_ca.tls.ca, ours.pem());
    Options copy = other_ca;
    const auto server = co_await probe_tls(etcd.endpoint(), std::move(copy), "cluster east");
    EXPECT_FALSE(server.has_value());
    EXPECT_NE(server.error().message.find("issued by \"CN=their CA\", but we trust the CA \"CN=our CA\""),
              std::string::npos)
        << server.error().message;

    Options stranger = good;
    const auto foreign = ours.issue("remote");
    stranger.tls.cert = etcd.dir() + "/foreign.crt";
    stranger.tls.key = etcd.dir() + "/foreign.key";
    (void)write_file(stranger.tls.cert, foreign.cert);
    (void)write_file(stranger.tls.key, foreign.key);
    const auto client = co_await probe_tls(etcd.endpoint(), std::move(stranger), "cluster east");
    EXPECT_FALSE(client.has_value());
    EXPECT_NE(client.error().message.find("refuses our client certificate \"CN=remote\" issued by \"CN=our CA\""),
              std::string::npos)
        << client.error().message;

    Options named = good;
    named.server_name_override = "elsewhere.example";
    const auto name = co_await probe_tls(etcd.endpoint(), std::move(named), "cluster east");
    EXPECT_FALSE(name.has_value());
    EXPECT_NE(name.error().message.find("not for \"elsewhere.example\""), std::string::npos) << name.error().message;

    Options dead = good;
    const std::string nowhere = fmt::format("https://127.0.0.1:{}", free_port());
    const auto none = co_await probe_tls(nowhere, std::move(dead), "cluster east");
    EXPECT_EQ(none.error().code, Errc::unavailable);
  });
}

TEST(Client, missing_files_and_wrong_urls_are_errors_of_the_calls) {
  run([](asio::io_context& io) -> Task<> {
    Options o;
    Client none(io, o);
    const auto a = co_await none.get("a");
    EXPECT_EQ(a.error().code, Errc::invalid);
    o.endpoints = {"tcp://x"};
    Client wrong(io, o);
    const auto b = co_await wrong.get("a");
    EXPECT_NE(b.error().message.find("tcp://x"), std::string::npos);
    o.endpoints = {"https://127.0.0.1:1"};
    o.tls.ca = "/nonexistent/ca.crt";
    Client missing(io, o);
    const auto c = co_await missing.get("a");
    EXPECT_NE(c.error().message.find("/nonexistent/ca.crt"), std::string::npos) << c.error().message;
  });
}

}  // namespace
}  // namespace weft::kvstore
