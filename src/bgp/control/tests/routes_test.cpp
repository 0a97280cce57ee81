#include "bgp/control/routes.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RoutesTest : public ::testing::Test {
 protected:
  RouteBuilder builder;
  NodeFacts node{.name = "n1", .ipv4 = addr("192.0.2.11")};
  Objects objects{.passwords = std::map<std::string, std::string>{}};

  void advertise(const std::string& entries, const std::string& name = "a") {
    objects.advertisements[name] = row(parse_advertisement, "kind: CiliumBGPAdvertisement\nmetadata: {name: " + name +
                                                                "}\nspec: {advertisements: " + entries + "}");
    if (!objects.node_config) {
      objects.node_config = row(parse_node_config,
                                "kind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: "
                                "[{name: main, localASN: 65001, peers: [{name: tor, peerAddress: "
                                "10.0.0.1, peerConfigRef: {name: tor}}]}]}");
      objects.peer_configs["tor"] =
          row(parse_peer_config,
              "kind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: {families: [{afi: ipv4, safi: "
              "unicast, advertisements: {}}, {afi: ipv6, safi: unicast, advertisements: {}}]}");
    }
    replan();
  }
  void replan() { builder.set_plan(plan(node, objects), objects.pools); }

  Service lb(const char* name, const char* ip) {
    Service s;
    s.name = {"shop", name};
    s.type = ServiceType::load_balancer;
    s.load_balancer_ips = {addr(ip)};
    s.cluster_ips = {addr("10.96.0.1")};
    return s;
  }
  void put(Service s, EndpointCounts v4 = {.ready = 1, .local_ready = 1}) {
    const ObjectName name = s.name;
    builder.set_service(name,
                        ServiceFacts{.service = std::make_shared<const Service>(std::move(s)), .v4 = v4, .v6 = v4});
  }
  /// "10.0.0.1/32 communities …" of the IPv4 and IPv6 sets of the one peer.
  std::vector<std::string> routes(const std::string& instance = "main") {
    std::vector<std::string> out;
    const auto wanted = builder.wanted(true);
    if (!wanted.instances.contains(instance)) return out;
    const auto& i = wanted.instances.at(instance);
    for (const auto& [family, set] : i.config.peers.at(0).routes)
      i.route_sets.at(set).for_each([&](const Route& r) {
        std::string line = r.prefix.to_string();
        for (const Community c : r.attributes->path.communities) line += " " + community_text(c);
        if (r.attributes->path.local_pref) line += " pref " + std::to_string(*r.attributes->path.local_pref);
        if (r.attributes->path.origin == Origin::incomplete) line += " incomplete";
        out.push_back(line);
      });
    return out;
  }
};

constexpr const char* kLbAll = "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {}}]";
constexpr const char* kLb24 =
    "[{advertisementType: Service, service: {addresses: [LoadBalancerIP], aggregationLengthIPv4: 24}, selector: {}}]";

TEST_F(RoutesTest, a_load_balancer_ip_is_a_host_route_and_goes_with_its_service) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"));
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
  builder.set_service({"shop", "cart"}, std::nullopt);
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_F(RoutesTest, services_that_the_selector_does_not_match_never_appear) {
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {matchLabels: {advertise: "
      "external}}}]");
  put(lb("cart", "198.51.100.1"));
  EXPECT_THAT(routes(), IsEmpty());
  Service s = lb("cart", "198.51.100.1");
  s.labels["advertise"] = "external";
  put(s);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, a_selector_sees_name_and_namespace) {
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {matchLabels: "
      "{io.kubernetes.service.name: cart, io.kubernetes.service.namespace: shop}}}]");
  put(lb("cart", "198.51.100.1"));
  put(lb("other", "198.51.100.2"));
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, each_type_of_address_is_taken_from_its_own_place) {
  advertise("[{advertisementType: Service, service: {addresses: [ClusterIP, ExternalIP]}, selector: {}}]");
  Service s = lb("cart", "198.51.100.1");
  s.external_ips = {addr("203.0.113.5"), addr("2001:db8::5")};
  put(s);
  EXPECT_THAT(routes(), ElementsAre("10.96.0.1/32", "203.0.113.5/32", "2001:db8::5/128"));
}

TEST_F(RoutesTest, a_class_of_somebody_else_keeps_load_balancer_ips_here) {
  advertise(kLbAll);
  Service s = lb("cart", "198.51.100.1");
  s.load_balancer_class = "example.com/other";
  put(s);
  EXPECT_THAT(routes(), IsEmpty());
  s.load_balancer_class = kLoadBalancerClass;
  put(s);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, a_local_policy_needs_a_ready_endpoint_here) {
  advertise(kLbAll);
  Service s = lb("cart", "198.51.100.1");
  s.external_traffic_policy = TrafficPolicy::local;
  put(s, {.ready = 3});
  EXPECT_THAT(routes(), IsEmpty());
  put(s, {.ready = 3, .local_not_ready = 1});
  EXPECT_THAT(routes(), IsEmpty());
  put(s, {.ready = 4, .local_ready = 1});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
  put(s, {.ready = 3, .local_terminating = 1});
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_F(RoutesTest, internal_traffic_policy_is_what_counts_for_cluster_ips) {
  advertise("[{advertisementType: Service, service: {addresses: [ClusterIP, LoadBalancerIP]}, selector: {}}]");
  Service s = lb("cart", "198.51.100.1");
  s.internal_traffic_policy = TrafficPolicy::local;
  put(s, {.ready = 3});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, a_service_without_endpoints_is_announced_unless_that_is_turned_off) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"), {});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
  builder.set_options({.services = {.no_endpoints_routable = false}});
  EXPECT_THAT(routes(), IsEmpty());
  builder.set_service(
      {"shop", "cart"},
      ServiceFacts{.service = std::make_shared<const Service>(lb("cart", "198.51.100.1")), .remote_backends = true});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, an_aggregate_stands_for_its_services_until_the_last_is_gone) {
  advertise(kLb24);
  put(lb("a", "198.51.100.1"));
  put(lb("b", "198.51.100.2"));
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24"));
  EXPECT_THAT(builder.aggregates("main"), ElementsAre(prefix("198.51.100.0/24")));
  builder.set_service({"shop", "a"}, std::nullopt);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24"));
  builder.set_service({"shop", "b"}, std::nullopt);
  EXPECT_THAT(routes(), IsEmpty());
  EXPECT_THAT(builder.aggregates("main"), IsEmpty());
}

TEST_F(RoutesTest, a_local_policy_service_stays_a_host_route_beside_the_aggregate) {
  advertise(kLb24);
  put(lb("a", "198.51.100.1"));
  Service s = lb("b", "198.51.100.2");
  s.external_traffic_policy = TrafficPolicy::local;
  put(s);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24", "198.51.100.2/32"));
}

TEST_F(RoutesTest, services_with_differing_attributes_are_never_merged_into_an_aggregate) {
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP], aggregationLengthIPv4: 24}, selector: "
      "{matchLabels: {tier: gold}}, attributes: {communities: {standard: [\"65000:1\"]}}},"
      " {advertisementType: Service, service: {addresses: [LoadBalancerIP], aggregationLengthIPv4: 24}, selector: "
      "{matchLabels: {tier: lead}}}]");
  Service gold = lb("a", "198.51.100.1");
  gold.labels["tier"] = "gold";
  Service lead = lb("b", "198.51.100.2");
  lead.labels["tier"] = "lead";
  put(gold);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24 65000:1"));
  put(lead);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32 65000:1", "198.51.100.2/32"));
  EXPECT_THAT(builder.aggregates("main"), IsEmpty());
  builder.set_service(gold.name, std::nullopt);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24"));
}

TEST_F(RoutesTest, advertisements_of_one_prefix_are_merged) {
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {}, attributes: "
      "{communities: {standard: [\"65000:1\"]}, localPreference: 100}}]");
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {}, attributes: "
      "{communities: {standard: [\"65000:2\"]}, localPreference: 300}}]",
      "b");
  put(lb("cart", "198.51.100.1"));
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32 65000:1 65000:2 pref 300"));
}

TEST_F(RoutesTest, two_services_that_share_an_address_keep_it_until_both_let_go) {
  advertise(kLbAll);
  put(lb("a", "198.51.100.1"));
  put(lb("b", "198.51.100.1"));
  builder.set_service({"shop", "a"}, std::nullopt);
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
  builder.set_service({"shop", "b"}, std::nullopt);
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_F(RoutesTest, pod_cidrs_and_interface_addresses_of_the_node) {
  advertise("[{advertisementType: PodCIDR}, {advertisementType: Interface, interface: {name: lo}}]");
  builder.set_node({.pod_cidrs = {prefix("10.1.0.0/24"), prefix("fd00:1::/64")},
                    .interfaces = {{"lo", {addr("192.0.2.200")}}, {"eth0", {addr("192.0.2.11")}}}});
  EXPECT_THAT(routes(), ElementsAre("10.1.0.0/24", "192.0.2.200/32", "fd00:1::/64"));
}

TEST_F(RoutesTest, load_balancer_ips_have_the_old_origin_where_that_is_asked_for) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"));
  builder.set_options({.legacy_origin = true});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32 incomplete"));
}

TEST_F(RoutesTest, changing_an_attribute_changes_the_routes_it_is_on) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"));
  advertise(
      "[{advertisementType: Service, service: {addresses: [LoadBalancerIP]}, selector: {}, attributes: "
      "{localPreference: 7}}]");
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32 pref 7"));
}

TEST_F(RoutesTest, a_node_whose_drain_is_over_sends_nothing) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"));
  node.draining_for = std::chrono::seconds(0);
  replan();
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));  // the session marks them
  node.draining_for = kDrainTime;
  replan();
  EXPECT_THAT(routes(), IsEmpty());
  node.draining_for.reset();
  replan();
  EXPECT_THAT(routes(), ElementsAre("198.51.100.1/32"));
}

TEST_F(RoutesTest, an_aggregate_that_the_node_itself_is_in_gets_no_blackhole) {
  advertise(kLb24);
  put(lb("a", "198.51.100.1"));
  builder.set_node({.on_link = {prefix("198.51.100.128/25")}});
  EXPECT_THAT(routes(), ElementsAre("198.51.100.0/24"));
  EXPECT_THAT(builder.aggregates("main"), IsEmpty());
}

std::string aggregated(int v4, int v6) {
  return fmt::format(
      "[{{advertisementType: Service, service: {{addresses: [LoadBalancerIP], aggregationLengthIPv4: {}, "
      "aggregationLengthIPv6: {}}}, selector: {{}}}}]",
      v4, v6);
}

TEST_F(RoutesTest, an_aggregate_wider_than_a_network_of_the_node_is_a_finding_that_names_both_and_the_mend) {
  advertise(aggregated(16, 48));
  put(lb("a", "198.51.100.1"));
  put(lb("b", "2001:db8:1::1"));
  builder.set_node({.on_link = {prefix("10.0.0.0/24"), prefix("198.51.7.0/24"), prefix("2001:db8:1:7::/64")}});
  EXPECT_THAT(builder.aggregates("main"), IsEmpty());
  EXPECT_EQ(lines(builder.findings()),
            "CiliumBGPAdvertisement a: spec.advertisements[0].service.aggregationLengthIPv4 16 makes 198.51.0.0/16, "
            "which has no blackhole on this node: its network 198.51.7.0/24 lies in it, and so may hosts that other "
            "routes lead to; packets to free addresses of the aggregate can circle between node and router; give a "
            "longer aggregationLengthIPv4, or Services addresses whose aggregate holds no network of the node\n"
            "CiliumBGPAdvertisement a: spec.advertisements[0].service.aggregationLengthIPv6 48 makes 2001:db8:1::/48, "
            "which has no blackhole on this node: its network 2001:db8:1:7::/64 lies in it, and so may hosts that "
            "other routes lead to; packets to free addresses of the aggregate can circle between node and router; "
            "give a longer aggregationLengthIPv6, or Services addresses whose aggregate holds no network of the "
            "node\n");
}

TEST_F(RoutesTest, an_aggregate_that_is_all_on_the_link_needs_no_blackhole_and_is_no_finding) {
  advertise(aggregated(24, 64));
  put(lb("a", "198.51.100.1"));
  put(lb("b", "2001:db8:1::1"));
  builder.set_node({.on_link = {prefix("198.51.0.0/16"), prefix("198.51.100.128/25"), prefix("2001:db8:1::/64")}});
  EXPECT_THAT(builder.aggregates("main"), IsEmpty());
  EXPECT_EQ(lines(builder.findings()), "");
  builder.set_node({.on_link = {prefix("10.0.0.0/24")}});
  EXPECT_EQ(builder.aggregates("main").size(), 2u);
  EXPECT_EQ(lines(builder.findings()), "");
}

TEST_F(RoutesTest, an_unchanged_plan_leaves_the_sets_the_very_same) {
  advertise(kLbAll);
  put(lb("cart", "198.51.100.1"));
  const auto before = builder.wanted(true);
  replan();
  const auto after = builder.wanted(true);
  for (const auto& [name, set] : before.instances.at("main").route_sets)
    EXPECT_TRUE(set.same(after.instances.at("main").route_sets.at(name))) << name;
}

TEST_F(RoutesTest, a_policy_puts_attributes_by_pod_cidr_and_by_pool) {
  objects.policies = {row(parse_peering_policy, R"(
kind: CiliumBGPPeeringPolicy
metadata: {name: p}
spec:
  virtualRouters:
  - localASN: 65001
    exportPodCIDR: true
    serviceSelector: {}
    neighbors:
    - peerAddress: 10.0.0.1/32
      peerASN: 65000
      advertisedPathAttributes:
      - {selectorType: PodCIDR, selector: {matchLabels: {rack: r1}}, communities: {standard: ["65000:9"]}}
      - {selectorType: CiliumLoadBalancerIPPool, selector: {matchLabels: {pool: blue}}, localPreference: 50}
)")};
  objects.pools = {row(parse_pool,
                       "kind: CiliumLoadBalancerIPPool\nmetadata: {name: blue, labels: {pool: blue}}\nspec: "
                       "{blocks: [{cidr: 198.51.100.0/28}]}")};
  replan();
  builder.set_node({.pod_cidrs = {prefix("10.1.0.0/24")}, .labels = {{"rack", "r1"}}});
  put(lb("a", "198.51.100.1"));
  put(lb("b", "198.51.100.99"));
  EXPECT_THAT(routes("65001"), ElementsAre("10.1.0.0/24 65000:9", "198.51.100.1/32 pref 50", "198.51.100.99/32"));
}

TEST_F(RoutesTest, one_service_of_ten_thousand_changes_its_own_route_and_shares_all_others) {
  advertise(kLbAll);
  for (unsigned n = 0; n < 10'000; ++n)
    put(lb(("s" + std::to_string(n)).c_str(), addr("10.64.0.0").plus(n).to_string().c_str()));
  const auto set = [&] { return builder.wanted(true).instances.at("main").route_sets.at("ipv4 of tor"); };
  const auto before = set();
  EXPECT_EQ(before.size(), 10'000u);
  put(lb("s77", "10.65.0.1"));
  unsigned changes = 0;
  before.diff(set(), [&](const auto&) { ++changes; });
  EXPECT_EQ(changes, 2u);
}

TEST(ServiceFactsTest, terminating_endpoints_are_not_ready_whatever_the_slice_says) {
  auto slice = std::make_shared<EndpointSlice>();
  slice->endpoints = {{.addresses = {addr("10.1.0.1")}, .ready = true, .terminating = true, .node_name = "n1"},
                      {.addresses = {addr("10.1.0.2")}, .ready = false, .node_name = "n1"},
                      {.addresses = {addr("10.1.0.3")}, .ready = true, .node_name = "n2"}};
  const auto facts = facts_of(std::make_shared<const Service>(), {slice}, "n1", false);
  EXPECT_EQ(facts.v4, (EndpointCounts{.ready = 1, .local_not_ready = 1, .local_terminating = 1}));
}

TEST(MergeAttributes, the_more_preferred_value_wins_and_any_value_before_none) {
  AdvertisedAttributes a, b;
  a.local_pref = 10;
  b.local_pref = 20;
  b.med = 5;
  a.prepend = 3;
  b.prepend = 1;
  a.origin = Origin::incomplete;
  const auto m = merge(a, b);
  EXPECT_EQ(m.local_pref, 20u);
  EXPECT_EQ(m.med, 5u);
  EXPECT_EQ(m.prepend, 1u);
  EXPECT_EQ(m.origin, Origin::incomplete);
}

}  // namespace
}  // namespace weft::bgp::control
