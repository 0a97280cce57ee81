#include "lab/topology/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::lab {
namespace {

Topology parse(const std::string& yaml) {
  auto t = parse_topology(yaml, "x");
  EXPECT_TRUE(t) << (t ? "" : t.error().message);
  return t.value_or(Topology{});
}

bool routes(const Sandbox& s, const std::string& to, const std::string& via) {
  return std::ranges::any_of(s.routes,
                             [&](const StaticRoute& r) { return r.to.to_string() == to && r.via.to_string() == via; });
}

TEST(Plan, subnets_are_counted_in_their_own_bits) {
  EXPECT_EQ(nth_subnet(*Prefix::parse("10.1.0.0/16"), 24, 2).to_string(), "10.1.2.0/24");
  EXPECT_EQ(nth_subnet(*Prefix::parse("10.1.0.0/16"), 26, 5).to_string(), "10.1.1.64/26");
  EXPECT_EQ(nth_subnet(*Prefix::parse("fd00:1::/48"), 64, 1).to_string(), "fd00:1:0:1::/64");
}

TEST(Plan, the_default_places_nodes_control_planes_routers_and_client) {
  const Plan p = make_plan(parse(std::string(default_topology())));
  const Sandbox* node = p.sandbox("cluster2-node3");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->address(Family::v4)->to_string(), "172.18.2.13");
  EXPECT_EQ(node->address(Family::v6)->to_string(), "fd00:18:2::13");
  EXPECT_EQ(node->pod_cidrs[0].to_string(), "10.2.2.0/24");
  EXPECT_EQ(node->pod_cidrs[1].to_string(), "fd00:2:0:2::/64");
  EXPECT_TRUE(routes(*node, "0.0.0.0/0", "172.18.2.1"));
  EXPECT_EQ(p.sandbox("cluster1-cp")->address(Family::v4)->to_string(), "172.18.1.2");
  EXPECT_EQ(p.sandbox("client")->address(Family::v4)->to_string(), "172.18.9.10");
  EXPECT_EQ(p.sandbox("client")->address(Family::v6)->to_string(), "fd00:18:9::10");
}

TEST(Plan, routers_know_their_nodes_pods_and_the_other_cluster) {
  const Plan p = make_plan(parse(std::string(default_topology())));
  const Sandbox& r1 = *p.sandbox("cluster1-router");
  EXPECT_TRUE(routes(r1, "10.1.1.0/24", "172.18.1.12"));
  EXPECT_TRUE(routes(r1, "fd00:1:0:1::/64", "fd00:18:1::12"));
  EXPECT_TRUE(routes(r1, "172.18.2.0/24", "172.18.0.2"));
  EXPECT_TRUE(routes(r1, "10.2.0.0/16", "172.18.0.2"));
  EXPECT_TRUE(routes(*p.sandbox("cluster2-router"), "fd00:1::/48", "fd00:18::1"));
  EXPECT_TRUE(routes(*p.sandbox("client"), "10.2.0.0/16", "172.18.9.2"));
}

TEST(Plan, a_chain_of_clusters_is_routed_hop_by_hop) {
  const Plan p = make_plan(parse("clusters: [{name: a, nodes: 1}, {name: b, nodes: 1}, {name: c, nodes: 1}]"));
  EXPECT_TRUE(routes(*p.sandbox("a-router"), "10.3.0.0/16", "172.18.0.2"));
  EXPECT_TRUE(routes(*p.sandbox("b-router"), "10.3.0.0/16", "172.18.0.6"));
  EXPECT_TRUE(routes(*p.sandbox("c-router"), "10.1.0.0/16", "172.18.0.5"));
}

TEST(Plan, without_links_clusters_are_islands) {
  const Plan p = make_plan(parse("clusters: [{name: a, nodes: 1}, {name: b, nodes: 1}]\nfabric: {links: []}"));
  EXPECT_FALSE(std::ranges::any_of(p.sandbox("a-router")->routes,
                                   [](const StaticRoute& r) { return r.to.to_string() == "10.2.0.0/16"; }));
}

TEST(Plan, a_link_is_found_from_either_end_and_its_absence_names_those_that_exist) {
  const Topology t = parse(std::string(default_topology()));
  EXPECT_EQ(link_ends(t, "cluster2", "cluster1")->interface_a, "link0");
  EXPECT_EQ(link_ends(t, "cluster2-router", "cluster1")->router_a, "cluster1-router");
  const auto none = link_ends(t, "cluster1", "cluster3");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "link cluster1 cluster3: no such link; there are: cluster1 cluster2");
}

// Two routers before cluster a, both joined to that of cluster b; all speak BGP.
constexpr const char* kRack =
    "clusters:\n"
    "  - {name: a, nodes: 2, segment: [10.0.0.0/24], podCIDRs: [10.1.0.0/16], serviceCIDRs: [10.96.0.0/16],\n"
    "     routers: [{name: tor1, bgp: {asn: 65000}}, {name: tor2, bgp: {asn: 65000, bfd: true}}]}\n"
    "  - {name: b, nodes: 1, segment: [172.18.2.0/24], podCIDRs: [10.2.0.0/16], serviceCIDRs: [10.97.0.0/16],\n"
    "     routers: [{name: b-router, bgp: {asn: 65100}}]}\n"
    "fabric: {prefixes: [172.18.0.0/24], links: [[tor1, b], [tor2, b-router]]}\n";

TEST(Plan, routers_of_one_segment_come_first_and_the_control_plane_behind_them) {
  const Plan p = make_plan(parse(kRack));
  EXPECT_EQ(p.sandbox("tor1")->address(Family::v4)->to_string(), "10.0.0.1");
  EXPECT_EQ(p.sandbox("tor2")->address(Family::v4)->to_string(), "10.0.0.2");
  EXPECT_EQ(p.sandbox("a-cp")->address(Family::v4)->to_string(), "10.0.0.3");
  EXPECT_EQ(p.sandbox("a-node1")->address(Family::v4)->to_string(), "10.0.0.11");
  EXPECT_TRUE(routes(*p.sandbox("a-node1"), "0.0.0.0/0", "10.0.0.1"));
}

TEST(Plan, routers_that_speak_bgp_are_told_no_pod_cidrs) {
  const Plan p = make_plan(parse(kRack));
  for (const char* name : {"tor1", "tor2", "b-router"})
    for (const StaticRoute& r : p.sandbox(name)->routes)
      EXPECT_FALSE(r.to.to_string().starts_with("10.1.") || r.to.to_string().starts_with("10.2."))
          << name << " " << r.to.to_string();
  // How to reach each other's segments they know.
  EXPECT_TRUE(routes(*p.sandbox("tor2"), "172.18.2.0/24", "172.18.0.6"));
  EXPECT_TRUE(routes(*p.sandbox("b-router"), "10.0.0.0/24", "172.18.0.1"));
}

TEST(Plan, bgp_is_spoken_with_the_own_segment_and_the_other_ends_of_links) {
  const Plan p = make_plan(parse(kRack));
  const BgpRouter& tor2 = *p.sandbox("tor2")->bgp;
  EXPECT_EQ(tor2.asn, 65000u);
  EXPECT_TRUE(tor2.bfd);
  ASSERT_EQ(tor2.nodes.size(), 1u);
  EXPECT_EQ(tor2.nodes[0].to_string(), "10.0.0.0/24");
  ASSERT_EQ(tor2.neighbors.size(), 1u);
  EXPECT_EQ(tor2.neighbors[0].to_string(), "172.18.0.6");
  EXPECT_EQ(p.sandbox("b-router")->bgp->neighbors.size(), 2u);
}

TEST(Plan, a_cluster_is_reached_through_the_router_that_has_the_link) {
  const Plan p =
      make_plan(parse("clusters: [{name: a, nodes: 1, routers: [{name: left}, {name: right}]}, {name: b, nodes: 1}]\n"
                      "fabric: {links: [[right, b]]}"));
  EXPECT_TRUE(routes(*p.sandbox("right"), "10.2.0.0/16", "172.18.0.2"));
  EXPECT_TRUE(routes(*p.sandbox("left"), "10.2.0.0/16", "172.18.1.2"));
  EXPECT_TRUE(routes(*p.sandbox("right"), "172.18.9.0/24", "172.18.1.1"));
}

}  // namespace
}  // namespace weft::lab
