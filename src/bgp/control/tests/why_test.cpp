#include "bgp/control/why.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WhyTest : public ::testing::Test {
 protected:
  RouteBuilder builder;
  NodeFacts node{.name = "n1", .ipv4 = addr("192.0.2.11")};
  Objects objects{.passwords = std::map<std::string, std::string>{}};
  Service cart;

  WhyTest() {
    cart.name = {"shop", "cart"};
    cart.type = ServiceType::load_balancer;
    cart.load_balancer_ips = {addr("198.51.100.1")};
    policy("serviceSelector: {matchLabels: {advertise: external}}");
  }
  void policy(const std::string& router, const std::string& neighbor = "") {
    objects.policies = {
        row(parse_peering_policy,
            "kind: CiliumBGPPeeringPolicy\nmetadata: {name: rack}\nspec: {virtualRouters: [{localASN: 65001, " +
                router + ", neighbors: [{peerAddress: 10.0.0.1/32, peerASN: 65000" + neighbor + "}]}]}")};
    builder.set_plan(plan(node, objects), {});
  }
  Reason only(const Service& s, EndpointCounts v4 = {.ready = 1, .local_ready = 1}) {
    builder.set_service(s.name, ServiceFacts{.service = std::make_shared<const Service>(s), .v4 = v4});
    const auto reasons = why_service(builder, s.name);
    EXPECT_THAT(reasons, SizeIs(1));
    return reasons.empty() ? Reason{} : reasons[0];
  }
};

TEST_F(WhyTest, an_advertised_address_names_the_rule) {
  cart.labels["advertise"] = "external";
  const auto r = only(cart);
  EXPECT_TRUE(r.advertised);
  EXPECT_EQ(r.peer, "10.0.0.1");
  EXPECT_EQ(r.announced, prefix("198.51.100.1/32"));
  EXPECT_EQ(r.because, "CiliumBGPPeeringPolicy rack spec.virtualRouters[0].serviceSelector");
}

TEST_F(WhyTest, a_label_that_is_missing_is_the_reason) {
  const auto r = only(cart);
  EXPECT_FALSE(r.advertised);
  EXPECT_EQ(r.because,
            "CiliumBGPPeeringPolicy rack spec.virtualRouters[0].serviceSelector selects advertise=external, not this "
            "Service");
}

TEST_F(WhyTest, an_endpoint_that_is_not_ready_is_the_reason) {
  cart.labels["advertise"] = "external";
  cart.external_traffic_policy = TrafficPolicy::local;
  EXPECT_EQ(only(cart, {.ready = 1, .local_not_ready = 2}).because,
            "externalTrafficPolicy is Local and the 2 endpoint(s) on this node are not ready");
  EXPECT_EQ(only(cart, {.local_terminating = 1}).because,
            "externalTrafficPolicy is Local and the 1 endpoint(s) on this node are terminating");
  EXPECT_EQ(only(cart, {.ready = 1}).because, "externalTrafficPolicy is Local and this node has no endpoint of it");
}

TEST_F(WhyTest, a_type_of_address_that_is_not_listed_is_the_reason) {
  policy("serviceSelector: {}, serviceAdvertisements: [ClusterIP]");
  EXPECT_THAT(only(cart).because, HasSubstr("does not list LoadBalancerIP"));
}

TEST_F(WhyTest, a_family_that_the_peer_does_not_take_is_the_reason) {
  policy("serviceSelector: {}", ", families: [{afi: ipv6, safi: unicast}]");
  EXPECT_THAT(only(cart).because, HasSubstr("does not take ipv4/unicast"));
}

TEST_F(WhyTest, a_session_that_is_held_down_is_the_reason) {
  policy("serviceSelector: {}", ", authSecretRef: tor");
  const auto r = only(cart);
  EXPECT_FALSE(r.advertised);
  EXPECT_THAT(r.because, HasSubstr("held down: Secret kube-system/tor is missing"));
}

TEST_F(WhyTest, a_prefix_finds_the_services_in_it_and_the_pod_cidr) {
  policy("serviceSelector: {}, exportPodCIDR: true");
  only(cart);
  builder.set_node({.pod_cidrs = {prefix("10.1.0.0/24")}});
  EXPECT_THAT(why_prefix(builder, prefix("198.51.100.0/24")), SizeIs(1));
  const auto pods = why_prefix(builder, prefix("10.1.0.7/32"));
  ASSERT_THAT(pods, SizeIs(1));
  EXPECT_EQ(pods[0].type, "PodCIDR");
  EXPECT_TRUE(pods[0].advertised);
  EXPECT_EQ(pods[0].because, "CiliumBGPPeeringPolicy rack spec.virtualRouters[0].exportPodCIDR");
  EXPECT_THAT(why_prefix(builder, prefix("203.0.113.0/24")), IsEmpty());
  EXPECT_THAT(why_all(builder), SizeIs(2));
}

TEST_F(WhyTest, a_service_without_a_load_balancer_address_says_so_beside_its_other_addresses) {
  policy("serviceSelector: {}");
  cart.load_balancer_ips.clear();
  cart.cluster_ips = {addr("10.96.0.5")};
  builder.set_service(cart.name, ServiceFacts{.service = std::make_shared<const Service>(cart)});
  const auto reasons = why(builder, {.service = cart.name}, "");
  ASSERT_TRUE(reasons);
  ASSERT_THAT(*reasons, SizeIs(2));
  EXPECT_EQ(reasons->at(0).type, "ClusterIP");
  EXPECT_EQ(reasons->at(1).type, "LoadBalancerIP");
  EXPECT_FALSE(reasons->at(1).prefix);
  EXPECT_THAT(reasons->at(1).because, HasSubstr("status.loadBalancer.ingress has no IP address yet"));
}

TEST_F(WhyTest, a_headless_service_says_that_it_has_no_address) {
  cart.type = ServiceType::cluster_ip;
  cart.load_balancer_ips.clear();
  builder.set_service(cart.name, ServiceFacts{.service = std::make_shared<const Service>(cart)});
  const auto reasons = why(builder, {.service = cart.name}, "");
  ASSERT_THAT(reasons.value(), SizeIs(1));
  EXPECT_THAT(reasons->at(0).because, HasSubstr("headless"));
}

TEST_F(WhyTest, a_prefix_that_nobody_has_gets_a_sentence_that_names_what_is_in_force) {
  const auto reasons = why(builder, {.prefix = prefix("203.0.113.0/24")}, "");
  ASSERT_THAT(reasons.value(), SizeIs(1));
  EXPECT_THAT(reasons->at(0).because,
              HasSubstr("CiliumBGPPeeringPolicy rack is in force on this node, and no Service"));
  EXPECT_THAT(reasons->at(0).because, HasSubstr("203.0.113.0/24"));
}

TEST_F(WhyTest, a_node_that_nothing_selects_gets_a_sentence) {
  objects.policies.clear();
  builder.set_plan(plan(node, objects), {});
  for (const WhyQuestion& q : {WhyQuestion{}, WhyQuestion{.prefix = prefix("203.0.113.0/24")}})
    EXPECT_THAT(why(builder, q, "").value().at(0).because, HasSubstr("no CiliumBGPPeeringPolicy selects this node"));
}

TEST_F(WhyTest, a_service_is_missing_only_when_services_are_listed) {
  EXPECT_THAT(why(builder, {.service = cart.name}, "").error().message, HasSubstr("there is no Service shop/cart"));
  const auto early = why(builder, {.service = cart.name}, "services, endpoint slices");
  ASSERT_THAT(early.value(), SizeIs(1));
  EXPECT_THAT(early->at(0).because, HasSubstr("waiting for services, endpoint slices"));
}

TEST_F(WhyTest, an_answer_that_may_change_says_so) {
  only(cart);
  const auto reasons = why(builder, {.service = cart.name}, "endpoint slices");
  ASSERT_THAT(reasons.value(), SizeIs(2));
  EXPECT_THAT(reasons->at(1).because, HasSubstr("the answer may change: waiting for endpoint slices"));
}

TEST_F(WhyTest, an_aggregate_without_a_blackhole_says_why_and_what_mends_it) {
  objects.policies.clear();
  objects.node_config =
      row(parse_node_config,
          "kind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: [{name: main, "
          "localASN: 65001, peers: [{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}]}]}");
  objects.peer_configs["tor"] = row(parse_peer_config,
                                    "kind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: {families: [{afi: ipv4, "
                                    "safi: unicast, advertisements: {}}]}");
  objects.advertisements["a"] = row(parse_advertisement,
                                    "kind: CiliumBGPAdvertisement\nmetadata: {name: a}\nspec: {advertisements: "
                                    "[{advertisementType: Service, service: {addresses: [LoadBalancerIP], "
                                    "aggregationLengthIPv4: 16}, selector: {}}]}");
  builder.set_plan(plan(node, objects), {});
  builder.set_node({.on_link = {prefix("198.51.7.0/24")}});
  const auto r = only(cart);
  EXPECT_EQ(r.announced, prefix("198.51.0.0/16"));
  EXPECT_THAT(r.because, HasSubstr("sent as 198.51.0.0/16, which has no blackhole on this node: its network "
                                   "198.51.7.0/24 lies in it"));
  EXPECT_THAT(r.because, HasSubstr("give a longer aggregationLengthIPv4"));
  builder.set_node({});
  EXPECT_EQ(only(cart).because, "CiliumBGPAdvertisement a spec.advertisements[0]");
}

TEST_F(WhyTest, a_pod_cidr_that_nobody_exports_says_so) {
  policy("serviceSelector: {}");
  builder.set_node({.pod_cidrs = {prefix("10.1.0.0/24")}});
  EXPECT_EQ(why_prefix(builder, prefix("10.1.0.0/24")).at(0).because,
            "no advertisement of type PodCIDR goes to this peer");
}

}  // namespace
}  // namespace weft::bgp::control
