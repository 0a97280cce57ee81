// Remote clusters against real etcds: what comes in, what stays, what goes, and every refusal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/config_dir.h"
#include "mesh/remote_cluster.h"
#include "mesh/values/keys.h"

using namespace std::chrono_literals;

namespace weft::mesh {
namespace {

using kvstore::Client;
using kvstore::testing::EtcdServer;
using kvstore::testing::TestCa;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <class Fn>
void run(Fn test) {
  asio::io_context io;
  const auto main = [](asio::io_context& io, Fn& test) -> Task<int> {
    co_await test(io);
    co_return 0;
  };
  asio::steady_timer limit(io, 60s);
  limit.async_wait([](boost::system::error_code ec) {
    if (!ec) throw std::runtime_error("the test did not end in time");
  });
  EXPECT_EQ(run_to_completion(io, main(io, test)), 0);
}

const LocalCluster kHome{"home", 1, 255};

struct World {
  explicit World(asio::io_context& i) : io(i) {}
  asio::io_context& io;
  Table<Node> nodes{io, "nodes"};
  Table<ClusterService> services{io, "cluster-services"};
  Table<IpIdentity> ips{io, "ips"};
  Table<Identity> identities{io, "identities"};
  Table<RemoteStatus> remotes{io, "remotes"};
  IdRegistry ids;
  Tables tables{nodes, services, ips, identities, remotes};

  std::unique_ptr<RemoteCluster> remote(std::string name, kvstore::Options store, bool initial = false) {
    return std::make_unique<RemoteCluster>(io, kHome, std::move(name), options(std::move(store)), tables, ids, initial);
  }
  bool initialized() const {
    return nodes.initialized() && services.initialized() && ips.initialized() && identities.initialized();
  }
  static RemoteOptions options(kvstore::Options store) {
    RemoteOptions o;
    o.store = std::move(store);
    o.store.dial_timeout = 2s;
    o.retry_first = 50ms;
    o.retry_max = 200ms;
    o.check_every = 200ms;
    return o;
  }
  RemoteStatus status(const std::string& name) const {
    const auto row = remotes.get(name);
    return row ? *row : RemoteStatus{};
  }
};

Task<> eventually(std::string what, std::function<bool()> holds, std::chrono::seconds limit = 20s) {
  const auto until = Steady::now() + limit;
  while (!holds() && Steady::now() < until) co_await sleep_for(10ms);
  EXPECT_TRUE(holds()) << what;
}

Task<> put(Client& c, std::string key, std::string value) {
  const auto r = co_await c.put(std::move(key), std::move(value));
  EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().message);
}

std::string config_json(ClusterId id, ClusterId max = 255) {
  return encode_cluster_config(
      {.id = id, .synced_canaries = true, .max_connected_clusters = max, .service_exports_enabled = false});
}

Task<> canaries(Client& c, std::string cluster) {
  for (const Kind k : kMirroredKinds) {
    std::string key = canary_key(k, cluster);
    co_await put(c, std::move(key), "2026-01-01T00:00:00Z");
  }
}

Node node(const std::string& cluster, ClusterId id, const std::string& name, const std::string& cidr) {
  Node n;
  n.cluster = cluster, n.cluster_id = id, n.name = name;
  n.pod_cidrs = {*Prefix::parse(cidr)};
  return n;
}

Task<> put_node(Client& c, Node n) {
  std::string key = data_prefix(Kind::nodes, n.cluster) + n.name;
  std::string value = encode_node(n);
  co_await put(c, std::move(key), std::move(value));
}

// A small cluster: one node, one service, one address, one identity, its configuration and canaries.
Task<> seed(Client& c, std::string cluster, ClusterId id, std::string cidr) {
  co_await put(c, cluster_config_key(cluster), config_json(id));
  co_await put_node(c, node(cluster, id, cluster + "-n1", cidr));
  ClusterService s;
  s.cluster = cluster, s.cluster_id = id, s.name = {"shop", "cart"};
  s.backends[Prefix::parse(cidr)->address().plus(9)][""] = {Protocol::tcp, 80};
  co_await put(c, data_prefix(Kind::services, cluster) + "shop/cart", encode_service(s));
  IpIdentity ip;
  ip.prefix = Prefix::host(Prefix::parse(cidr)->address().plus(9));
  ip.id = (id << 16) + 300;
  co_await put(c, data_prefix(Kind::ip, cluster) + ip_key(ip.prefix), encode_ip(ip));
  const Labels labels{{"k8s:io.cilium.k8s.policy.cluster", cluster}, {"k8s:app", "cart"}};
  co_await put(c, data_prefix(Kind::identities, cluster) + std::to_string(ip.id), encode_identity(labels));
  co_await canaries(c, cluster);
}

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
                                     fmt::format("http://127.0.0.1:{}", kvstore::testing::free_port()));
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

// ---- refusals. In each, a good remote is connected, and must stay so.

struct RefusalCase {
  std::string name;
  std::function<Task<>(Client&)> prepare;
  std::vector<std::string> said;
};

void refused(const RefusalCase& c, std::string remote_name = "bad") {
  EtcdServer good, bad;
  run([&](asio::io_context& io) -> Task<> {
    Client g(io, good.options()), b(io, bad.options());
    co_await seed(g, "good", 9, "10.9.0.0/24");
    co_await c.prepare(b);
    World w(io);
    w.nodes.upsert(node("home", 1, "h1", "10.1.0.0/24"));
    auto first = w.remote("good", good.options());
    first->start();
    co_await eventually("good is ready", [&] { return w.status("good").ready; });
    const auto revision =
        std::tuple(w.nodes.revision(), w.services.revision(), w.ips.revision(), w.identities.revision());
    auto second = w.remote(remote_name, bad.options(), true);
    EXPECT_FALSE(w.initialized());
    second->start();
    co_await eventually("it is refused", [&] { return w.status(remote_name).refused; });
    EXPECT_TRUE(w.initialized()) << "nobody waits for a remote that is refused";
    for (const auto& part : c.said) EXPECT_THAT(w.status(remote_name).why, HasSubstr(part));
    EXPECT_FALSE(w.status(remote_name).ready);
    EXPECT_TRUE(w.status("good").ready);
    EXPECT_EQ(std::tuple(w.nodes.revision(), w.services.revision(), w.ips.revision(), w.identities.revision()),
              revision)
        << "no row of anybody was touched";
    // Mended, it connects by itself.
    if (remote_name == "bad") {
      (void)co_await b.del("cilium/", kvstore::prefix_end("cilium/"));
      co_await seed(b, "bad", 10, "10.10.0.0/24");
      co_await eventually("mended, it connects", [&] { return w.status("bad").ready; });
      EXPECT_EQ(w.status("bad").why, "");
    }
    co_await second->stop();
    co_await first->stop();
  });
}

TEST(Refusal, equal_cluster_ids) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "bad", 1, "10.5.0.0/24"); },
           {"cluster.id 1", "home (this one)", "cluster bad", "another cluster.id"}});
}
TEST(Refusal, a_cluster_id_that_another_remote_has) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "bad", 9, "10.5.0.0/24"); },
           {"cluster.id 9", "good", "bad", "another cluster.id"}});
}
TEST(Refusal, a_cluster_id_out_of_range) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "bad", 256, "10.5.0.0/24"); },
           {"home", "bad", "cluster.id 256", "1 to 255"}});
}
TEST(Refusal, another_maximum_of_clusters) {
  refused({"",
           [](Client& c) -> Task<> { co_await put(c, cluster_config_key("bad"), config_json(5, 511)); },
           {"255 in cluster home", "511 in cluster bad", "maxConnectedClusters"}});
}
TEST(Refusal, a_missing_cluster_configuration) {
  refused(
      {"",
       [](Client& c) -> Task<> { co_await put(c, cluster_config_key("someone-else"), config_json(5)); },
       {"cluster bad", "cluster home", "cilium/cluster-config/bad", "cluster.name", "weft-clustermesh runs there"}});
}
TEST(Refusal, an_unreadable_cluster_configuration) {
  refused(
      {"",
       [](Client& c) -> Task<> { co_await put(c, cluster_config_key("bad"), "{]"); },
       {"cluster bad", "cluster home", "cilium/cluster-config/bad", "not JSON", "restart its clustermesh-apiserver"}});
}
TEST(Refusal, pod_cidrs_that_overlap_ours) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "bad", 5, "10.1.0.0/25"); },
           {"10.1.0.0/25 of node bad-n1 of cluster bad", "10.1.0.0/24 of node h1 of cluster home", "PodCIDRList"}});
}
TEST(Refusal, pod_cidrs_that_overlap_another_remotes) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "bad", 5, "10.9.0.128/25"); },
           {"of node bad-n1 of cluster bad", "of node good-n1 of cluster good"}});
}
TEST(Refusal, a_name_against_the_rule) {
  refused({"", [](Client&) -> Task<> { co_return; }, {"home", "Bad_Name", "cluster.name", "lower-case"}}, "Bad_Name");
}
TEST(Refusal, a_remote_with_our_own_name) {
  refused({"",
           [](Client& c) -> Task<> { co_await seed(c, "home", 5, "10.5.0.0/24"); },
           {"cluster.name \"home\"", "id 1", "id 5", "another cluster.name"}},
          "home");
}

TEST(Refusal, our_own_cluster_in_the_list_is_no_remote_and_no_error) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "home", 1, "10.1.0.0/24");
    World w(io);
    auto r = w.remote("home", etcd.options(), true);
    r->start();
    co_await eventually("nobody waits for ourselves", [&] { return w.initialized(); });
    co_await sleep_for(500ms);
    EXPECT_EQ(w.remotes.size(), 0u);
    EXPECT_EQ(w.nodes.size(), 0u);
    co_await r->stop();
  });
}

TEST(Refusal, a_node_that_comes_later_with_an_overlapping_cidr_is_not_taken) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "east", 7, "10.7.0.0/24");
    World w(io);
    w.nodes.upsert(node("home", 1, "h1", "10.1.0.0/24"));
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    co_await put_node(c, node("east", 7, "e2", "10.1.0.0/24"));
    co_await eventually("rejected", [&] { return w.status("east").rejected == 1; });
    EXPECT_THAT(w.status("east").rejected_example, HasSubstr("10.1.0.0/24 of node e2 of cluster east overlaps"));
    EXPECT_EQ(w.nodes.size(), 2u);
    EXPECT_TRUE(w.status("east").ready);
    co_await r->stop();
  });
}

TEST(Refusal, a_certificate_of_another_ca_on_either_side) {
  TestCa ours("home CA"), theirs("east CA");
  EtcdServer etcd({.ca = &theirs});
  run([&](asio::io_context& io) -> Task<> {
    World w(io);
    kvstore::Options untrusted = etcd.options("remote");
    untrusted.tls.ca = etcd.dir() + "/home-ca.crt";
    (void)write_file(untrusted.tls.ca, ours.pem());
    auto a = w.remote("east", untrusted);
    a->start();
    co_await eventually("the server is refused", [&] { return w.status("east").refused; });
    EXPECT_THAT(w.status("east").why, AllOf(HasSubstr("cluster home"), HasSubstr("cluster east"), HasSubstr("east CA"),
                                            HasSubstr("home CA"), HasSubstr("one CA")));
    co_await a->stop();

    kvstore::Options foreign = etcd.options("remote");
    const auto cert = ours.issue("remote");
    foreign.tls.cert = etcd.dir() + "/home.crt", foreign.tls.key = etcd.dir() + "/home.key";
    (void)write_file(foreign.tls.cert, cert.cert);
    (void)write_file(foreign.tls.key, cert.key);
    a->set_options(World::options(foreign));
    a->start();
    co_await eventually("the server refuses us", [&] {
      return w.status("east").why.find("refuses our client certificate") != std::string::npos;
    });
    EXPECT_THAT(w.status("east").why,
                AllOf(HasSubstr("cluster home"), HasSubstr("cluster east"), HasSubstr("home CA")));
    EXPECT_TRUE(w.status("east").refused);
    co_await a->stop();
  });
}

// ---- the directory

TEST(ConfigDir, picks_up_changes_and_drops_remotes_at_run_time) {
  EtcdServer east, west;
  std::string dir = (std::filesystem::temp_directory_path() / "weft-mesh-XXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  run([&](asio::io_context& io) -> Task<> {
    Client e(io, east.options()), v(io, west.options());
    co_await seed(e, "east", 7, "10.7.0.0/24");
    co_await seed(v, "west", 8, "10.8.0.0/24");
    World w(io);
    ConfigDir::Options options;
    options.path = dir;
    options.remote = World::options({});
    options.rescan = 60s;  // so that the test shows inotify at work
    ConfigDir config(io, kHome, options, w.tables);
    Scope scope(io, "test");
    (void)write_file(dir + "/east", "endpoints:\n- " + east.endpoint() + "\n");
    (void)write_file(dir + "/ca.crt", "a certificate is no remote");
    scope.spawn("config", config.run());
    co_await eventually("east", [&] { return w.status("east").ready; });
    EXPECT_EQ(config.names(), std::vector<std::string>{"east"});
    (void)write_file(dir + "/west", "endpoints:\n- " + west.endpoint() + "\n");
    co_await eventually("west", [&] { return w.status("west").ready; });

    (void)write_file(dir + "/broken", "endpoints: [\n");
    co_await eventually("the broken file is shown", [&] { return w.status("broken").refused; });
    (void)write_file(dir + "/east", "endpoints: nonsense\n");
    co_await sleep_for(300ms);
    EXPECT_TRUE(w.status("east").ready) << "a bad file does not cut what works";
    EXPECT_EQ(w.nodes.size(), 2u);

    const std::string lost = fmt::format("http://127.0.0.1:{}", kvstore::testing::free_port());
    (void)write_file(dir + "/east", "endpoints:\n- " + lost + "\n");
    co_await eventually("east is away", [&] { return !w.status("east").ready; });
    EXPECT_EQ(w.nodes.size(), 2u) << "another address, the same rows";
    (void)write_file(dir + "/east", "endpoints:\n- " + lost + "\n- " + east.endpoint() + "\n");
    co_await eventually("east is back by its second address", [&] { return w.status("east").ready; });

    // There, but not to be read: first half written, then a link to itself.
    (void)write_file(dir + "/east", "");
    co_await sleep_for(300ms);
    std::filesystem::create_symlink("east", dir + "/.beside");
    std::filesystem::rename(dir + "/.beside", dir + "/east");
    co_await sleep_for(300ms);
    EXPECT_TRUE(w.status("east").ready) << "what cannot be read is not gone";
    EXPECT_EQ(w.nodes.size(), 2u);

    std::filesystem::remove(dir + "/east");
    std::filesystem::remove(dir + "/broken");
    co_await eventually("east is withdrawn", [&] { return !w.remotes.contains("east") && w.nodes.size() == 1; });
    co_await eventually("so is the broken file", [&] { return !w.remotes.contains("broken"); });
    EXPECT_TRUE(w.status("west").ready);
    co_await scope.stop();
    co_await config.stop();
    EXPECT_EQ(w.nodes.size(), 1u) << "the end of the process withdraws nothing";
  });
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace weft::mesh
