// Pods on the real kernel: weft-cni, the endpoint manager and the router in namespaces. Two nodes of one cluster on a
// segment, a node of another cluster behind a router, a host outside both.
//
//   node1 172.18.1.11 ─┐                        ┌─ 172.18.2.11 node3 (cluster2)
//   node2 172.18.1.12 ─┴─ 172.18.1.1 router ─┴─ 172.18.9.10 outside
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <filesystem>

#include "podnet/world.h"
#include "pods/cni_versions.h"

namespace weft::podnet {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using routing::Config;
using routing::Mode;

Node make_node(const std::string& cluster, const std::string& name, std::vector<std::string> ips,
               std::vector<std::string> cidrs) {
  Node n;
  n.cluster = cluster;
  n.name = name;
  for (const auto& i : ips) n.addresses.push_back({NodeAddressType::internal_ip, i});
  for (const auto& c : cidrs) n.pod_cidrs.push_back(*Prefix::parse(c));
  return n;
}

class PodNet : public testing::Test {
 protected:
  void SetUp() override {
    if (!enter_sandbox()) GTEST_SKIP() << "needs root (network namespaces)";
    for (const char* ns : {"router", "node1", "node2", "node3", "outside"}) {
      world_.add_netns(ns);
      // Else the fabric's link-local addresses stay tentative for a second or two, and IPv6 across it with them.
      world_.run(ns, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    }
    world_.run("router",
               "ip link add lan0 type bridge mcast_snooping 0; ip link set lan0 up; ip addr add 172.18.1.1/24 dev "
               "lan0; ip -6 addr add fd00:18:1::1/64 dev lan0 nodad;"
               "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    join("node1", "172.18.1.11/24", "fd00:18:1::11/64", "172.18.1.1", "fd00:18:1::1", "");
    join("node2", "172.18.1.12/24", "fd00:18:1::12/64", "172.18.1.1", "fd00:18:1::1", "");
    join("node3", "172.18.2.11/24", "fd00:18:2::11/64", "172.18.2.1", "fd00:18:2::1",
         "ip addr add 172.18.2.1/24 dev r-node3; ip -6 addr add fd00:18:2::1/64 dev r-node3 nodad");
    join("outside", "172.18.9.10/24", "fd00:18:9::10/64", "172.18.9.1", "fd00:18:9::1",
         "ip addr add 172.18.9.1/24 dev r-outside; ip -6 addr add fd00:18:9::1/64 dev r-outside nodad");
  }

  void join(const std::string& ns, const std::string& v4, const std::string& v6, const std::string& gw4,
            const std::string& gw6, const std::string& far) {
    world_.run("router", "ip link add r-" + ns + " type veth peer name eth0 netns " + world_.netns(ns) +
                             "; ip link set r-" + ns + " up; " +
                             (far.empty() ? "ip link set r-" + ns + " master lan0" : far));
    world_.run(ns, "ip link set eth0 up; ip addr add " + v4 + " dev eth0; ip -6 addr add " + v6 +
                       " dev eth0 nodad; ip route add default via " + gw4 + "; ip -6 route add default via " + gw6);
  }
  /// Natively the fabric must know the way to pods; over a tunnel it must not.
  void teach_router() {
    world_.run("router",
               "ip route add 10.1.0.0/24 via 172.18.1.11; ip route add 10.1.1.0/24 via 172.18.1.12; ip route add "
               "10.2.0.0/24 via 172.18.2.11;"
               "ip -6 route add fd00:1::/64 via fd00:18:1::11; ip -6 route add fd00:1:0:1::/64 via fd00:18:1::12; ip "
               "-6 route add fd00:2::/64 via fd00:18:2::11");
  }
  void start_agents(Config config) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      agents_.push_back(
          std::make_unique<AgentProcess>(world_, "node" + std::to_string(i + 1), nodes_[i], nodes_, config));
      agents_.back()->start();
    }
  }
  struct Pod {
    std::string ns;
    Address v4, v6;
    json::value result;
  };
  Pod add(std::size_t agent, const std::string& name) {
    if (!fs::exists(world_.netns(name))) world_.add_netns(name);
    const auto o = cni(*agents_[agent], "ADD", name, world_.netns(name));
    if (o.code != 0) throw std::runtime_error("ADD " + name + ": " + o.out);
    Pod p{name, {}, {}, json::parse(o.out)};
    const auto text = [&](std::size_t i) { return std::string(p.result.at("ips").at(i).at("address").as_string()); };
    p.v4 = Prefix::parse(text(0))->address();
    p.v6 = Prefix::parse(text(1))->address();
    return p;
  }
  /// As Docker and ufw leave a node.
  void drop_forwarding(const std::string& node) {
    world_.run(node, "iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
  }
  void expect_rules(const std::string& node) {
    const std::string count =
        "test $( (iptables-nft -S FORWARD; ip6tables-nft -S FORWARD) | grep -c \"lxc+ .*weft: .* ACCEPT\") = 4";
    bool there = false;
    for (int i = 0; i < 300 && !(there = world_.succeeds(node, count)); ++i) ::usleep(50'000);
    EXPECT_TRUE(there) << node << ": " << world_.run(node, "iptables-nft -S; ip6tables-nft -S") << state();
  }
  void expect_no_nat(const Pod& from, const Pod& to) {
    for (const Family f : {Family::v4, Family::v6}) {
      const auto seen = peer_seen(world_, to.ns, f == Family::v4 ? to.v4 : to.v6, from.ns);
      ASSERT_TRUE(seen) << seen.error().message << "\n" << state();
      EXPECT_EQ(*seen, (f == Family::v4 ? from.v4 : from.v6).to_string());
    }
    EXPECT_TRUE(world_.succeeds(from.ns, "ping -c1 -W2 -i0.2 " + to.v4.to_string()));
    EXPECT_TRUE(world_.succeeds(from.ns, "ping -c1 -W2 -i0.2 " + to.v6.to_string()));
  }
  void expect_everybody_reaches_everybody() {
    const Pod a1 = add(0, "a1"), a2 = add(0, "a2"), b = add(1, "b"), c = add(2, "c");
    EXPECT_EQ(a1.v4.to_string() + " " + a1.v6.to_string(), "10.1.0.2 fd00:1::2");
    EXPECT_EQ(c.v4.to_string(), "10.2.0.2");
    expect_no_nat(a1, a2);  // on one node
    expect_no_nat(a1, b);   // across nodes
    expect_no_nat(b, a2);
    expect_no_nat(a1, c);  // across clusters
    expect_no_nat(c, b);
    // The node itself and its pods; a node and the pods of others.
    for (const auto& to : {a1.v4, a1.v6, b.v4, b.v6, c.v4, c.v6})
      EXPECT_TRUE(world_.succeeds("node1", "ping -c1 -W2 " + to.to_string())) << to.to_string();
    EXPECT_TRUE(world_.succeeds("a1", "ping -c1 -W2 172.18.1.11"));
    EXPECT_TRUE(world_.succeeds("a1", "ping -c1 -W2 172.18.1.12"));
    EXPECT_TRUE(world_.succeeds("a1", "ping -c1 -W2 fd00:18:2::11"));
    // The world outside sees the node.
    const auto out4 = peer_seen(world_, "outside", *Address::parse("172.18.9.10"), "a1");
    const auto out6 = peer_seen(world_, "outside", *Address::parse("fd00:18:9::10"), "b");
    ASSERT_TRUE(out4 && out6) << (out4 ? out6.error().message : out4.error().message) << state();
    EXPECT_EQ(*out4, "172.18.1.11");
    EXPECT_EQ(*out6, "fd00:18:1::12");
  }
  std::string state() const {
    return shell("nsenter --net=" + world_.netns("node1") +
                 " sh -c 'ip -br link; ip route; ip -6 route; ip neigh'; tail -5 " + world_.dir() + "/node*/log")
        .out;
  }
  std::string host_state(const std::string& ns) const {
    return world_.run(ns,
                      "ip -o link | cut -d: -f2 | sort; ip route show proto 215; ip -6 route show proto 215; ip neigh "
                      "show nud permanent");
  }

  World world_;
  std::vector<Node> nodes_{
      make_node("cluster1", "node1", {"172.18.1.11", "fd00:18:1::11"}, {"10.1.0.0/24", "fd00:1::/64"}),
      make_node("cluster1", "node2", {"172.18.1.12", "fd00:18:1::12"}, {"10.1.1.0/24", "fd00:1:0:1::/64"}),
      make_node("cluster2", "node3", {"172.18.2.11", "fd00:18:2::11"}, {"10.2.0.0/24", "fd00:2::/64"})};
  std::vector<std::unique_ptr<AgentProcess>> agents_;
};

TEST_F(PodNet, natively_routed_pods_reach_each_other_with_their_own_addresses) {
  teach_router();
  start_agents({.mode = Mode::native});
  expect_everybody_reaches_everybody();
}

TEST_F(PodNet, over_vxlan_pods_reach_each_other_through_a_fabric_that_knows_no_pods) {
  start_agents({.mode = Mode::tunnel});
  expect_everybody_reaches_everybody();
}

TEST_F(PodNet, vxlan_over_ipv6_carries_both_families) {
  start_agents({.mode = Mode::tunnel, .underlay = routing::UnderlayProtocol::ipv6});
  expect_everybody_reaches_everybody();
}

TEST_F(PodNet, natively_routed_pods_pass_nodes_whose_forward_chain_drops) {
  teach_router();
  for (const char* node : {"node1", "node2", "node3"}) drop_forwarding(node);
  start_agents({.mode = Mode::native});
  for (const char* node : {"node1", "node2", "node3"}) expect_rules(node);
  expect_everybody_reaches_everybody();
}

TEST_F(PodNet, over_vxlan_pods_pass_nodes_whose_forward_chain_drops) {
  for (const char* node : {"node1", "node2", "node3"}) drop_forwarding(node);
  start_agents({.mode = Mode::tunnel});
  for (const char* node : {"node1", "node2", "node3"}) expect_rules(node);
  expect_everybody_reaches_everybody();
}

TEST_F(PodNet, a_packet_filter_that_is_loaded_anew_lets_pods_through_again) {
  start_agents({.mode = Mode::tunnel});
  const Pod a = add(0, "a"), b = add(1, "b");
  expect_no_nat(a, b);
  agents_[0]->kill();
  drop_forwarding("node1");  // as when Docker starts
  for (const auto& to : {b.v4, b.v6})
    EXPECT_FALSE(world_.succeeds("a", "ping -c1 -W1 " + to.to_string())) << "this test would show nothing";
  agents_[0]->start();
  expect_rules("node1");
  expect_no_nat(a, b);
  world_.run("node1", "iptables-nft -F FORWARD; ip6tables-nft -F FORWARD");
  expect_rules("node1");
  expect_no_nat(a, b);
  EXPECT_NE(world_.run("node1", "iptables-nft -S FORWARD").find("-P FORWARD DROP"), std::string::npos);
}

// What a node sends from its own address to a pod elsewhere comes out of the tunnel, and the answer over the underlay.
TEST_F(PodNet, a_node_that_filters_by_reverse_path_takes_what_other_nodes_send_from_their_own_address) {
  start_agents({.mode = Mode::tunnel});
  const Pod b = add(1, "b");
  const std::string from_node1 = "ping -c1 -W2 -I 172.18.1.11 " + b.v4.to_string();
  for (const std::string value : {"1", "2"}) {
    SCOPED_TRACE("net.ipv4.conf.all.rp_filter=" + value);
    for (auto& agent : agents_) agent->stop();
    for (const char* node : {"node1", "node2"})
      world_.run(node, "ip link add other" + value + " type bridge; sysctl -qw net.ipv4.conf.all.rp_filter=" + value);
    EXPECT_FALSE(world_.succeeds("node1", from_node1)) << "this test would show nothing";
    for (auto& agent : agents_) agent->start();
    EXPECT_TRUE(world_.succeeds("node1", from_node1)) << world_.run("node2", "sysctl -a -r rp_filter");
    EXPECT_EQ(world_.run("node2", "sysctl -n net.ipv4.conf.other" + value + ".rp_filter"), value + "\n")
        << "devices that are not ours stay as strict as they were";
  }
}

TEST_F(PodNet, changing_the_mode_at_restart_moves_the_traffic) {
  teach_router();
  start_agents({.mode = Mode::tunnel});
  const Pod a = add(0, "a"), b = add(1, "b");
  expect_no_nat(a, b);
  agents_.clear();
  start_agents({.mode = Mode::native});
  expect_no_nat(a, b);
  EXPECT_FALSE(world_.succeeds("node1", "ip link show weft_vxlan"));
  agents_.clear();
  start_agents({.mode = Mode::tunnel});
  expect_no_nat(a, b);
}

TEST_F(PodNet, without_masquerade_the_world_outside_sees_the_pod) {
  teach_router();
  start_agents({.mode = Mode::native, .masquerade_v4 = false});
  const Pod a = add(0, "a");
  const auto v4 = peer_seen(world_, "outside", *Address::parse("172.18.9.10"), "a");
  const auto v6 = peer_seen(world_, "outside", *Address::parse("fd00:18:9::10"), "a");
  ASSERT_TRUE(v4 && v6) << (v4 ? v6.error().message : v4.error().message);
  EXPECT_EQ(*v4, a.v4.to_string());
  EXPECT_EQ(*v6, "fd00:18:1::11");
}

TEST_F(PodNet, a_killed_agent_comes_back_to_its_pods) {
  start_agents({.mode = Mode::tunnel});
  const Pod a = add(0, "a"), b = add(1, "b"), dying = add(0, "dying");
  agents_[0]->kill();
  expect_no_nat(a, b);  // nothing of ours is in the path
  world_.run("node1",
             "ip route flush proto 215; ip -6 route flush proto 215; ip route flush proto 214; ip neigh flush dev "
             "weft_vxlan nud permanent");
  world_.remove_netns("dying");
  for (int i = 0; i < 200 && shell("nsenter --net=" + world_.netns("node1") + " ip -o link | grep -c lxc").out != "1\n";
       ++i)
    ::usleep(10'000);
  agents_[0]->start();
  expect_no_nat(a, b);
  const Pod again = add(0, "a");
  EXPECT_EQ(json::serialize(again.result), json::serialize(a.result));
  EXPECT_EQ(cni(*agents_[0], "CHECK", "a", world_.netns("a"), ",\"prevResult\":" + json::serialize(a.result)).out, "");
  EXPECT_NE(cni(*agents_[0], "CHECK", "dying", world_.netns("a")).code, 0);
  const Pod next = add(0, "next");
  EXPECT_NE(next.v4, a.v4);
}

TEST_F(PodNet, routes_come_back_when_the_underlay_went_down_and_up) {
  start_agents({.mode = Mode::native});
  const Pod a = add(0, "a"), b = add(1, "b");
  world_.run("node1", "ip link set eth0 down; ip link set eth0 up; ip -6 addr replace fd00:18:1::11/64 dev eth0 nodad");
  bool back = false;
  for (int i = 0; i < 100 && !back; ++i) {
    back = world_.succeeds("node1",
                           "ip route show proto 214 | grep -q 10.1.1.0/24.via && ip -6 route show proto 214 | grep -q "
                           "fd00:1:0:1::/64.via");
    if (!back) ::usleep(50'000);
  }
  EXPECT_TRUE(back) << state();
  expect_no_nat(a, b);
}

TEST_F(PodNet, without_an_agent_add_is_to_be_tried_again_and_delete_is_remembered) {
  start_agents({.mode = Mode::native});
  add(0, "a");
  const auto before_b = host_state("node1");
  add(0, "b");
  agents_[0]->stop();
  world_.add_netns("late");
  const auto refused = cni(*agents_[0], "ADD", "late", world_.netns("late"));
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(json::parse(refused.out).at("code"), 11);
  EXPECT_EQ(json::parse(cni(*agents_[0], "STATUS", "", "").out).at("code"), 50);
  EXPECT_EQ(cni(*agents_[0], "DEL", "b", world_.netns("b")).code, 0);
  EXPECT_EQ(cni(*agents_[0], "DEL", "b", "").code, 0);
  EXPECT_NE(host_state("node1"), before_b);
  agents_[0]->start();
  EXPECT_EQ(host_state("node1"), before_b);
  EXPECT_TRUE(fs::is_empty(agents_[0]->state_dir() + "/delete-queue"));
  EXPECT_EQ(cni(*agents_[0], "STATUS", "", "").code, 0);
}

TEST_F(PodNet, garbage_collection_keeps_what_is_named) {
  start_agents({.mode = Mode::native});
  const Pod a = add(0, "a"), b = add(1, "b");
  add(0, "x");
  add(0, "y");
  const auto o =
      cni(*agents_[0], "GC", "", "", R"(,"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}])");
  EXPECT_EQ(o.code, 0) << o.out;
  EXPECT_EQ(world_.run("node1", "ip -o link | grep -c lxc"), "1\n");
  expect_no_nat(a, b);
}

TEST_F(PodNet, a_hundred_pods_come_and_go_and_leave_nothing) {
  start_agents({.mode = Mode::native});
  const auto before = host_state("node1");
  world_.add_netns("p");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    const std::string id = "c" + std::to_string(i);
    const auto added = cni(*agents_[0], "ADD", id, world_.netns("p"));
    ASSERT_EQ(added.code, 0) << i << added.out;
    const auto deleted = cni(*agents_[0], "DEL", id, world_.netns("p"));
    ASSERT_EQ(deleted.code, 0) << i << deleted.out;
  }
  RecordProperty(
      "ms_per_cycle",
      static_cast<int>(
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count() /
          100));
  EXPECT_EQ(host_state("node1"), before);
  EXPECT_EQ(world_.run("p", "ip -o link | wc -l"), "1\n");
  EXPECT_TRUE(fs::is_empty(agents_[0]->state_dir() + "/endpoints"));
}

TEST_F(PodNet, the_plugin_and_the_agent_speak_the_same_versions) {
  start_agents({.mode = Mode::native});
  const auto said = json::parse(cni(*agents_[0], "VERSION", "", "").out).at("supportedVersions").as_array();
  ASSERT_EQ(said.size(), pods::kCniVersions.size());
  for (std::size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i].as_string(), pods::kCniVersions[i]);
}

TEST_F(PodNet, an_address_nobody_has_is_unreachable_at_once) {
  start_agents({.mode = Mode::native});
  add(0, "a");
  // The kernel limits how many such answers it gives, to everybody together: one of a few must come.
  const auto o = shell("nsenter --net=" + world_.netns("a") + " ping -c6 -i0.4 -W1 10.1.0.200");
  EXPECT_NE(o.out.find("Unreachable"), std::string::npos) << o.out;
}

}  // namespace
}  // namespace weft::podnet
