#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "kube/types/endpoint_slice.h"
#include "kube/types/service.h"
#include "kube/types/service_annotations.h"

namespace weft::kube {
namespace {

json::object parse(const char* text) { return json::parse(text).get_object(); }

TEST(ServiceAnnotations, current_key_wins_over_its_alias) {
  const auto a =
      read_service_annotations({{"service.cilium.io/global", "false"}, {"io.cilium/global-service", "true"}});
  EXPECT_FALSE(a.global);
  EXPECT_TRUE(read_service_annotations({{"io.cilium/global-service", "true"}}).global);
  EXPECT_FALSE(read_service_annotations({{"io.cilium/shared-service", "false"}}).shared);
  EXPECT_EQ(read_service_annotations({{"io.cilium/service-affinity", "remote"}}).affinity, ServiceAffinity::remote);
}

TEST(ServiceAnnotations, true_counts_in_any_case_and_everything_else_is_false) {
  EXPECT_TRUE(read_service_annotations({{"service.cilium.io/global", "TRUE"}}).global);
  for (const char* no : {"yes", "1", "", " true", "truee"})
    EXPECT_FALSE(read_service_annotations({{"service.cilium.io/global", no}}).global) << no;
  EXPECT_FALSE(read_service_annotations({{"service.cilium.io/shared", "nonsense"}}).shared);
}

TEST(ServiceAnnotations, affinity_none_is_known_and_nonsense_is_reported_as_none) {
  const auto none = read_service_annotations({{"service.cilium.io/affinity", "none"}});
  EXPECT_EQ(none.affinity, ServiceAffinity::none);
  EXPECT_TRUE(none.unrecognised.empty());
  const auto odd = read_service_annotations({{"service.cilium.io/affinity", "near"}});
  EXPECT_EQ(odd.affinity, ServiceAffinity::none);
  EXPECT_NE(odd.unrecognised.find("near"), std::string::npos);
}

TEST(ServiceType, dual_stack_global_service_with_two_ports) {
  const auto r = parse_service(parse(R"({"metadata":{"name":"api","namespace":"shop","labels":{"tier":"front"},
    "annotations":{"service.cilium.io/global":"true","service.cilium.io/affinity":"local","service.cilium.io/lb-algorithm":"maglev"}},
    "spec":{"type":"LoadBalancer","clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5","fd00:96:1::5"],"externalIPs":["192.0.2.1"],
      "selector":{"app":"api"},"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":90}},
      "internalTrafficPolicy":"Local","publishNotReadyAddresses":true,"trafficDistribution":"PreferClose",
      "ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP","nodePort":31000,"appProtocol":"http"},
               {"name":"dns","port":53,"protocol":"UDP","targetPort":"dns"}]},
    "status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.9"},{"hostname":"x.example"}]}}})"));
  ASSERT_TRUE(r) << r.error().message;
  const Service& s = **r;
  EXPECT_EQ(s.name.to_string(), "shop/api");
  EXPECT_EQ(s.type, ServiceType::load_balancer);
  ASSERT_EQ(s.cluster_ips.size(), 2u);
  EXPECT_EQ(s.cluster_ips[1].to_string(), "fd00:96:1::5");
  EXPECT_EQ(s.external_ips.size(), 1u);
  ASSERT_EQ(s.load_balancer_ips.size(), 1u);
  ASSERT_EQ(s.ports.size(), 2u);
  EXPECT_EQ(s.ports[0].target_port, "8080");
  EXPECT_EQ(s.ports[0].node_port, 31000);
  EXPECT_EQ(s.ports[1].protocol, Protocol::udp);
  EXPECT_EQ(s.ports[1].target_port, "dns");
  EXPECT_EQ(s.session_affinity_seconds, 90u);
  EXPECT_EQ(s.internal_traffic_policy, TrafficPolicy::local);
  EXPECT_EQ(s.external_traffic_policy, TrafficPolicy::cluster);
  EXPECT_TRUE(s.publish_not_ready_addresses);
  EXPECT_TRUE(s.global && s.shared);
  EXPECT_EQ(s.affinity, ServiceAffinity::local);
  EXPECT_EQ(s.algorithm, LbAlgorithm::maglev);
}

TEST(ServiceType, headless_and_defaults) {
  const auto r = parse_service(parse(R"({"metadata":{"name":"db","namespace":"shop"},
    "spec":{"clusterIP":"None","clusterIPs":["None"],"sessionAffinity":"ClientIP","ports":[{"port":5432}]}})"));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_TRUE((*r)->headless);
  EXPECT_TRUE((*r)->cluster_ips.empty());
  EXPECT_EQ((*r)->ports[0].protocol, Protocol::tcp);
  EXPECT_EQ((*r)->ports[0].target_port, "5432");
  EXPECT_EQ((*r)->session_affinity_seconds, 10800u);
}

TEST(ServiceType, wrong_values_are_refused_with_their_field) {
  const auto ip = parse_service(parse(R"({"metadata":{"name":"a"},"spec":{"clusterIP":"10.0.0.300"}})"));
  ASSERT_FALSE(ip);
  EXPECT_NE(ip.error().message.find("spec.clusterIP"), std::string::npos) << ip.error().message;
  EXPECT_FALSE(parse_service(parse(R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":70000}]}})")));
  EXPECT_FALSE(parse_service(parse(R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":80,"protocol":"ICMP"}]}})")));
  EXPECT_FALSE(parse_service(parse("{}")));
  EXPECT_TRUE(
      parse_service(parse(R"({"metadata":{"name":"a"},"spec":{"ports":"none","selector":[1],"clusterIPs":7}})")));
}

TEST(ServiceType, a_service_of_another_proxy_has_no_row) {
  for (const char* proxy : {"multus", "kube-proxy", ""}) {
    json::object o = parse(R"({"metadata":{"name":"api","namespace":"shop"},"spec":{"clusterIP":"10.96.0.5"}})");
    EXPECT_TRUE(parse_served_service(o)->has_value());
    o["metadata"].as_object()["labels"] = json::object{{"service.kubernetes.io/service-proxy-name", proxy}};
    const auto r = parse_served_service(o);
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_FALSE(r->has_value());
    EXPECT_TRUE(parse_service(o)->has_value()) << "for those who only name it, as DNS does";
  }
}

TEST(EndpointSliceType, absent_conditions_are_ready_and_serving_follows_ready) {
  const auto r = parse_endpoint_slice(parse(R"({"metadata":{"name":"api-1","namespace":"shop",
      "labels":{"kubernetes.io/service-name":"api","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"}},
    "addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"},{"name":"all"}],
    "endpoints":[{"addresses":["10.1.0.1"]},
      {"addresses":["10.1.0.2"],"conditions":{"ready":false}},
      {"addresses":["10.1.0.3"],"conditions":{"ready":false,"serving":true,"terminating":true},"nodeName":"n1","zone":"z1",
       "hostname":"db-0","hints":{"forZones":[{"name":"z2"}],"forNodes":[{"name":"n1"}]}}]})"));
  ASSERT_TRUE(r) << r.error().message;
  const EndpointSlice& s = **r;
  EXPECT_EQ(s.service, "api");
  ASSERT_EQ(s.ports.size(), 1u);
  ASSERT_EQ(s.endpoints.size(), 3u);
  EXPECT_TRUE(s.endpoints[0].ready && s.endpoints[0].serving && !s.endpoints[0].terminating);
  EXPECT_FALSE(s.endpoints[1].ready || s.endpoints[1].serving);
  EXPECT_TRUE(!s.endpoints[2].ready && s.endpoints[2].serving && s.endpoints[2].terminating);
  EXPECT_EQ(s.endpoints[2].for_zones, std::vector<std::string>{"z2"});
  EXPECT_EQ(s.endpoints[2].for_nodes, std::vector<std::string>{"n1"});
  EXPECT_TRUE(s.endpoints[0].for_zones.empty() && s.endpoints[0].for_nodes.empty());
}

TEST(EndpointSliceType, names_and_orphans_have_no_row_and_mixed_families_are_refused) {
  const auto fqdn = parse_endpoint_slice(
      parse(R"({"metadata":{"name":"a","labels":{"kubernetes.io/service-name":"x"}},"addressType":"FQDN"})"));
  EXPECT_TRUE(fqdn && !*fqdn);
  const auto orphan = parse_endpoint_slice(parse(R"({"metadata":{"name":"a"},"addressType":"IPv4"})"));
  EXPECT_TRUE(orphan && !*orphan);
  EXPECT_FALSE(parse_endpoint_slice(parse(R"({"metadata":{"name":"a","labels":{"kubernetes.io/service-name":"x"}},
    "addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]}]})")));
}

TEST(PodType, small_row_with_what_identity_and_endpoints_need) {
  const auto r = parse_pod(parse(R"({"metadata":{"name":"cart-1","namespace":"shop","uid":"u1","labels":{"app":"cart"},
      "deletionTimestamp":"2026-01-01T00:00:00Z"},
    "spec":{"nodeName":"n1","serviceAccountName":"carter","containers":[{"ports":[{"name":"http","containerPort":8080}]}],
      "initContainers":[{"restartPolicy":"Always","ports":[{"name":"side","containerPort":9,"protocol":"UDP"}]},{"ports":[{"containerPort":1}]}]},
    "status":{"phase":"Running","podIP":"10.1.0.7","podIPs":[{"ip":"10.1.0.7"},{"ip":"fd00:1::7"}],"hostIP":"172.18.1.11",
      "conditions":[{"type":"Ready","status":"True"}]}})"));
  ASSERT_TRUE(r) << r.error().message;
  const Pod& p = **r;
  EXPECT_EQ(p.service_account, "carter");
  EXPECT_EQ(p.ips.size(), 2u);
  ASSERT_EQ(p.host_ips.size(), 1u);
  ASSERT_EQ(p.ports.size(), 2u);
  EXPECT_EQ(p.ports[1].protocol, Protocol::udp);
  EXPECT_TRUE(p.ready && p.deleting && !p.host_network && !p.finished());
}

TEST(CoreNodeType, addresses_pod_cidrs_and_readiness) {
  const auto r = parse_core_node(parse(R"({"metadata":{"name":"n1","labels":{"zone":"z1"}},
    "spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24","fd00:1::/64"],"unschedulable":true},
    "status":{"addresses":[{"type":"InternalIP","address":"172.18.1.11"},{"type":"Hostname","address":"n1"},{"type":"Odd","address":"x"}],
      "conditions":[{"type":"Ready","status":"Unknown"}],"nodeInfo":{"bootID":"b"}}})"));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ((*r)->pod_cidrs.size(), 2u);
  EXPECT_EQ((*r)->addresses.size(), 2u);
  EXPECT_EQ((*r)->boot_id, "b");
  EXPECT_TRUE((*r)->unschedulable && !(*r)->ready);
  EXPECT_FALSE(parse_core_node(parse(R"({"metadata":{"name":"n1"},"spec":{"podCIDRs":["10.1.0.0/40"]}})")));
}

TEST(CoreNodeType, a_kubelet_that_ends_its_pods_for_a_reboot_says_so_in_words) {
  const auto shutting_down = [](const char* status, const char* message) {
    const std::string text = fmt::format(
        R"({{"metadata":{{"name":"n1"}},"status":{{"conditions":[{{"type":"DiskPressure","status":"False"}},
        {{"type":"Ready","status":"{}","reason":"KubeletNotReady","message":"{}"}}]}}}})",
        status, message);
    const auto r = parse_core_node(parse(text.c_str()));
    return r && (*r)->shutting_down;
  };
  EXPECT_TRUE(shutting_down("False", "node is shutting down"));
  EXPECT_TRUE(shutting_down("False", "[container runtime is down, node is shutting down]"));
  EXPECT_FALSE(shutting_down("False", "container runtime is down"));
  EXPECT_FALSE(shutting_down("True", "kubelet is posting ready status"));
  EXPECT_FALSE(shutting_down("Unknown", "Kubelet stopped posting node status."));
}

TEST(CiliumNodeType, round_trip_keeps_everything_the_mesh_needs) {
  const auto object = parse(R"({"apiVersion":"cilium.io/v2","kind":"CiliumNode",
    "metadata":{"name":"node-1","labels":{"rack":"rack-01"},"annotations":{"network.cilium.io/wg-pub-key":"abc="}},
    "spec":{"addresses":[{"type":"InternalIP","ip":"172.18.1.11"},{"type":"CiliumInternalIP","ip":"fd00:1::5"}],
      "health":{"ipv4":"10.1.0.77","ipv6":"fd00:1::77"},"ingress":{},"ipam":{"podCIDRs":["10.1.0.0/24","fd00:1::/64","10.1.9.0/24"]},
      "bootid":"2f1c","encryption":{"key":3}}})");
  const auto r = parse_cilium_node(object, {"cluster1", 1});
  ASSERT_TRUE(r) << r.error().message;
  const Node& n = **r;
  EXPECT_EQ(n.key().to_string(), "cluster1/node-1");
  EXPECT_EQ(n.cluster_id, 1u);
  EXPECT_EQ(n.source, "custom-resource");
  EXPECT_EQ(n.pod_cidrs.size(), 3u);
  EXPECT_EQ(n.health_v6->to_string(), "fd00:1::77");
  EXPECT_FALSE(n.ingress_v4);
  EXPECT_EQ(n.encryption_key, 3);
  EXPECT_EQ(n.wireguard_key, "abc=");
  EXPECT_EQ(json::value(to_cilium_node(n)), json::value(object));
  EXPECT_FALSE(parse_cilium_node(
      parse(R"({"metadata":{"name":"n"},"spec":{"addresses":[{"type":"InternalIP","ip":"nonsense"}]}})"), {}));
}

TEST(CiliumEndpointType, round_trip_and_dual_stack_pairs) {
  CiliumEndpoint e;
  e.name = {"shop", "api-1"};
  e.pod_uid = "pod-uid";
  e.endpoint_id = 7;
  e.identity = 65601;
  e.identity_labels = {"k8s:app=api"};
  e.addresses = {*Address::parse("10.1.0.21"), *Address::parse("fd00:1::21")};
  e.node = Address::parse("172.18.1.11").value();
  e.container_id = "abc";
  e.service_account = "default";
  e.state = "ready";
  e.named_ports = {{"http", Protocol::tcp, 8080}};
  e.labels = {{"app", "api"}};
  const auto object = to_cilium_endpoint(e);
  EXPECT_EQ(json::serialize(object.at("status").at("networking")),
            R"({"addressing":[{"ipv4":"10.1.0.21","ipv6":"fd00:1::21"}],"node":"172.18.1.11"})");
  EXPECT_EQ(json::serialize(object.at("metadata").at("ownerReferences")),
            R"([{"apiVersion":"v1","kind":"Pod","name":"api-1","uid":"pod-uid","blockOwnerDeletion":false}])");
  const auto back = parse_cilium_endpoint(object);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(**back, e);
}

TEST(CiliumIdentityType, number_is_the_name_and_labels_keep_their_source) {
  const Identity id{65601,
                    {{"k8s:app", "api"},
                     {"k8s:io.kubernetes.pod.namespace", "shop"},
                     {"k8s:io.cilium.k8s.policy.cluster", "cluster1"}},
                    "cluster1"};
  const auto object = to_cilium_identity(id);
  EXPECT_EQ(json::serialize(object.at("metadata").at("labels")),
            R"({"app":"api","io.kubernetes.pod.namespace":"shop"})");
  const auto back = parse_cilium_identity(object, {"cluster1", 1});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(**back, id);
  EXPECT_FALSE(parse_cilium_identity(parse(R"({"metadata":{"name":"x12"},"security-labels":{"k8s:a":"b"}})"), {}));
  EXPECT_FALSE(parse_cilium_identity(parse(R"({"metadata":{"name":"12"}})"), {}));
}

}  // namespace
}  // namespace weft::kube
