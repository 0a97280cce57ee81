#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/definition.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

std::string policy_with(const std::string& neighbor, const std::string& router = "") {
  return "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p, uid: u1}\nspec:\n  virtualRouters:\n"
         "  - localASN: 65001\n" +
         (router.empty() ? "" : "    " + router + "\n") +
         "    neighbors:\n    - {peerAddress: 10.0.0.1/32, peerASN: 65000" + (neighbor.empty() ? "" : ", " + neighbor) +
         "}\n";
}
std::string peer_with(const std::string& spec) {
  return "kind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: " + spec + "\n";
}
std::string cluster_with(const std::string& peer) {
  return "kind: CiliumBGPClusterConfig\nmetadata: {name: c}\nspec:\n  bgpInstances:\n"
         "  - name: main\n    localASN: 65001\n    peers: [" +
         peer + "]\n";
}
std::string advertisement_with(const std::string& entry) {
  return "kind: CiliumBGPAdvertisement\nmetadata: {name: a}\nspec: {advertisements: [" + entry + "]}\n";
}

TEST(ParsePeerConfig, an_empty_list_of_families_is_as_good_as_none) {
  for (const char* spec : {"{}", "{families: []}"}) {
    const auto p = parse_peer_config(yaml(peer_with(spec)));
    EXPECT_THAT(p.findings, IsEmpty()) << spec;
    EXPECT_EQ(p.spec.families, default_peer_settings().families) << spec;
  }
  const auto policy = parse_peering_policy(yaml(policy_with("families: []")));
  EXPECT_EQ(policy.spec.routers.at(0).neighbors.at(0).settings.families, default_peer_settings().families);
}

TEST(ParsePolicy, the_rack_policy_of_the_documentation_reads_whole) {
  const auto p = parse_peering_policy(yaml(R"(
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {name: rack-bgp}
spec:
  nodeSelector: {matchLabels: {rack: rack-01}}
  virtualRouters:
  - localASN: 65001
    exportPodCIDR: true
    neighbors:
    - {peerAddress: "10.0.0.1/32", peerASN: 65000, connectRetryTimeSeconds: 120, holdTimeSeconds: 90, keepAliveTimeSeconds: 30}
    serviceSelector:
      matchExpressions: [{key: somekey, operator: NotIn, values: ["never-advertise"]}]
)"));
  EXPECT_THAT(p.findings, IsEmpty());
  ASSERT_EQ(p.spec.routers.size(), 1u);
  const VirtualRouter& r = p.spec.routers[0];
  EXPECT_TRUE(p.spec.node_selector->matches({{"rack", "rack-01"}}));
  EXPECT_FALSE(p.spec.node_selector->matches({{"rack", "rack-02"}}));
  EXPECT_EQ(r.local_as, 65001u);
  EXPECT_TRUE(r.export_pod_cidr);
  EXPECT_TRUE(r.service_selector->matches({}));
  ASSERT_EQ(r.neighbors.size(), 1u);
  EXPECT_EQ(r.neighbors[0].address, addr("10.0.0.1"));
  EXPECT_EQ(r.neighbors[0].remote_as, (PeerAs{PeerAs::Kind::exact, 65000}));
  EXPECT_EQ(r.neighbors[0].settings.families.size(), 2u);
  EXPECT_EQ(r.service_addresses, std::vector{ServiceAddress::load_balancer_ip});
}

TEST(ParsePolicy, an_empty_service_selector_is_not_an_absent_one) {
  EXPECT_FALSE(parse_peering_policy(yaml(policy_with(""))).spec.routers[0].service_selector);
  const auto all = parse_peering_policy(yaml(policy_with("", "serviceSelector: {}"))).spec.routers[0].service_selector;
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->matches({{"any", "thing"}}));
}

struct Bad {
  const char* name;
  std::string object;
  const char* finding;
  /// When no type, range, enum or pattern of the definition refuses it: the message of the rule that does, or why none.
  const char* rule = "";
};
constexpr const char* kCodeAlone = "no rule";
void PrintTo(const Bad& b, std::ostream* out) { *out << b.name; }
class Refused : public ::testing::TestWithParam<Bad> {};

Findings findings_of(const json::object& o) {
  const std::string kind(o.at("kind").as_string());
  if (kind == kPolicyKind) return parse_peering_policy(o).findings;
  if (kind == kPeerConfigKind) return parse_peer_config(o).findings;
  if (kind == kAdvertisementKind) return parse_advertisement(o).findings;
  if (kind == kOverrideKind) return parse_node_override(o).findings;
  if (kind == kNodeConfigKind) return parse_node_config(o).findings;
  return parse_cluster_config(o).findings;
}

TEST_P(Refused, and_the_finding_names_object_field_value_and_mend) {
  const auto findings = findings_of(yaml(GetParam().object));
  EXPECT_TRUE(has_errors(findings));
  EXPECT_THAT(lines(findings), HasSubstr(GetParam().finding));
}

TEST_P(Refused, and_the_schema_refuses_it_or_has_a_rule_that_does) {
  const auto object = yaml(GetParam().object);
  const Definition definition(std::string(object.at("kind").as_string()));
  const std::string rule = GetParam().rule;
  // The lab's API server, whose schemas these are, passes over rules.
  EXPECT_EQ(definition.problems(definition.with_defaults(object)).empty(), !rule.empty());
  if (!rule.empty() && rule != kCodeAlone) {
    EXPECT_THAT(definition.rules(), ::testing::Contains(rule));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Objects, Refused,
    ::testing::Values(
        Bad{"hold_time_below_three", policy_with("holdTimeSeconds: 2, keepAliveTimeSeconds: 1"),
            "CiliumBGPPeeringPolicy p: spec.virtualRouters[0].neighbors[0].holdTimeSeconds 2 is less than 3; give 3 to "
            "65535"},
        Bad{"keepalive_above_hold_time", policy_with("holdTimeSeconds: 9, keepAliveTimeSeconds: 10"),
            "keepAliveTimeSeconds 10 is more than holdTimeSeconds 9; give 1 to 9",
            "keepAliveTimeSeconds can not be larger than holdTimeSeconds"},
        Bad{"default_keepalive_above_hold_time", policy_with("holdTimeSeconds: 9"), "is more than holdTimeSeconds 9",
            "keepAliveTimeSeconds can not be larger than holdTimeSeconds"},
        Bad{"restart_time_beyond_twelve_bits",
            policy_with("gracefulRestart: {enabled: true, restartTimeSeconds: 4096}"),
            "gracefulRestart.restartTimeSeconds 4096 is more than 4095"},
        Bad{"restart_without_enabled", policy_with("gracefulRestart: {}"), "gracefulRestart.enabled is missing"},
        Bad{"port_zero", policy_with("peerPort: 0"), "peerPort 0 is less than 1"},
        Bad{"ttl_zero", policy_with("eBGPMultihopTTL: 0"), "eBGPMultihopTTL 0 is less than 1"},
        Bad{"unknown_family", policy_with("families: [{afi: ipx, safi: unicast}]"), "families[0].afi \"ipx\" is none"},
        Bad{"unknown_selector_type", policy_with("advertisedPathAttributes: [{selectorType: Nodes}]"),
            "selectorType \"Nodes\" is none of the words known here; give one of PodCIDR, CiliumLoadBalancerIPPool"},
        Bad{"community_too_large",
            policy_with("advertisedPathAttributes: [{selectorType: PodCIDR, communities: {standard: [\"65536:1\"]}}]"),
            "communities.standard[0] \"65536:1\" is not such a community"},
        Bad{"large_community_beyond_32_bits",
            policy_with("advertisedPathAttributes: [{selectorType: PodCIDR, communities: {large: "
                        "[\"65000:1:4294967296\"]}}]"),
            "communities.large[0] \"65000:1:4294967296\" is not such a community"},
        Bad{"large_community_of_an_advertisement",
            advertisement_with(
                "{advertisementType: PodCIDR, attributes: {communities: {large: [\"4294967296:1:1\"]}}}"),
            "communities.large[0] \"4294967296:1:1\" is not such a community"},
        Bad{"unknown_named_community",
            policy_with("advertisedPathAttributes: [{selectorType: PodCIDR, communities: {wellKnown: [no-way]}}]"),
            "communities.wellKnown[0] \"no-way\" is not a community with a name"},
        Bad{"bad_service_address", policy_with("", "serviceAdvertisements: [NodePort]"),
            "serviceAdvertisements[0] \"NodePort\" is no kind of address"},
        Bad{"network_as_neighbor",
            "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {virtualRouters: [{localASN: 1, neighbors: "
            "[{peerAddress: 10.0.0.0/24, peerASN: 2}]}]}",
            "peerAddress \"10.0.0.0/24\" is a network, not one router; give length /32"},
        Bad{"no_virtual_router", "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {virtualRouters: []}",
            "spec.virtualRouters is empty; give at least 1"},
        Bad{"asn_zero",
            "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {virtualRouters: [{localASN: 0, neighbors: "
            "[{peerAddress: 10.0.0.1/32, peerASN: 2}]}]}",
            "localASN 0 is reserved (RFC 7607)", "localASN 0 and 23456 are reserved (RFC 7607, RFC 6793)"},
        Bad{"as_trans_of_a_policy",
            "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {virtualRouters: [{localASN: 23456, neighbors: "
            "[{peerAddress: 10.0.0.1/32, peerASN: 2}]}]}",
            "localASN 23456 stands for numbers beyond 65535 (RFC 6793); give another, 1 to 4294967295",
            "localASN 0 and 23456 are reserved (RFC 7607, RFC 6793)"},
        Bad{"as_trans_of_an_instance",
            "kind: CiliumBGPClusterConfig\nmetadata: {name: c}\nspec: {bgpInstances: [{name: m, localASN: 23456}]}",
            "spec.bgpInstances[0].localASN 23456 stands for numbers beyond 65535",
            "localASN 23456 is reserved (RFC 6793)"},
        Bad{"as_trans_of_an_override",
            "kind: CiliumBGPNodeConfigOverride\nmetadata: {name: n}\nspec: {bgpInstances: [{name: m, localASN: "
            "23456}]}",
            "spec.bgpInstances[0].localASN 23456 stands for numbers beyond 65535",
            "localASN 23456 is reserved (RFC 6793)"},
        Bad{"as_trans_of_a_node",
            "kind: CiliumBGPNodeConfig\nmetadata: {name: n}\nspec: {bgpInstances: [{name: m, localASN: 23456}]}",
            "spec.bgpInstances[0].localASN 23456 stands for numbers beyond 65535",
            "localASN 23456 is reserved (RFC 6793)"},
        Bad{"asn_zero_of_an_instance",
            "kind: CiliumBGPClusterConfig\nmetadata: {name: c}\nspec: {bgpInstances: [{name: m, localASN: 0}]}",
            "spec.bgpInstances[0].localASN 0 is reserved (RFC 7607)"},
        Bad{"v6_network_as_neighbor",
            "kind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {virtualRouters: [{localASN: 1, neighbors: "
            "[{peerAddress: \"2001:db8::/32\", peerASN: 2}]}]}",
            "is a network, not one router; give length /128"},
        Bad{"in_without_values", policy_with("", "serviceSelector: {matchExpressions: [{key: a, operator: In}]}"),
            "serviceSelector.matchExpressions[0].values is empty", kCodeAlone},
        Bad{"peer_timer", peer_with("{timers: {holdTimeSeconds: 70000}}"),
            "CiliumBGPPeerConfig tor: spec.timers.holdTimeSeconds 70000 is more than 65535"},
        Bad{"peer_timers_crossed", peer_with("{timers: {holdTimeSeconds: 10, keepAliveTimeSeconds: 30}}"),
            "is more than holdTimeSeconds 10", "keepAliveTimeSeconds can not be larger than holdTimeSeconds"},
        Bad{"ttl_security_and_multihop", peer_with("{ebgpMultihop: 3, ttlSecurity: 1}"),
            "ttlSecurity 1 stands beside ebgpMultihop 3", "ttlSecurity and ebgpMultihop exclude each other"},
        Bad{"bfd_interval", peer_with("{bfd: {transmitIntervalMilliseconds: 5}}"),
            "bfd.transmitIntervalMilliseconds 5 is less than 10"},
        Bad{"bfd_minimum_ttl", peer_with("{bfd: {minimumTTL: 255}}"), "bfd.minimumTTL 255 is more than 254"},
        Bad{"import_lengths", peer_with("{import: {prefixes: [{prefix: 10.0.0.0/8, minLength: 24, maxLength: 16}]}}"),
            "import.prefixes[0].maxLength 16 is less than minLength 24", "minLength can not be larger than maxLength"},
        Bad{"same_family_twice", peer_with("{families: [{afi: ipv4, safi: unicast}, {afi: ipv4, safi: unicast}]}"),
            "stands twice", kCodeAlone},
        Bad{"peer_with_length", cluster_with("{name: a, peerAddress: 10.0.0.1/32}"),
            "peerAddress \"10.0.0.1/32\" is not an IP address; give it without a length"},
        Bad{"link_local_without_link", cluster_with("{name: a, peerAddress: \"fe80::1\"}"),
            "is a link-local address without its link; give fe80::1%eth0", kCodeAlone},
        Bad{"interface_beside_a_routed_address", cluster_with("{name: a, peerAddress: 10.0.0.1, interface: eth0}"),
            "interface \"eth0\" stands beside a peerAddress that is not link-local", kCodeAlone},
        Bad{"peer_without_place", cluster_with("{name: a}"), "give it, or autoDiscovery, or interface", kCodeAlone},
        Bad{"two_kinds_of_asn", cluster_with("{name: a, peerAddress: 10.0.0.1, peerASN: 5, peerAS: external}"),
            "peerAS \"external\" stands beside peerASN 5", "peerAS and peerASN exclude each other"},
        Bad{"same_peer_name", cluster_with("{name: a, peerAddress: 10.0.0.1}, {name: a, peerAddress: 10.0.0.2}"),
            "peers[1].name \"a\" stands twice"},
        Bad{"gateway_without_family", cluster_with("{name: a, autoDiscovery: {mode: DefaultGateway}}"),
            "autoDiscovery.defaultGateway is missing", kCodeAlone},
        Bad{"no_instances", "kind: CiliumBGPClusterConfig\nmetadata: {name: c}\nspec: {bgpInstances: []}",
            "spec.bgpInstances is empty; give at least 1"},
        Bad{"router_id",
            "kind: CiliumBGPNodeConfigOverride\nmetadata: {name: n}\nspec: {bgpInstances: [{name: m, "
            "routerID: \"fd00::1\"}]}",
            "routerID \"fd00::1\" is no router ID"},
        Bad{"service_missing", advertisement_with("{advertisementType: Service}"),
            "spec.advertisements[0].service is missing",
            "service field is required for the 'Service' advertisementType"},
        Bad{"service_elsewhere", advertisement_with("{advertisementType: PodCIDR, service: {addresses: [ClusterIP]}}"),
            "service is not allowed here", "service field is not allowed for non-'Service' advertisementType"},
        Bad{"interface_missing", advertisement_with("{advertisementType: Interface}"), "interface is missing",
            "interface field is required for the 'Interface' advertisementType"},
        Bad{"pod_cidr_selector", advertisement_with("{advertisementType: PodCIDR, selector: {}}"),
            "selector is not allowed here", "selector field is not allowed for the 'PodCIDR' advertisementType"},
        Bad{"aggregate_of_a_host",
            advertisement_with("{advertisementType: Service, selector: {}, service: {addresses: "
                               "[ClusterIP], aggregationLengthIPv4: 32}}"),
            "aggregationLengthIPv4 32 is more than 31"},
        Bad{"v6_next_hop", advertisement_with("{advertisementType: PodCIDR, attributes: {nextHop: {ipv6: 10.0.0.1}}}"),
            "nextHop.ipv6 \"10.0.0.1\" is an IPv4 address", kCodeAlone},
        Bad{"not_an_object", peer_with("{timers: 5}"), "spec.timers 5 is a number; give an object"}),
    [](const auto& info) { return info.param.name; });

TEST(ParsePeer, nothing_said_means_the_defaults_of_the_reference) {
  const auto p = parse_peer_config(yaml(peer_with("{}")));
  EXPECT_THAT(p.findings, IsEmpty());
  EXPECT_EQ(p.spec.port, 179);
  EXPECT_EQ(p.spec.hold_time, 90s);
  EXPECT_EQ(p.spec.keepalive, 30s);
  EXPECT_EQ(p.spec.connect_retry, 120s);
  EXPECT_EQ(p.spec.ebgp_multihop, 1);
  EXPECT_FALSE(p.spec.graceful_restart);
  EXPECT_EQ(p.spec.families.size(), 2u);
  EXPECT_FALSE(p.spec.families[0].advertisements);
}

TEST(ParsePeer, every_extension_reads) {
  const auto p = parse_peer_config(yaml(R"(
kind: CiliumBGPPeerConfig
metadata: {name: tor}
spec:
  bfd: {transmitIntervalMilliseconds: 50, receiveIntervalMilliseconds: 60, detectMultiplier: 4, authSecretRef: bfd, authKeyID: 7, multihop: true, minimumTTL: 250}
  ttlSecurity: 1
  passive: true
  extendedNextHop: true
  maxReceivedPrefixes: 5000
  import:
    limit: 10
    table: 100
    prefixes: [{prefix: 10.0.0.0/8, minLength: 16, maxLength: 24}, {prefix: 0.0.0.0/0, action: Deny}]
  drain: {gracefulShutdownSeconds: 20}
)"));
  EXPECT_EQ(lines(p.findings), "");
  EXPECT_EQ(p.spec.bfd->transmit, 50ms);
  EXPECT_EQ(p.spec.bfd->receive, 60ms);
  EXPECT_EQ(p.spec.bfd->multiplier, 4);
  EXPECT_EQ(p.spec.bfd->key_id, 7);
  EXPECT_EQ(p.spec.bfd->multihop, true);
  EXPECT_EQ(p.spec.bfd->minimum_ttl, 250);
  EXPECT_EQ(p.spec.ttl_security, 1);
  EXPECT_TRUE(p.spec.passive);
  EXPECT_TRUE(p.spec.extended_next_hop);
  EXPECT_EQ(p.spec.max_received, 5000u);
  ASSERT_EQ(p.spec.import->rules.size(), 2u);
  EXPECT_EQ(p.spec.import->rules[0], (PrefixRule{prefix("10.0.0.0/8"), 16, 24, true}));
  EXPECT_EQ(p.spec.import->rules[1], (PrefixRule{prefix("0.0.0.0/0"), 0, 0, false}));
  EXPECT_EQ(p.spec.graceful_shutdown, 20s);
}

TEST(ParsePeer, a_least_ttl_beside_single_hop_is_taken_with_a_warning) {
  const auto p = parse_peer_config(yaml(peer_with("{bfd: {multihop: false, minimumTTL: 250}}")));
  EXPECT_FALSE(has_errors(p.findings));
  EXPECT_THAT(lines(p.findings), HasSubstr("bfd.minimumTTL 250 has no effect on single hop"));
  EXPECT_THAT(parse_peer_config(yaml(peer_with("{bfd: {minimumTTL: 250}}"))).findings, IsEmpty());
}

TEST(ParsePeer, a_key_number_without_a_key_is_named_unless_it_is_the_default) {
  const auto findings = [](const char* bfd) {
    return lines(parse_peer_config(yaml(peer_with(std::string("{bfd: ") + bfd + "}"))).findings);
  };
  EXPECT_THAT(findings("{authKeyID: 7}"), HasSubstr("bfd.authKeyID 7 has no effect without a key"));
  EXPECT_EQ(findings("{authKeyID: 7, authSecretRef: k}"), "");
  EXPECT_EQ(findings("{authKeyID: 1}"), "") << "API servers have filled it in";
}

TEST(ParseAdvertisement, attributes_read_whole_and_named_communities_become_numbers) {
  const auto p = parse_advertisement(yaml(R"(
kind: CiliumBGPAdvertisement
metadata: {name: a}
spec:
  advertisements:
  - advertisementType: Service
    service: {addresses: [LoadBalancerIP, ExternalIP], aggregationLengthIPv4: 24}
    selector: {}
    attributes:
      communities: {standard: ["65000:2", "65000:1", "7"], wellKnown: [no-export], large: ["1:2:3"]}
      localPreference: 250
      med: 10
      asPathPrepend: 2
      origin: Incomplete
      nextHop: {ipv4: 192.0.2.9}
)"));
  EXPECT_EQ(lines(p.findings), "");
  ASSERT_EQ(p.spec.entries.size(), 1u);
  const auto& e = p.spec.entries[0];
  EXPECT_EQ(e.aggregate_v4, 24u);
  EXPECT_FALSE(e.aggregate_v6);
  EXPECT_EQ(
      to_string(e.attributes),
      "communities 0:7 65000:1 65000:2 65535:65281 1:2:3, local preference 250, MED 10, prepended 2 times, origin "
      "incomplete, next hop 192.0.2.9");
}

TEST(ParseAdvertisement, a_service_without_selector_is_taken_with_a_warning) {
  const auto p =
      parse_advertisement(yaml(advertisement_with("{advertisementType: Service, service: {addresses: [ClusterIP]}}")));
  EXPECT_FALSE(has_errors(p.findings));
  EXPECT_THAT(lines(p.findings), HasSubstr("no Service is selected"));
}

TEST(ParseCluster, an_unnumbered_peer_needs_its_interface_only) {
  const auto p = parse_cluster_config(yaml(cluster_with("{name: a, interface: eth1, peerAS: external}")));
  EXPECT_EQ(lines(p.findings), "");
  const auto& peer = p.spec.instances.at(0).peers.at(0);
  EXPECT_EQ(peer.interface, "eth1");
  EXPECT_EQ(peer.remote_as.kind, PeerAs::Kind::external);
}

TEST(ParseCluster, a_zone_stands_for_the_interface) {
  const auto p = parse_cluster_config(yaml(cluster_with("{name: a, peerAddress: \"fe80::1%eth1\"}")));
  EXPECT_EQ(lines(p.findings), "");
  EXPECT_EQ(p.spec.instances.at(0).peers.at(0).zone, "eth1");
  EXPECT_EQ(p.spec.instances.at(0).peers.at(0).remote_as.kind, PeerAs::Kind::any);
}

TEST(ParsePool, ranges_and_networks_hold_their_addresses) {
  const auto p =
      parse_pool(yaml("kind: CiliumLoadBalancerIPPool\nmetadata: {name: x}\nspec: {blocks: [{cidr: "
                      "10.0.0.0/30}, {start: 10.1.0.5, stop: 10.1.0.7}, {start: 10.2.0.1}]}"));
  EXPECT_TRUE(p.spec.contains(addr("10.0.0.3")));
  EXPECT_FALSE(p.spec.contains(addr("10.0.0.4")));
  EXPECT_TRUE(p.spec.contains(addr("10.1.0.7")));
  EXPECT_FALSE(p.spec.contains(addr("10.1.0.8")));
  EXPECT_TRUE(p.spec.contains(addr("10.2.0.1")));
  EXPECT_FALSE(p.spec.contains(addr("fd00::1")));
}

TEST(Keeping, a_bad_update_leaves_the_last_good_state_in_force_and_is_named) {
  Keeper<PeeringPolicySpec> keeper(parse_peering_policy);
  const auto first = keeper(yaml(policy_with("holdTimeSeconds: 30")));
  const auto second = keeper(yaml(policy_with("holdTimeSeconds: 1")));
  ASSERT_TRUE(second.good);
  EXPECT_EQ(second.good->routers[0].neighbors[0].settings.hold_time, 30s);
  EXPECT_THAT(lines(second.findings), HasSubstr("holdTimeSeconds 1 is less than 3"));
  EXPECT_EQ(first.good, second.good);
}

TEST(Keeping, an_object_made_anew_does_not_inherit_from_the_one_of_its_name) {
  Keeper<PeeringPolicySpec> keeper(parse_peering_policy);
  keeper(yaml(policy_with("")));
  auto other = yaml(policy_with("holdTimeSeconds: 1"));
  other["metadata"].as_object()["uid"] = "u2";
  EXPECT_FALSE(keeper(other).good);
}

}  // namespace
}  // namespace weft::bgp::control
