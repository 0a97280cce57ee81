// Remote clusters against real etcds: what comes in, what stays, what goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "base/tests/free_port.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/tests/remote_world.h"

namespace weft::mesh {
namespace {

using kvstore::testing::EtcdServer;
using ::testing::HasSubstr;

TEST(RemoteCluster, takes_everything_that_a_real_exporter_wrote) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    std::ifstream file(WEFT_GOLDEN_DIR "/keys.json");
    std::stringstream text;
    text << file.rdbuf();
    const auto golden = boost::json::parse(text.str());
    for (const auto& kv : golden.as_object()) {
      std::string key(kv.key().data(), kv.key().size());
      std::string value(kv.value().at("value").as_string().c_str());
      co_await put(c, std::move(key), std::move(value));
    }
    World w(io);
    const LocalCluster other{"other", 2, 255};
    RemoteCluster r(io, other, "cluster1", World::options(etcd.options()), w.tables, w.ids, true);
    EXPECT_FALSE(w.services.initialized());
    r.start();
    co_await eventually("ready", [&] { return w.status("cluster1").ready; });
    const auto s = w.status("cluster1");
    EXPECT_EQ(s.nodes, 2u);
    EXPECT_EQ(s.services, 4u);
    EXPECT_EQ(s.endpoints, 2u);
    EXPECT_EQ(s.identities, 1u);
    EXPECT_EQ(s.rejected, 0u) << s.rejected_example;
    EXPECT_EQ(s.cluster_id, 1u);
    EXPECT_EQ(s.why, "");
    EXPECT_GE(s.rtt_ms, 0);
    EXPECT_TRUE(s.synced_nodes && s.synced_services && s.synced_endpoints && s.synced_identities);
    EXPECT_TRUE(w.nodes.initialized() && w.services.initialized() && w.ips.initialized() && w.identities.initialized());
    EXPECT_EQ(w.services.get({{"shop", "api-server"}, "cluster1"})->backends.size(), 3u);
    co_await r.stop();
  });
}

TEST(RemoteCluster, reads_a_kind_when_its_canary_is_there_and_not_before) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await put(c, cluster_config_key("east"), config_json(7));
    co_await put_node(c, node("east", 7, "e1", "10.7.0.0/24"));
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("connected",
                        [&] { return w.status("east").why.find("waiting for cluster east to finish writing") == 0; });
    EXPECT_EQ(w.nodes.size(), 0u);
    co_await put(c, canary_key(Kind::nodes, "east"), "now");
    co_await eventually("the node", [&] { return w.nodes.size() == 1; });
    EXPECT_FALSE(w.status("east").ready);
    co_await canaries(c, "east");
    co_await eventually("ready", [&] { return w.status("east").ready; });
    co_await r->stop();
  });
}

TEST(RemoteCluster, a_cache_is_read_under_its_own_prefixes) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await put(c, cluster_config_key("east"),
                 R"({"id":7,"capabilities":{"syncedCanaries":true,"cached":true,"maxConnectedClusters":255}})");
    IpIdentity ip;
    ip.prefix = *Prefix::parse("10.7.0.9/32");
    ip.id = (7 << 16) + 300;
    co_await put(c, "cilium/cache/ip/v1/east/10.7.0.9", encode_ip(ip));
    for (const Kind k : kMirroredKinds) co_await put(c, canary_key(k, "east", true), "now");
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    EXPECT_EQ(w.ips.size(), 1u);
    co_await r->stop();
  });
}

TEST(RemoteCluster, a_bad_value_keeps_the_last_good_one_and_a_deletion_withdraws) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "east", 7, "10.7.0.0/24");
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    const ClusterService::Key cart{{"shop", "cart"}, "east"};
    const auto before = w.services.get(cart);
    const std::string key = data_prefix(Kind::services, "east") + "shop/cart";
    co_await put(c, key, "{broken");
    co_await eventually("the rejection is shown", [&] { return w.status("east").rejected == 1; });
    EXPECT_EQ(w.services.get(cart), before);
    EXPECT_TRUE(w.status("east").ready);
    ClusterService hidden = *before;
    hidden.shared = false;
    co_await put(c, key, encode_service(hidden));
    co_await eventually("not shared is gone", [&] { return !w.services.contains(cart); });
    co_await put(c, key, encode_service(*before));
    co_await eventually("shared again", [&] { return w.services.contains(cart) && w.status("east").services == 1; });
    co_await eventually("no rejection is left", [&] { return w.status("east").rejected == 0; });
    (void)co_await c.del(key);
    co_await eventually("deleted is gone",
                        [&] { return !w.services.contains(cart) && w.status("east").services == 0; });
    co_await r->stop();
  });
}

TEST(RemoteCluster, keeps_rows_through_a_disconnect_and_catches_up) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    {
      Client c(io, etcd.options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
    }
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    etcd.kill();
    co_await eventually("the loss is shown", [&] { return !w.status("east").ready; });
    EXPECT_THAT(w.status("east").why, HasSubstr("rows kept"));
    co_await sleep_for(1500ms);  // several failed checks: the connection is rebuilt
    EXPECT_EQ(w.nodes.size(), 1u);
    EXPECT_EQ(w.services.size(), 1u);
    EXPECT_EQ(w.ips.size(), 1u);
    EXPECT_EQ(w.identities.size(), 1u);
    etcd.start();
    Client c(io, etcd.options());
    (void)co_await c.del(data_prefix(Kind::services, "east") + "shop/cart");
    co_await put_node(c, node("east", 7, "e2", "10.7.1.0/24"));
    co_await eventually("caught up",
                        [&] { return w.status("east").ready && w.services.size() == 0 && w.nodes.size() == 2; });
    EXPECT_GE(w.status("east").reconnections, 1u);
    co_await r->stop();
  });
}

TEST(RemoteCluster, away_for_longer_than_the_cache_lives_it_loses_its_services_and_nothing_else) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    {
      Client c(io, etcd.options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
    }
    World w(io);
    RemoteOptions options = World::options(etcd.options());
    options.cache_ttl = 1s;
    RemoteCluster r(io, kHome, "east", options, w.tables, w.ids, false);
    r.start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    co_await sleep_for(1500ms);  // connected, the limit means nothing
    EXPECT_EQ(w.services.size(), 1u);
    EXPECT_EQ(w.status("east").cache_revocations, 0u);
    etcd.kill();
    co_await eventually("the services are dropped", [&] { return w.services.size() == 0; });
    EXPECT_EQ(w.nodes.size(), 1u);
    EXPECT_EQ(w.ips.size(), 1u);
    EXPECT_EQ(w.identities.size(), 1u);
    co_await eventually("that is told", [&] { return w.status("east").cache_revocations == 1; });
    EXPECT_GE(w.status("east").failures, 1u);
    EXPECT_NE(w.status("east").last_failure, Wall::time_point{});
    etcd.start();
    co_await eventually("back, with its services", [&] { return w.status("east").ready && w.services.size() == 1; });
    EXPECT_EQ(w.status("east").cache_revocations, 1u);
    co_await r.stop();
  });
}

TEST(RemoteCluster, is_not_ready_while_its_writer_is_silent_and_keeps_its_rows) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "east", 7, "10.7.0.0/24");
    co_await put(c, std::string(kHeartbeatKey), "2026-01-01T00:00:00Z");
    World w(io);
    RemoteOptions options = World::options(etcd.options());
    options.heartbeat_within = 2s;
    RemoteCluster r(io, kHome, "east", options, w.tables, w.ids, false);
    r.start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    co_await eventually("the silence is shown", [&] { return !w.status("east").ready; });
    EXPECT_THAT(w.status("east").why, HasSubstr("heartbeat of cluster east not renewed for 2 s"));
    co_await eventually("the connection is rebuilt", [&] { return w.status("east").reconnections >= 1; });
    co_await eventually("it is followed again", [&] { return w.status("east").synced_services; });
    EXPECT_FALSE(w.status("east").ready) << "a new connection to the same silent writer";
    EXPECT_THAT(w.status("east").why, HasSubstr("is its weft-clustermesh running?"));
    EXPECT_EQ(w.nodes.size(), 1u);
    EXPECT_EQ(w.services.size(), 1u);
    EXPECT_EQ(w.ips.size(), 1u);
    EXPECT_EQ(w.identities.size(), 1u);
    co_await put(c, std::string(kHeartbeatKey), "2026-01-01T00:01:00Z");
    co_await eventually("ready again", [&] { return w.status("east").ready; });
    co_await r.stop();
  });
}

TEST(RemoteCluster, finds_the_store_behind_the_last_of_its_addresses_without_waiting) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    {
      Client c(io, etcd.options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
    }
    World w(io);
    RemoteOptions options = World::options(etcd.options());
    options.retry_first = options.retry_max = 30s;
    for (int i = 0; i < 3; ++i)
      options.store.endpoints.insert(options.store.endpoints.begin(),
                                     fmt::format("http://127.0.0.1:{}", weft::testing::free_port()));
    RemoteCluster r(io, kHome, "east", options, w.tables, w.ids, false);
    r.start();
    co_await eventually("ready", [&] { return w.status("east").ready; }, 10s);
    co_await r.stop();
  });
}

TEST(RemoteCluster, another_replica_behind_the_address_is_listed_anew) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    {
      Client c(io, etcd.options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
      co_await put_node(c, node("east", 7, "gone", "10.7.9.0/24"));
    }
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready && w.nodes.size() == 2; });
    bool lost_the_first = false;
    Table<Node>::Stream changes(w.nodes);
    changes.next();
    etcd.stop();
    etcd.wipe();
    etcd.start();
    {
      Client c(io, etcd.options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
    }
    co_await eventually("the vanished node is gone", [&] {
      for (const auto& change : changes.next())
        if (!change.row && change.key.name == "east-n1") lost_the_first = true;
      return w.nodes.size() == 1 && w.status("east").ready;
    });
    EXPECT_FALSE(lost_the_first) << "a row that both replicas have never went away";
    co_await r->stop();
  });
}

TEST(RemoteCluster, a_changed_cluster_id_drains_everything_first) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "east", 7, "10.7.0.0/24");
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    (void)co_await c.del("cilium/state/", kvstore::prefix_end("cilium/state/"));
    co_await seed(c, "east", 8, "10.8.0.0/24");
    co_await eventually("the new id", [&] { return w.status("east").ready && w.status("east").cluster_id == 8; });
    co_await eventually("the new rows only",
                        [&] { return w.identities.size() == 1 && w.identities.contains((8 << 16) + 300); });
    EXPECT_EQ(w.ids, (IdRegistry{{8, "east"}}));
    co_await r->stop();
  });
}

TEST(RemoteCluster, removal_withdraws_its_rows_and_nobody_elses) {
  EtcdServer east, west;
  run([&](asio::io_context& io) -> Task<> {
    Client e(io, east.options()), v(io, west.options());
    co_await seed(e, "east", 7, "10.7.0.0/24");
    co_await seed(v, "west", 8, "10.8.0.0/24");
    World w(io);
    w.nodes.upsert(node("home", 1, "h1", "10.1.0.0/24"));
    auto a = w.remote("east", east.options());
    auto b = w.remote("west", west.options());
    a->start();
    b->start();
    co_await eventually("both ready", [&] { return w.status("east").ready && w.status("west").ready; });
    co_await a->stop();
    EXPECT_EQ(w.nodes.size(), 3u) << "stopping is not removing";
    a->withdraw();
    EXPECT_EQ(w.nodes.size(), 2u);
    EXPECT_EQ(w.services.size(), 1u);
    EXPECT_EQ(w.ips.size(), 1u);
    EXPECT_EQ(w.identities.size(), 1u);
    EXPECT_FALSE(w.remotes.contains("east"));
    EXPECT_EQ(w.ids, (IdRegistry{{8, "west"}}));
    EXPECT_TRUE(w.status("west").ready);
    co_await b->stop();
  });
}

// A NodePort mesh, whose store listens on the node of its pod and nowhere else.
TEST(RemoteCluster, a_store_that_moves_to_a_node_added_after_connect_is_found_there) {
  EtcdServer before;
  EtcdServer after({.port = before.port(), .host = "127.0.0.2"});
  run([&](asio::io_context& io) -> Task<> {
    for (auto* etcd : {&before, &after}) {
      Client c(io, etcd->options());
      co_await seed(c, "east", 7, "10.7.0.0/24");
      Node first = node("east", 7, "east-n1", "10.7.0.0/24"), second = node("east", 7, "east-n2", "10.7.1.0/24");
      first.addresses = {{NodeAddressType::internal_ip, "127.0.0.1"}};
      second.addresses = {{NodeAddressType::internal_ip, "127.0.0.2"}};
      co_await put_node(c, std::move(first));
      co_await put_node(c, std::move(second));
    }
    Client moved(io, after.options());
    co_await put_node(moved, node("east", 7, "east-n3", "10.7.2.0/24"));
    World w(io);
    auto r = w.remote("east", before.options());  // what connect wrote down
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready && w.nodes.size() == 2; });
    EXPECT_TRUE(w.status("east").warnings.empty());
    before.kill();
    co_await eventually(
        "it is found on the other node", [&] { return w.status("east").ready && w.nodes.size() == 3; }, 60s);
    (void)co_await moved.del(data_prefix(Kind::nodes, "east") + "east-n1");
    co_await eventually("the warning", [&] { return !w.status("east").warnings.empty(); });
    EXPECT_TRUE(w.status("east").ready);
    EXPECT_NE(
        w.status("east").warnings.at(0).find("127.0.0.1 is configured for cluster east and no node of it any more"),
        std::string::npos)
        << w.status("east").warnings.at(0);
    co_await r->stop();
  });
}

// ---- refusals. In each, a good remote is connected, and must stay so.

}  // namespace
}  // namespace weft::mesh
