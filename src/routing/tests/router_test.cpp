#include "routing/router.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "netlink/fake.h"

namespace weft::routing {
namespace {

using namespace std::chrono_literals;
using netlink::FakeKernel;
using netlink::FakeWorld;

Node node(const std::string& cluster, const std::string& name, const std::string& ip, const std::string& cidr) {
  Node n;
  n.cluster = cluster;
  n.name = name;
  n.addresses = {{NodeAddressType::internal_ip, ip}};
  n.pod_cidrs = {*Prefix::parse(cidr)};
  return n;
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    world_->add_nic("eth0", {"172.18.1.11/24"});
    nodes_.expect("test");
    nodes_.upsert(node("cluster1", "node1", "172.18.1.11", "10.1.0.0/24"));
    nodes_.upsert(node("cluster1", "node2", "172.18.1.12", "10.1.1.0/24"));
  }
  void start(Mode mode) {
    config_.mode = mode;
    router_ = std::make_unique<NodeRouter>(io_, kernel_, nodes_, config_, std::vector{*Address::parse("172.18.1.11")},
                                           nullptr);
    scope_ = std::make_unique<Scope>(io_, "test");
    router_->start(*scope_);
  }
  void stop() {
    scope_->cancel();
    io_.restart();
    io_.run_for(200ms);
    scope_.reset();
    router_.reset();
  }
  ~RouterTest() override {
    if (scope_) stop();
  }

  // Runs the loop until `fact` holds; false after two seconds.
  bool until(const std::function<bool()>& fact) {
    const auto deadline = Steady::now() + 2s;
    while (!fact() && Steady::now() < deadline) {
      io_.restart();
      io_.run_for(5ms);
    }
    return fact();
  }
  std::set<std::string> routes() {
    std::set<std::string> out;
    for (const auto& r : world_->namespaces[""].routes)
      out.insert(r.destination.to_string() + (r.via ? " via " + r.via->to_string() : ""));
    return out;
  }
  std::string rules() { return world_->namespaces[""].nft.empty() ? "" : world_->namespaces[""].nft.back(); }

  asio::io_context io_;
  std::shared_ptr<FakeWorld> world_ = std::make_shared<FakeWorld>();
  FakeKernel kernel_{world_};
  Table<Node> nodes_{io_, "nodes"};
  Config config_{.local = {"cluster1", "node1"}};
  std::unique_ptr<NodeRouter> router_;
  std::unique_ptr<Scope> scope_;
};

using Routes = std::set<std::string>;

TEST_F(RouterTest, routes_follow_the_nodes_that_come_move_and_go) {
  start(Mode::native);
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return routes() == Routes{"10.1.0.0/24", "10.1.1.0/24 via 172.18.1.12"}; }))
      << testing::PrintToString(routes());
  nodes_.upsert(node("cluster1", "node2", "172.18.1.99", "10.1.1.0/24"));
  nodes_.upsert(node("cluster1", "node3", "172.18.1.13", "10.1.2.0/24"));
  EXPECT_TRUE(until(
      [&] { return routes() == Routes{"10.1.0.0/24", "10.1.1.0/24 via 172.18.1.99", "10.1.2.0/24 via 172.18.1.13"}; }));
  nodes_.remove({"cluster1", "node2"});
  EXPECT_TRUE(until([&] { return routes() == Routes{"10.1.0.0/24", "10.1.2.0/24 via 172.18.1.13"}; }));
  EXPECT_TRUE(until([&] { return router_->status().settled; }));
}

TEST_F(RouterTest, a_restart_keeps_what_it_finds_until_every_source_has_spoken_and_then_prunes_only_its_own) {
  const int eth0 = kernel_.link("eth0")->index;
  const auto via = [](const char* text) { return Address::parse(text).value(); };
  ASSERT_TRUE(
      kernel_.replace_route({.destination = *Prefix::parse("10.2.0.0/24"), .via = via("172.18.1.1"), .ifindex = eth0}));
  ASSERT_TRUE(kernel_.replace_route(
      {.destination = *Prefix::parse("10.9.0.0/24"), .via = via("172.18.1.1"), .ifindex = eth0, .protocol = 4}));
  const std::string adopted = "add table inet weft_masquerade\ntable inet weft_masquerade {\n}\n";
  ASSERT_TRUE(kernel_.nft(adopted));
  start(Mode::native);
  EXPECT_TRUE(until([&] { return routes().contains("10.1.1.0/24 via 172.18.1.12"); }));
  EXPECT_TRUE(routes().contains("10.2.0.0/24 via 172.18.1.1"));
  EXPECT_EQ(rules().find("delete"), std::string::npos) << rules();
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return !routes().contains("10.2.0.0/24 via 172.18.1.1"); }));
  EXPECT_TRUE(routes().contains("10.9.0.0/24 via 172.18.1.1"));
  EXPECT_TRUE(until([&] { return rules().find("10.1.1.0/24") != std::string::npos; }));
}

TEST_F(RouterTest, a_silent_remote_holds_up_neither_the_routes_of_this_cluster_nor_that_they_are_settled) {
  nodes_.expect("remote cluster west");
  start(Mode::native);
  EXPECT_TRUE(until([&] { return routes().contains("10.1.1.0/24 via 172.18.1.12"); }));
  EXPECT_FALSE(router_->status().settled) << "this cluster's nodes are not all listed";
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return router_->status().settled; }));
  nodes_.upsert(node("cluster1", "node3", "172.18.1.13", "10.1.2.0/24"));
  EXPECT_TRUE(until([&] { return routes().contains("10.1.2.0/24 via 172.18.1.13"); }));
  nodes_.initialized_by("remote cluster west");
  EXPECT_TRUE(until([&] { return nodes_.initialized() && router_->status().settled; }));
}

TEST_F(RouterTest, adopted_masquerade_rules_take_up_a_node_that_joins_while_a_remote_is_silent) {
  const std::string adopted = "add table inet weft_masquerade\ntable inet weft_masquerade {\n}\n";
  ASSERT_TRUE(kernel_.nft(adopted));
  nodes_.initialized_by("test");
  nodes_.expect("remote cluster west");
  start(Mode::native);
  const auto added = [&](const char* what) {
    return rules().starts_with("add element inet weft_masquerade pods4 ") && rules().find(what) != std::string::npos;
  };
  EXPECT_TRUE(until([&] { return added("10.1.1.0/24"); })) << rules();
  nodes_.upsert(node("cluster1", "node3", "172.18.1.13", "10.1.2.0/24"));
  EXPECT_TRUE(until([&] { return added("10.1.2.0/24"); })) << rules();
  EXPECT_TRUE(until([&] { return router_->status().settled && router_->status().problems.empty(); }));
  nodes_.initialized_by("remote cluster west");
  EXPECT_TRUE(until([&] { return rules().find("\ntable inet weft_masquerade {") != std::string::npos; })) << rules();
}

TEST_F(RouterTest, tunnel_ends_follow_the_nodes) {
  start(Mode::tunnel);
  nodes_.initialized_by("test");
  auto& here = world_->namespaces[""];
  EXPECT_TRUE(until([&] { return here.fdb.size() == 1 && here.neighbours.size() == 1; }));
  const auto device = kernel_.link(kTunnelDevice);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->mac.to_string(), "0e:57:ac:12:01:0b");
  EXPECT_EQ(device->mtu, 1450u);
  EXPECT_EQ(here.fdb[0].mac.to_string(), "0e:57:ac:12:01:0c");
  EXPECT_EQ(here.fdb[0].remote.to_string(), "172.18.1.12");
  EXPECT_EQ(here.neighbours[0].address.to_string(), "10.1.1.1");
  nodes_.upsert(node("cluster1", "node2", "172.18.1.77", "10.1.1.0/24"));
  EXPECT_TRUE(until([&] { return here.fdb.size() == 1 && here.fdb[0].remote.to_string() == "172.18.1.77"; }));
  EXPECT_EQ(here.neighbours[0].mac.to_string(), "0e:57:ac:12:01:4d");
  nodes_.remove({"cluster1", "node2"});
  EXPECT_TRUE(until([&] { return here.fdb.empty() && here.neighbours.empty(); }));
}

TEST_F(RouterTest, changing_from_tunnel_to_native_removes_the_device) {
  start(Mode::tunnel);
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return routes().contains("10.1.1.0/24 via 10.1.1.1"); }));
  stop();
  start(Mode::native);
  EXPECT_TRUE(until([&] { return routes().contains("10.1.1.0/24 via 172.18.1.12"); }));
  EXPECT_FALSE(kernel_.link(kTunnelDevice));
}

TEST_F(RouterTest, the_tunnel_follows_the_nodes_own_address) {
  world_->add_nic("eth1", {"172.18.7.11/24"});
  start(Mode::tunnel);
  nodes_.initialized_by("test");
  auto& here = world_->namespaces[""];
  EXPECT_TRUE(until([&] { return here.fdb.size() == 1 && router_->status().settled; }));
  router_->set_node_ips({*Address::parse("172.18.7.11")});
  EXPECT_TRUE(until([&] {
    const auto device = kernel_.link(kTunnelDevice);
    return device && device->vxlan && device->vxlan->local == *Address::parse("172.18.7.11");
  }));
  EXPECT_TRUE(until([&] { return here.fdb.size() == 1 && here.neighbours.size() == 1 && router_->status().settled; }))
      << "the new device has what the old one had";
}

TEST_F(RouterTest, a_node_that_lacks_the_wanted_family_says_so_with_the_mend) {
  config_.underlay = UnderlayProtocol::ipv6;
  start(Mode::tunnel);
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return !router_->status().problems.empty(); }));
  EXPECT_EQ(router_->status().problems[0],
            "tunnel: no interface of this node has an InternalIP of family IPv6: correct status.addresses of its Node "
            "object, or set underlay-protocol to ipv4 in every cluster of the mesh");
}

TEST_F(RouterTest, an_address_that_is_published_but_on_no_interface_is_told_instead_of_choosing_what_others_do_not) {
  world_->add_nic("eth1", {"fd00:18:1::11/64"});
  start(Mode::tunnel);
  router_->set_node_ips({*Address::parse("192.0.2.9"), *Address::parse("fd00:18:1::11")});
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return !router_->status().problems.empty(); }));
  EXPECT_NE(router_->status().problems[0].find("no interface of this node has an InternalIP of family IPv4"),
            std::string::npos)
      << router_->status().problems[0];
}

TEST_F(RouterTest, a_failure_is_told_and_retried) {
  world_->fail_next["nft"] = Error{Errc::unavailable, "nftables: busy"};
  start(Mode::native);
  nodes_.initialized_by("test");
  EXPECT_TRUE(until([&] { return !router_->status().problems.empty(); }));
  EXPECT_EQ(router_->status().problems[0], "nftables: busy");
  EXPECT_TRUE(until([&] { return router_->status().settled; }));
  EXPECT_NE(rules().find("masquerade"), std::string::npos);
}

}  // namespace
}  // namespace weft::routing
