// Every refusal of a remote cluster, each beside a remote that works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/tests/remote_world.h"

namespace weft::mesh {
namespace {

using kvstore::testing::EtcdServer;
using kvstore::testing::TestCa;
using ::testing::AllOf;
using ::testing::HasSubstr;

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
           {"10.1.0.0/25 of node bad-n1 of cluster bad", "10.1.0.0/24 of node h1 of cluster home", "--cluster-cidr"}});
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

TEST(Refusal, a_node_that_comes_later_with_an_overlapping_cidr_is_not_taken_and_the_remote_says_so_until_it_is_mended) {
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
    co_await eventually_says(
        w, "east", "10.1.0.0/24 of node e2 of cluster east overlaps pod CIDR 10.1.0.0/24 of node h1 of cluster home");
    EXPECT_THAT(w.status("east").why, HasSubstr("kube-controller-manager --cluster-cidr"));
    EXPECT_EQ(w.status("east").rejected, 1u);
    EXPECT_FALSE(w.nodes.get({"east", "e2"}));
    EXPECT_TRUE(w.nodes.get({"east", "east-n1"})) << "what works goes on";
    EXPECT_EQ(w.services.size(), 1u);
    // Mended on this side: nobody writes e2's key again.
    w.nodes.remove({"home", "h1"});
    co_await eventually("it is taken", [&] { return w.status("east").ready; });
    EXPECT_TRUE(w.nodes.get({"east", "e2"}));
    EXPECT_EQ(w.status("east").rejected, 0u);
    EXPECT_EQ(w.status("east").why, "");
    // Mended on the other side: the node goes.
    co_await put_node(c, node("east", 7, "e3", "10.7.0.128/25"));
    w.nodes.upsert(node("home", 1, "h2", "10.1.1.0/24"));
    co_await eventually("nodes of one cluster may", [&] { return w.nodes.get({"east", "e3"}) != nullptr; });
    co_await put_node(c, node("east", 7, "e4", "10.1.1.0/24"));
    co_await eventually_says(w, "east", "10.1.1.0/24 of node e4 of cluster east overlaps");
    (void)co_await c.del(data_prefix(Kind::nodes, "east") + "e4");
    co_await eventually("it is ready", [&] { return w.status("east").ready; });
    co_await r->stop();
  });
}

TEST(Refusal, a_node_of_ours_that_comes_later_and_overlaps_makes_the_remote_not_ready_and_takes_nothing_away) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    co_await seed(c, "east", 7, "10.7.0.0/24");
    World w(io);
    auto r = w.remote("east", etcd.options());
    r->start();
    co_await eventually("ready", [&] { return w.status("east").ready; });
    w.nodes.upsert(node("home", 1, "h7", "10.7.0.0/25"));
    co_await eventually_says(
        w, "east",
        "10.7.0.0/24 of node east-n1 of cluster east overlaps pod CIDR 10.7.0.0/25 of node h7 of cluster home");
    EXPECT_TRUE(w.nodes.get({"east", "east-n1"}));
    w.nodes.remove({"home", "h7"});
    co_await eventually("it is ready", [&] { return w.status("east").ready; });
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

}  // namespace
}  // namespace weft::mesh
