#include "routing/plan.h"

#include <gtest/gtest.h>

#include "routing/masquerade.h"

namespace weft::routing {
namespace {

Address ip(const char* text) { return *Address::parse(text); }

std::shared_ptr<Node> node_of(const std::string& cluster, const std::string& name, std::vector<std::string> ips,
                              std::vector<std::string> cidrs) {
  auto n = std::make_shared<Node>();
  n->cluster = cluster;
  n->name = name;
  for (const auto& i : ips) n->addresses.push_back({NodeAddressType::internal_ip, i});
  for (const auto& c : cidrs) n->pod_cidrs.push_back(*Prefix::parse(c));
  return n;
}

// Two nodes of this cluster on one link, one of another cluster behind the fabric.
class PlanTest : public testing::Test {
 protected:
  std::vector<std::string> routes(const Plan& p) const {
    std::vector<std::string> out;
    for (const auto& r : p.routes) out.push_back(r.route.to_string());
    return out;
  }
  Plan make(int tunnel_ifindex = 9) const {
    return plan(config_, underlay_, tunnel_ifindex, {nodes_.begin(), nodes_.end()});
  }

  Config config_{.mode = Mode::native, .local = {"cluster1", "node1"}};
  Underlay underlay_{.v4 = ip("172.18.1.11"),
                     .v6 = ip("fd00:18:1::11"),
                     .ifindex = 4,
                     .device = "eth0",
                     .mtu = 1500,
                     .on_link = {{*Prefix::parse("fd00:18:1::/64"), 4}, {*Prefix::parse("172.18.1.0/24"), 4}}};
  std::vector<std::shared_ptr<Node>> nodes_{
      node_of("cluster1", "node1", {"172.18.1.11", "fd00:18:1::11"}, {"10.1.0.0/24", "fd00:1::/64"}),
      node_of("cluster1", "node2", {"172.18.1.12", "fd00:18:1::12"}, {"10.1.1.0/24", "fd00:1:0:1::/64"}),
      node_of("cluster2", "node1", {"172.18.2.11", "fd00:18:2::11"}, {"10.2.0.0/24", "fd00:2::/64"})};
};

TEST_F(PlanTest, natively_nodes_on_the_link_are_routed_to_and_others_left_to_the_fabric) {
  const auto p = make();
  EXPECT_EQ(routes(p),
            (std::vector<std::string>{"unreachable 10.1.0.0/24", "unreachable fd00:1::/64",
                                      "10.1.1.0/24 via 172.18.1.12 dev 4", "fd00:1:0:1::/64 via fd00:18:1::12 dev 4"}));
  EXPECT_TRUE(p.peers.empty());
  EXPECT_TRUE(p.problems.empty());
}

TEST_F(PlanTest, natively_without_direct_routes_the_fabric_does_it_all) {
  config_.auto_direct_node_routes = false;
  EXPECT_EQ(routes(make()), (std::vector<std::string>{"unreachable 10.1.0.0/24", "unreachable fd00:1::/64"}));
}

TEST_F(PlanTest, over_the_tunnel_every_node_of_every_cluster_is_a_peer) {
  config_.mode = Mode::tunnel;
  const auto p = make();
  EXPECT_EQ(routes(p), (std::vector<std::string>{"unreachable 10.1.0.0/24", "unreachable fd00:1::/64",
                                                 "10.1.1.0/24 via 10.1.1.1 dev 9 onlink src 10.1.0.1",
                                                 "fd00:1:0:1::/64 via fd00:1:0:1::1 dev 9 onlink src fd00:1::1",
                                                 "10.2.0.0/24 via 10.2.0.1 dev 9 onlink src 10.1.0.1",
                                                 "fd00:2::/64 via fd00:2::1 dev 9 onlink src fd00:1::1"}));
  ASSERT_EQ(p.peers.size(), 2u);
  EXPECT_EQ(p.peers[1].remote, ip("172.18.2.11"));
  EXPECT_EQ(p.peers[1].mac.to_string(), "0e:57:ac:12:02:0b");
  EXPECT_EQ(p.peers[1].gateways, (std::vector{ip("10.2.0.1"), ip("fd00:2::1")}));
}

TEST_F(PlanTest, the_tunnel_may_run_over_ipv6_and_a_node_without_it_is_named) {
  config_.mode = Mode::tunnel;
  config_.underlay = UnderlayProtocol::ipv6;
  nodes_.push_back(node_of("cluster2", "node2", {"172.18.2.12"}, {"10.2.1.0/24"}));
  const auto p = make();
  EXPECT_EQ(p.peers[0].remote, ip("fd00:18:1::12"));
  ASSERT_EQ(p.problems.size(), 1u);
  EXPECT_EQ(p.problems[0],
            "node cluster2/node2 has no InternalIP of family IPv6, over which this node's tunnel runs: give the node "
            "one, or set underlay-protocol to ipv4 in every cluster of the mesh");
}

TEST_F(PlanTest, both_ends_of_a_tunnel_choose_one_family_in_whatever_order_their_addresses_stand) {
  config_.mode = Mode::tunnel;
  nodes_[2] = node_of("cluster2", "node1", {"fd00:18:2::11", "172.18.2.11"}, {"10.2.0.0/24", "fd00:2::/64"});
  EXPECT_EQ(make().peers[1].remote, ip("172.18.2.11"));
  // The same tunnel from its other end.
  config_.local = {"cluster2", "node1"};
  underlay_.v4 = ip("172.18.2.11");
  underlay_.v6 = ip("fd00:18:2::11");
  for (const auto& peer : make().peers) EXPECT_TRUE(peer.remote.is_v4()) << peer.remote.to_string();
  // Where no node has IPv4, it is IPv6.
  config_.local = {"cluster1", "node1"};
  underlay_.v4.reset();
  nodes_ = {node_of("cluster1", "node1", {"fd00:18:1::11"}, {"fd00:1::/64"}),
            node_of("cluster1", "node2", {"fd00:18:1::12"}, {"fd00:1:0:1::/64"})};
  const auto p = make();
  ASSERT_EQ(p.peers.size(), 1u);
  EXPECT_EQ(p.peers[0].remote, ip("fd00:18:1::12"));
  EXPECT_EQ(p.problems, std::vector<std::string>{});
}

TEST_F(PlanTest, nodes_whose_tunnels_run_over_different_families_are_named_at_both_ends) {
  config_.mode = Mode::tunnel;
  nodes_ = {node_of("cluster1", "node1", {"172.18.1.11", "fd00:18:1::11"}, {"10.1.0.0/24", "fd00:1::/64"}),
            node_of("cluster2", "node1", {"fd00:18:2::11"}, {"fd00:2::/64"})};
  auto p = make();
  EXPECT_TRUE(p.peers.empty());
  EXPECT_EQ(p.problems, std::vector<std::string>{
                            "node cluster2/node1 has no InternalIP of family IPv4, over which this node's tunnel runs: "
                            "give the node one, or set underlay-protocol to ipv6 in every cluster of the mesh"});
  config_.local = {"cluster2", "node1"};
  underlay_.v4.reset();
  underlay_.v6 = ip("fd00:18:2::11");
  p = make();
  EXPECT_TRUE(p.peers.empty());
  EXPECT_EQ(
      p.problems,
      std::vector<std::string>{
          "node cluster1/node1 runs its tunnel over IPv4 from 172.18.1.11, and this node has no InternalIP of that "
          "family: give this node one, or set underlay-protocol to ipv6 in every cluster of the mesh"});
  // That mend mends it.
  config_.underlay = UnderlayProtocol::ipv6;
  p = make();
  EXPECT_EQ(p.problems, std::vector<std::string>{});
  ASSERT_EQ(p.peers.size(), 1u);
  EXPECT_EQ(p.peers[0].remote, ip("fd00:18:1::11"));
}

TEST_F(PlanTest, a_node_says_its_own_pod_network_address) {
  config_.mode = Mode::tunnel;
  nodes_[2]->addresses.push_back({NodeAddressType::cilium_internal_ip, "10.2.0.77"});
  EXPECT_EQ(routes(make())[4], "10.2.0.0/24 via 10.2.0.77 dev 9 onlink src 10.1.0.1");
}

TEST_F(PlanTest, claims_that_would_cut_something_off_are_refused_and_named) {
  nodes_.push_back(node_of("a-cluster", "thief", {"172.18.1.66"}, {"10.1.1.0/24"}));
  nodes_.push_back(node_of("cluster3", "own", {"172.18.1.67"}, {"10.1.0.128/25"}));
  nodes_.push_back(node_of("cluster3", "underlay", {"172.18.1.68"}, {"172.16.0.0/12"}));
  const auto p = make();
  EXPECT_EQ(routes(p).size(), 4u);
  EXPECT_EQ(p.problems,
            (std::vector<std::string>{"node a-cluster/thief claims pod CIDR 10.1.1.0/24, which node cluster1/node2 "
                                      "has: give the clusters pod CIDRs that do not overlap",
                                      "node cluster3/own claims pod CIDR 10.1.0.128/25, which overlaps this node's "
                                      "10.1.0.0/24: give the clusters pod CIDRs that do not overlap",
                                      "node cluster3/underlay claims pod CIDR 172.16.0.0/12, which holds this node's "
                                      "own address 172.18.1.11: choose pod CIDRs outside the node network"}));
}

TEST(Underlay, is_found_by_the_nodes_address_without_our_own_devices) {
  const std::vector<netlink::Link> links{{.index = 1, .name = "lo", .mtu = 65536, .up = true, .loopback = true},
                                         {.index = 4, .name = "eth0", .mtu = 9000, .up = true},
                                         {.index = 5, .name = "weft_host", .mtu = 1500, .up = true},
                                         {.index = 6, .name = "eth1", .mtu = 1500, .up = true}};
  const std::vector<netlink::LinkAddress> addresses{{1, ip("127.0.0.1"), 8},      {4, ip("172.18.1.11"), 24},
                                                    {4, ip("fd00:18:1::11"), 64}, {4, ip("fe80::1"), 64},
                                                    {5, ip("10.1.0.1"), 32},      {6, ip("192.168.0.1"), 16}};
  const auto u = find_underlay(links, addresses, {ip("172.18.1.11"), ip("fd00:18:1::11")});
  ASSERT_TRUE(u) << u.error().message;
  EXPECT_EQ(u->device, "eth0");
  EXPECT_EQ(u->mtu, 9000u);
  EXPECT_EQ(u->v6, ip("fd00:18:1::11"));
  EXPECT_EQ(find_underlay(links, addresses, {ip("172.18.1.11"), ip("192.168.0.1")})->v4, ip("172.18.1.11"))
      << "others send to the first InternalIP";
  ASSERT_EQ(u->on_link.size(), 3u);
  EXPECT_EQ(u->on_link[0].prefix.to_string(), "fd00:18:1::/64");
  EXPECT_FALSE(find_underlay(links, addresses, {ip("172.18.1.99")}));
}

TEST(PodMtu, leaves_room_for_the_outer_headers) {
  const Underlay v4{.v4 = ip("172.18.1.11"), .mtu = 1500}, v6{.v6 = ip("fd00:18:1::11"), .mtu = 1500};
  EXPECT_EQ(pod_mtu({.mode = Mode::native}, v4), 1500u);
  EXPECT_EQ(pod_mtu({.mode = Mode::tunnel}, v4), 1450u);
  EXPECT_EQ(pod_mtu({.mode = Mode::tunnel}, v6), 1430u);
  EXPECT_EQ(pod_mtu({.mode = Mode::tunnel, .underlay = UnderlayProtocol::ipv6}, v4), 1430u);
  EXPECT_EQ(pod_mtu({.mode = Mode::tunnel, .mtu = 9000}, v4), 8950u);
  EXPECT_EQ(pod_mtu({.mode = Mode::tunnel, .mtu = 1300}, v4), 1280u);
}

TEST(TunnelMac, is_a_local_unicast_address_and_differs_by_node) {
  for (const char* text : {"172.18.1.11", "fd00:18:1::11", "fd00:18:1::12"}) {
    const auto m = tunnel_mac(ip(text));
    EXPECT_EQ(m.bytes[0] & 0x03, 0x02) << text;
    EXPECT_EQ(m, tunnel_mac(ip(text)));
  }
  EXPECT_NE(tunnel_mac(ip("fd00:18:1::11")), tunnel_mac(ip("fd00:18:1::12")));
}

TEST_F(PlanTest, masquerade_spares_what_knows_pod_addresses) {
  const std::vector<std::shared_ptr<const Node>> nodes(nodes_.begin(), nodes_.end());
  EXPECT_EQ(masquerade_ruleset(config_, masquerade_sets(config_, nodes)),
            R"(add table inet weft_masquerade
delete table inet weft_masquerade
table inet weft_masquerade {
  set pods4 {
    type ipv4_addr
    flags interval
    elements = { 10.1.0.0/24 }
  }
  set direct4 {
    type ipv4_addr
    flags interval
    elements = { 10.1.0.0/24, 10.1.1.0/24, 10.2.0.0/24, 169.254.0.0/16, 172.18.1.11/32, 172.18.1.12/32, 172.18.2.11/32, 224.0.0.0/4 }
  }
  set pods6 {
    type ipv6_addr
    flags interval
    elements = { fd00:1::/64 }
  }
  set direct6 {
    type ipv6_addr
    flags interval
    elements = { fd00:1::/64, fd00:1:0:1::/64, fd00:2::/64, fd00:18:1::11/128, fd00:18:1::12/128, fd00:18:2::11/128, fe80::/10, ff00::/8 }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @pods4 ip daddr != @direct4 counter masquerade
    ip6 saddr @pods6 ip6 daddr != @direct6 counter masquerade
  }
}
)");
}

TEST_F(PlanTest, masquerade_can_be_switched_off_and_sets_never_overlap) {
  const std::vector<std::shared_ptr<const Node>> nodes(nodes_.begin(), nodes_.end());
  config_.mode = Mode::tunnel;
  config_.native_routing_cidrs = {*Prefix::parse("10.0.0.0/8")};
  const auto sets = masquerade_sets(config_, nodes);
  EXPECT_EQ(sets.direct4, (std::vector{*Prefix::parse("10.0.0.0/8"), *Prefix::parse("169.254.0.0/16"),
                                       *Prefix::parse("224.0.0.0/4")}));
  config_.masquerade_v6 = false;
  EXPECT_EQ(masquerade_ruleset(config_, sets).find("ip6"), std::string::npos);
  config_.masquerade_v4 = false;
  EXPECT_EQ(masquerade_ruleset(config_, sets), "add table inet weft_masquerade\ndelete table inet weft_masquerade\n");
}

}  // namespace
}  // namespace weft::routing
