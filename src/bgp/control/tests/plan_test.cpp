#include "bgp/control/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"
#include "bgp/speaker/diff.h"

namespace weft::bgp::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

ObjectPtr<PeeringPolicySpec> policy(const std::string& name, const std::string& created, const std::string& more = "",
                                    const std::string& neighbor_more = "") {
  return row(parse_peering_policy, "kind: CiliumBGPPeeringPolicy\nmetadata: {name: " + name +
                                       ", creationTimestamp: \"" + created + "\"}\nspec:\n  virtualRouters:\n" +
                                       "  - localASN: 65001\n    exportPodCIDR: true\n" + more +
                                       "    neighbors: [{peerAddress: 10.0.0.1/32, peerASN: 65000" + neighbor_more +
                                       "}, {peerAddress: 10.0.0.2/32, peerASN: 65000" + neighbor_more + "}]\n");
}

class PlanTest : public ::testing::Test {
 protected:
  NodeFacts node{.name = "n1", .labels = {{"rack", "r1"}}, .ipv4 = addr("192.0.2.11")};
  Objects objects{.passwords = std::map<std::string, std::string>{}};

  void node_config(const std::string& text) { objects.node_config = row(parse_node_config, text); }
  void one_peer(const std::string& peer) {
    node_config(
        "kind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: [{name: main, localASN: 65001, peers: "
        "[" +
        peer + "]}]}");
  }
  void peer_config(const std::string& name, const std::string& spec) {
    objects.peer_configs[name] =
        row(parse_peer_config, "kind: CiliumBGPPeerConfig\nmetadata: {name: " + name + "}\nspec: " + spec);
  }
  void advertisement(const std::string& name, const std::string& labels, const std::string& entries) {
    objects.advertisements[name] =
        row(parse_advertisement, "kind: CiliumBGPAdvertisement\nmetadata: {name: " + name + ", labels: " + labels +
                                     "}\nspec: {advertisements: " + entries + "}");
  }
  const PeerConfig& peer(const Plan& p, std::size_t i = 0) { return p.instances.begin()->second.config.peers.at(i); }
};

TEST_F(PlanTest, nothing_selects_the_node_and_nothing_is_planned) {
  const auto p = plan(node, objects);
  EXPECT_THAT(p.instances, IsEmpty());
  EXPECT_EQ(p.source, "");
}

TEST_F(PlanTest, peers_of_a_policy_with_the_same_rules_share_one_set_of_routes) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  const auto p = plan(node, objects);
  ASSERT_THAT(p.instances, SizeIs(1));
  const auto& i = p.instances.at("65001");
  EXPECT_EQ(i.config.local_as, 65001u);
  EXPECT_EQ(i.config.router_id.value, addr("192.0.2.11").to_v4());
  EXPECT_FALSE(i.config.listen_port);
  ASSERT_THAT(i.config.peers, SizeIs(2));
  EXPECT_THAT(i.groups, SizeIs(2));  // one a family
  EXPECT_EQ(i.config.peers[0].routes, i.config.peers[1].routes);
}

TEST_F(PlanTest, of_several_policies_the_oldest_is_in_force_and_the_others_name_it) {
  objects.policies = {policy("a-young", "2026-02-01T00:00:00Z"), policy("b-old", "2026-01-01T00:00:00Z")};
  const auto p = plan(node, objects);
  EXPECT_EQ(p.source, "CiliumBGPPeeringPolicy b-old");
  ASSERT_THAT(p.ignored, SizeIs(1));
  EXPECT_EQ(p.ignored[0], "CiliumBGPPeeringPolicy a-young selects node n1 too; the older b-old is in force there");
}

TEST_F(PlanTest, a_policy_wins_over_a_node_config) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  one_peer("{name: a, peerAddress: 10.0.0.9}");
  const auto p = plan(node, objects);
  EXPECT_EQ(p.source, "CiliumBGPPeeringPolicy rack");
  EXPECT_THAT(p.ignored.at(0), HasSubstr("CiliumBGPNodeConfig n1 has no effect"));
}

TEST_F(PlanTest, the_node_annotation_gives_router_id_and_port) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  node.annotations["cilium.io/bgp-virtual-router.65001"] = "router-id=1.2.3.4,local-port=1790";
  const auto p = plan(node, objects);
  EXPECT_EQ(p.instances.at("65001").config.router_id.value, 0x01020304u);
  EXPECT_EQ(p.instances.at("65001").config.listen_port, 1790);
}

TEST_F(PlanTest, the_annotation_is_for_policies_and_a_node_config_says_what_to_use_instead) {
  one_peer("{name: tor, peerAddress: 10.0.0.1}");
  node.annotations["cilium.io/bgp-virtual-router.65001"] = "router-id=1.2.3.4,local-port=1790";
  const auto p = plan(node, objects);
  EXPECT_EQ(p.instances.at("main").config.router_id.value, addr("192.0.2.11").to_v4());
  EXPECT_FALSE(p.instances.at("main").config.listen_port);
  EXPECT_THAT(lines(p.findings), HasSubstr("has no effect on a CiliumBGPNodeConfig; give routerID and localPort in "
                                           "CiliumBGPNodeConfigOverride n1"));
}

TEST_F(PlanTest, a_bad_annotation_is_named_and_the_rest_of_it_used) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  node.annotations["cilium.io/bgp-virtual-router.65001"] = "router-id=fd00::1,local-port=1790";
  const auto p = plan(node, objects);
  EXPECT_EQ(p.instances.at("65001").config.listen_port, 1790);
  EXPECT_THAT(lines(p.findings), HasSubstr("Node n1: metadata.annotations[cilium.io/bgp-virtual-router.65001] "
                                           "\"router-id=fd00::1\" is no router ID"));
}

TEST_F(PlanTest, a_bad_annotation_leaves_what_the_last_good_one_said) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  const std::string key = "cilium.io/bgp-virtual-router.65001";
  node.annotations[key] = "router-id=192.0.2.300,local-port=1791";
  node.good_annotations[key] = "router-id=192.0.2.3,local-port=1790";
  const auto p = plan(node, objects);
  EXPECT_EQ(p.instances.at("65001").config.router_id.value, addr("192.0.2.3").to_v4());
  EXPECT_EQ(p.instances.at("65001").config.listen_port, 1790);
  EXPECT_EQ(
      lines(p.findings),
      "Node n1: metadata.annotations[cilium.io/bgp-virtual-router.65001] \"router-id=192.0.2.300\" is no router ID; "
      "write router-id=192.0.2.1,local-port=1790; what it said last goes on\n");
  node.annotations.erase(key);
  EXPECT_EQ(plan(node, objects).instances.at("65001").config.router_id.value, addr("192.0.2.11").to_v4());
}

TEST_F(PlanTest, a_node_without_ipv4_gets_a_router_id_all_the_same) {
  node.ipv4.reset();
  EXPECT_NE(default_router_id(node).value, 0u);
  NodeFacts other = node;
  other.name = "n2";
  EXPECT_NE(default_router_id(node), default_router_id(other));
}

TEST_F(PlanTest, a_missing_secret_keeps_the_session_down_until_it_arrives) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", authSecretRef: tor")};
  auto p = plan(node, objects);
  EXPECT_THAT(peer(p).held_down, HasSubstr("Secret kube-system/tor is missing"));
  EXPECT_FALSE(peer(p).password);
  (*objects.passwords)["tor"] = "s3cret";
  p = plan(node, objects);
  EXPECT_EQ(peer(p).held_down, "");
  EXPECT_EQ(peer(p).password, "s3cret");
}

TEST_F(PlanTest, secrets_not_listed_yet_hold_the_session_down_too) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", authSecretRef: tor")};
  objects.passwords.reset();
  auto p = plan(node, objects);
  EXPECT_THAT(peer(p).held_down, HasSubstr("is not read yet"));
  EXPECT_TRUE(peer(p).held_for_now);
  objects.passwords.emplace();
  p = plan(node, objects);
  EXPECT_NE(peer(p).held_down, "");
  EXPECT_FALSE(peer(p).held_for_now) << "now we know that there is none";
}

TEST_F(PlanTest, a_key_that_bfd_cannot_use_holds_the_peer_down) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", bfd: {authSecretRef: k}")};
  (*objects.passwords)["k"] = std::string(21, 'x');
  EXPECT_EQ(peer(plan(node, objects)).held_down, "BFD: Secret kube-system/k: `password` has 21 bytes; give 1 to 20");
}

TEST_F(PlanTest, how_bfd_packets_travel_reaches_the_peer_of_both_generations) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", bfd: {multihop: true, minimumTTL: 250}")};
  EXPECT_EQ(peer(plan(node, objects)).bfd->multihop, true);
  EXPECT_EQ(peer(plan(node, objects)).bfd->minimum_ttl, 250);
  objects.policies.clear();
  peer_config("tor", "{bfd: {multihop: true, minimumTTL: 60}}");
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerASN: 2, peerConfigRef: {name: tor}}");
  EXPECT_EQ(peer(plan(node, objects)).bfd->minimum_ttl, 60);
}

TEST_F(PlanTest, a_node_config_gets_settings_and_advertisements_from_what_it_refers_to) {
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerASN: 65000, peerConfigRef: {name: tor}}");
  peer_config(
      "tor",
      "{timers: {holdTimeSeconds: 9, keepAliveTimeSeconds: 3}, families: [{afi: ipv4, safi: unicast, advertisements: "
      "{matchLabels: {advertise: bgp}}}]}");
  advertisement("a", "{advertise: bgp}", "[{advertisementType: PodCIDR}]");
  advertisement("b", "{advertise: other}", "[{advertisementType: PodCIDR}]");
  const auto p = plan(node, objects);
  EXPECT_EQ(lines(p.findings), "");
  EXPECT_EQ(peer(p).hold_time, 9s);
  EXPECT_EQ(peer(p).families, std::vector{kIpv4Unicast});
  const auto& groups = p.instances.at("main").groups;
  ASSERT_THAT(groups, SizeIs(1));
  ASSERT_THAT(groups.begin()->second.rules, SizeIs(1));
  EXPECT_EQ(groups.begin()->second.rules[0].to_string(), "CiliumBGPAdvertisement a spec.advertisements[0]");
}

TEST_F(PlanTest, a_family_without_selector_advertises_nothing_and_an_empty_one_everything) {
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}");
  advertisement("a", "{advertise: bgp}", "[{advertisementType: PodCIDR}]");
  peer_config("tor", "{families: [{afi: ipv4, safi: unicast}]}");
  EXPECT_THAT(peer(plan(node, objects)).routes, IsEmpty());
  peer_config("tor", "{families: [{afi: ipv4, safi: unicast, advertisements: {}}]}");
  EXPECT_THAT(peer(plan(node, objects)).routes, SizeIs(1));
}

TEST_F(PlanTest, a_peer_config_that_does_not_exist_holds_the_peer_down) {
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: nope}}");
  const auto p = plan(node, objects);
  EXPECT_EQ(peer(p).held_down, "CiliumBGPPeerConfig nope does not exist: create it");
  EXPECT_THAT(lines(p.findings), HasSubstr("CiliumBGPNodeConfig n1: spec.bgpInstances[0].peers[0].peerConfigRef.name "
                                           "\"nope\" does not exist"));
}

TEST_F(PlanTest, every_default_gateway_becomes_a_peer) {
  node.gateways_v4 = {{addr("10.0.0.1"), "eth0"}, {addr("10.0.1.1"), "eth1"}};
  one_peer("{name: gw, autoDiscovery: {mode: DefaultGateway, defaultGateway: {addressFamily: ipv4}}}");
  const auto p = plan(node, objects);
  ASSERT_THAT(p.instances.at("main").config.peers, SizeIs(2));
  EXPECT_EQ(peer(p, 0).name, "gw-10.0.0.1");
  EXPECT_EQ(peer(p, 1).address, addr("10.0.1.1"));
}

TEST_F(PlanTest, a_gateway_that_comes_or_goes_leaves_the_session_with_the_other_alone) {
  one_peer("{name: gw, autoDiscovery: {mode: DefaultGateway, defaultGateway: {addressFamily: ipv4}}}");
  const Gateway first{addr("10.0.0.1"), "eth0"}, second{addr("10.0.1.1"), "eth1"};
  const auto with = [&](std::vector<Gateway> gateways) {
    node.gateways_v4 = std::move(gateways);
    return plan(node, objects).instances.at("main").config;
  };
  const auto both = with({first, second});
  for (const auto& one : {first, second}) {
    const auto alone = with({one});
    const std::string other = one == first ? "gw-10.0.1.1" : "gw-10.0.0.1";
    const auto fewer = difference(both, alone), more = difference(alone, both);
    EXPECT_THAT(fewer.removed, ElementsAre(other));
    EXPECT_THAT(fewer.added, IsEmpty());
    EXPECT_THAT(more.added, ElementsAre(other));
    EXPECT_THAT(more.removed, IsEmpty());
    for (const auto& d : {fewer, more})
      for (const auto& [peer, change] : d.changed) EXPECT_NE(change.change, PeerChange::reset) << peer;
  }
}

TEST_F(PlanTest, a_link_local_gateway_is_met_on_its_interface) {
  node.gateways_v6 = {{addr("fe80::1"), "eth0"}};
  one_peer("{name: gw, autoDiscovery: {mode: DefaultGateway, defaultGateway: {addressFamily: ipv6}}}");
  const auto p = plan(node, objects);
  EXPECT_EQ(peer(p).name, "gw-fe80::1%eth0");
  EXPECT_EQ(peer(p).interface, "eth0");
}

TEST_F(PlanTest, no_gateway_is_said_with_the_mend) {
  one_peer("{name: gw, autoDiscovery: {mode: DefaultGateway, defaultGateway: {addressFamily: ipv6}}}");
  EXPECT_THAT(lines(plan(node, objects).findings), HasSubstr("finds no IPv6 default route with a gateway on node n1"));
}

TEST_F(PlanTest, a_finding_concerns_the_instances_that_are_made_of_its_object) {
  node_config(
      "kind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: ["
      "{name: a, localASN: 65001, peers: [{name: p, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}]}, "
      "{name: b, localASN: 65002, peers: [{name: p, peerAddress: 10.0.0.1, peerConfigRef: {name: nope}}]}]}");
  peer_config("tor", "{timers: {holdTimeSeconds: 2}}");
  const auto p = plan(node, objects);
  ASSERT_THAT(p.findings, SizeIs(2)) << lines(p.findings);
  for (const Finding& f : p.findings) {
    const bool of_peer_config = f.object.kind == kPeerConfigKind;
    EXPECT_EQ(concerns(f, p.instances.at("a")), of_peer_config) << f.to_string();
    EXPECT_EQ(concerns(f, p.instances.at("b")), !of_peer_config) << f.to_string();
  }
}

TEST_F(PlanTest, families_in_another_order_are_the_same_session) {
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}");
  peer_config("tor", "{families: [{afi: ipv4, safi: unicast}, {afi: ipv6, safi: unicast}]}");
  const auto before = peer(plan(node, objects));
  peer_config("tor", "{families: [{afi: ipv6, safi: unicast}, {afi: ipv4, safi: unicast}]}");
  EXPECT_EQ(peer(plan(node, objects)), before);
}

TEST_F(PlanTest, a_passive_peer_of_an_instance_that_does_not_listen_says_so) {
  one_peer("{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}");
  peer_config("tor", "{passive: true}");
  EXPECT_THAT(peer(plan(node, objects)).held_down, HasSubstr("does not listen: give its localPort"));
}

TEST_F(PlanTest, a_draining_node_marks_its_routes_and_then_withdraws_them) {
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", drain: {gracefulShutdownSeconds: 60}")};
  node.draining_for = 10s;
  auto p = plan(node, objects);
  EXPECT_TRUE(peer(p).graceful_shutdown);
  EXPECT_THAT(peer(p).routes, SizeIs(2));
  EXPECT_EQ(p.changes_in, 50s);
  node.draining_for = 60s;
  p = plan(node, objects);
  EXPECT_THAT(peer(p).routes, IsEmpty());
  EXPECT_FALSE(p.changes_in);
}

TEST_F(PlanTest, an_agent_that_stops_marks_routes_for_peers_without_graceful_restart_only) {
  node.stopping = true;
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  EXPECT_TRUE(peer(plan(node, objects)).graceful_shutdown);
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", gracefulRestart: {enabled: true}")};
  EXPECT_FALSE(peer(plan(node, objects)).graceful_shutdown);
}

TEST_F(PlanTest, an_agent_that_stops_changes_nothing_of_a_drain) {
  node.stopping = true;
  for (const char* restart : {"", ", gracefulRestart: {enabled: true}"}) {
    objects.policies = {
        policy("rack", "2026-01-01T00:00:00Z", "", std::string(", drain: {gracefulShutdownSeconds: 60}") + restart)};
    node.draining_for = 10s;
    EXPECT_TRUE(peer(plan(node, objects)).graceful_shutdown) << restart;
    node.draining_for = 60s;
    EXPECT_THAT(peer(plan(node, objects)).routes, IsEmpty()) << restart;
  }
}

TEST_F(PlanTest, an_agent_that_stops_marks_the_routes_of_a_router_that_did_not_agree_to_graceful_restart) {
  node.stopping = true;
  node.without_restart = {{"65001", "10.0.0.2"}};
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z", "", ", gracefulRestart: {enabled: true}")};
  EXPECT_FALSE(peer(plan(node, objects)).graceful_shutdown);
  EXPECT_TRUE(peer(plan(node, objects), 1).graceful_shutdown);
  objects.policies.clear();
  one_peer("{name: tor, peerAddress: \"fd00::1\", peerConfigRef: {name: tor}}");
  peer_config("tor", "{gracefulRestart: {enabled: true}}");
  EXPECT_FALSE(peer(plan(node, objects)).graceful_shutdown);
  node.without_restart = {{"main", "tor"}};
  EXPECT_TRUE(peer(plan(node, objects)).graceful_shutdown);
  node.stopping = false;
  EXPECT_FALSE(peer(plan(node, objects)).graceful_shutdown);
}

TEST_F(PlanTest, a_kind_that_nobody_serves_is_a_warning_that_names_its_definition_and_the_mend) {
  objects.absent = {{"ciliumbgpnodeconfigs.cilium.io", "v2"}};
  objects.policies = {policy("rack", "2026-01-01T00:00:00Z")};
  const auto p = plan(node, objects);
  EXPECT_THAT(p.instances, SizeIs(1));
  EXPECT_EQ(lines(p.findings),
            "CustomResourceDefinition ciliumbgpnodeconfigs.cilium.io: does not serve v2: it is not there, or an older "
            "Cilium's; where no Cilium that still runs owns the definition, run `weft upgrade`, which brings Weft's\n");
  EXPECT_FALSE(has_errors(p.findings));
}

TEST(Gateways, the_lowest_metric_wins_and_links_that_are_down_do_not_count) {
  const std::vector<netlink::Link> links{{.index = 1, .name = "eth0", .up = true},
                                         {.index = 2, .name = "eth1", .up = false},
                                         {.index = 3, .name = "eth2", .up = true}};
  const auto via = [](const char* a, int link, std::uint32_t metric) {
    return netlink::Route{.destination = Prefix(addr("0.0.0.0"), 0), .via = addr(a), .ifindex = link, .metric = metric};
  };
  EXPECT_EQ(default_gateways(
                {via("10.0.0.1", 1, 100), via("10.1.0.1", 2, 50), via("10.2.0.1", 3, 100), via("10.3.0.1", 3, 200)},
                links, Family::v4),
            (std::vector<Gateway>{{addr("10.0.0.1"), "eth0"}, {addr("10.2.0.1"), "eth2"}}));
}

TEST(Gateways, every_way_of_an_ecmp_route_counts_and_what_bgp_taught_does_not) {
  const std::vector<netlink::Link> links{{.index = 1, .name = "eth0", .up = true},
                                         {.index = 2, .name = "eth1", .up = true}};
  netlink::Route ecmp{.destination = Prefix(addr("::"), 0)};
  ecmp.hops = {{addr("fe80::1"), 1}, {addr("fe80::1"), 2}};
  netlink::Route learned{.destination = Prefix(addr("::"), 0), .via = addr("2001:db8::9"), .ifindex = 1};
  learned.protocol = netlink::kBgpRouteProtocol;
  learned.metric = 1;
  EXPECT_EQ(default_gateways({ecmp, learned}, links, Family::v6),
            (std::vector<Gateway>{{addr("fe80::1"), "eth0"}, {addr("fe80::1"), "eth1"}}));
}

}  // namespace
}  // namespace weft::bgp::control
