#include "apps/cli/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apps/cli/tests/objects.h"
#include "base/encoding.h"
#include "lab/pki/pki.h"

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string pem(const char* body) {
  return std::string("-----BEGIN CERTIFICATE-----\n") + body + "\n-----END CERTIFICATE-----\n";
}

AccessInfo side(int n) {
  AccessInfo a;
  a.context = fmt::format("ctx{}", n);
  a.cluster = fmt::format("cluster{}", n);
  a.id = static_cast<ClusterId>(n);
  a.service_type = "NodePort";
  a.ips = {fmt::format("172.18.{}.11", n)};
  a.port = 32379;
  a.ca = pem("cGVt");
  a.ca_key_id = "aa";
  a.routing = "native";
  a.pod_cidrs = {{fmt::format("n{}", n), *Prefix::parse(fmt::format("10.{}.0.0/24", n))},
                 {fmt::format("n{}", n), *Prefix::parse(fmt::format("fd00:{}::/64", n))}};
  return a;
}

TEST(Refusals, two_good_clusters_have_none) { EXPECT_THAT(refusals(side(1), side(2), false), IsEmpty()); }

TEST(Refusals, equal_names) {
  auto b = side(2);
  b.cluster = "cluster1";
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre("ctx1 and ctx2 have the same cluster.name \"cluster1\"; rename one (weft upgrade "
                          "--context ctx2 --set cluster.name=NAME) and restart its workloads"));
}

TEST(Refusals, equal_ids) {
  auto b = side(2);
  b.id = 1;
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre("ctx1 and ctx2 have the same cluster.id 1; give one another number from 1 to 255 (weft "
                          "upgrade --context ctx2 --set cluster.id=N) and restart its workloads"));
}

TEST(Refusals, an_id_of_zero_or_out_of_range_names_both_sides) {
  auto b = side(2);
  b.id = 0;
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre("connecting ctx1 to ctx2: ctx2 has cluster.id 0, which means no mesh; give it a number "
                          "from 1 to 255 other than 1 (weft upgrade --context ctx2 --set cluster.id=N)"));
  b.id = 256;
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre("connecting ctx1 to ctx2: ctx2: cluster.id 256 is out of range: use 1 to 255 (weft "
                          "upgrade --context ctx2 --set cluster.id=N)"));
}

TEST(Refusals, a_name_against_the_rule) {
  auto b = side(2);
  b.cluster = "West_1";
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr("connecting ctx1 to ctx2: ctx2: cluster.name \"West_1\" is not allowed")));
  b.cluster = "default";
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr("cluster.name \"default\" cannot be used with cluster.id 2")));
}

TEST(Refusals, different_maximum_of_clusters) {
  auto b = side(2);
  b.max_connected_clusters = 511;
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr("ctx1 and ctx2 differ in clustermesh.maxConnectedClusters, 255 and 511")));
}

TEST(Refusals, another_authority_unless_allowed) {
  auto b = side(2);
  b.ca_key_id = "bb";
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr("ctx1 and ctx2 have different certificate authorities, key ids aa and bb")));
  EXPECT_THAT(refusals(side(1), b, true), IsEmpty());
}

TEST(Refusals, overlapping_pod_cidrs_of_either_family) {
  auto b = side(2);
  b.pod_cidrs = {{"m1", *Prefix::parse("10.1.0.128/25")}};
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr(
                  "10.1.0.0/24 of node n1 in ctx1 and 10.1.0.128/25 of node m1 in ctx2; a pod address must mean one "
                  "pod: give one cluster another range (kube-controller-manager --cluster-cidr")));
  b.pod_cidrs = {{"m1", *Prefix::parse("10.3.0.0/24")}, {"m2", *Prefix::parse("fd00::/16")}};
  EXPECT_THAT(refusals(side(1), b, false),
              ElementsAre(HasSubstr("fd00:1::/64 of node n1 in ctx1 and fd00::/16 of node m2 in ctx2")));
  b.pod_cidrs = {{"m1", *Prefix::parse("10.1.0.0/24")}};
  EXPECT_THAT(refusals(side(1), b, false), ElementsAre(HasSubstr("overlapping pod CIDRs")));
}

TEST(Refusals, all_of_them_come_at_once) {
  auto b = side(1);
  b.context = "ctx2";
  b.ca_key_id = "bb";
  EXPECT_EQ(refusals(side(1), b, false).size(), 4u);  // name, id, authority, CIDRs
}

TEST(Refusals, different_routing_is_a_remark) {
  auto b = side(2);
  EXPECT_THAT(remarks(side(1), b), IsEmpty());
  b.routing = "tunnel";
  EXPECT_THAT(remarks(side(1), b), ElementsAre(HasSubstr("use the same routingMode in both")));
}

AccessInfo tunnelling(int n) {
  auto a = side(n);
  a.routing = "tunnel";
  a.underlay = "auto";
  a.tunnel_port = 8472;
  return a;
}

TEST(Refusals, tunnels_of_different_ports_would_not_meet) {
  auto a = tunnelling(1), b = tunnelling(2);
  EXPECT_THAT(refusals(a, b, false), IsEmpty());
  b.tunnel_port = 4789;
  EXPECT_THAT(refusals(a, b, false),
              ElementsAre("ctx1 and ctx2 differ in tunnelPort, 8472 and 4789: neither would receive the other's "
                          "packets; give both the same (weft upgrade --context ctx2 --set tunnelPort=8472)"));
  b.tunnel_port = 0;
  EXPECT_THAT(refusals(a, b, false), IsEmpty()) << "an older Weft does not say";
  b.tunnel_port = 4789;
  a.routing = b.routing = "native";
  EXPECT_THAT(refusals(a, b, false), IsEmpty()) << "no tunnel, no port";
}

TEST(Refusals, tunnels_over_different_families_would_not_meet) {
  auto a = tunnelling(1), b = tunnelling(2);
  a.underlay = "ipv6";
  b.underlay = "ipv4";
  EXPECT_THAT(refusals(a, b, false),
              ElementsAre(HasSubstr("ctx1 and ctx2 differ in underlayProtocol, ipv6 and ipv4: neither would receive")));
  EXPECT_THAT(remarks(a, b), IsEmpty()) << "said once";
  b.underlay = "ipv6";
  EXPECT_THAT(refusals(a, b, false), IsEmpty());
  EXPECT_THAT(remarks(a, b), IsEmpty());
  b.underlay = "";
  EXPECT_THAT(refusals(a, b, false), IsEmpty()) << "an older Weft does not say";
  a.underlay = "auto";
  EXPECT_THAT(remarks(a, b), IsEmpty());
}

TEST(Refusals, a_family_by_rule_and_one_by_name_are_a_remark) {
  auto a = tunnelling(1), b = tunnelling(2);
  EXPECT_THAT(remarks(a, b), IsEmpty());
  b.underlay = "ipv6";
  EXPECT_THAT(refusals(a, b, false), IsEmpty()) << "the same where no node has IPv4";
  EXPECT_THAT(remarks(a, b), ElementsAre(HasSubstr("ctx1 has underlayProtocol auto, ctx2 has ipv6")));
  a.routing = b.routing = "native";
  EXPECT_THAT(remarks(a, b), IsEmpty());
}

TEST(ConnectValues, connecting_twice_is_connecting_once_and_disconnecting_undoes_it) {
  const auto before = obj(R"({"cluster": {"name": "cluster1", "id": 1}})");
  const auto once = connected_values(before, side(2));
  EXPECT_EQ(once,
            obj(R"({"cluster": {"name": "cluster1", "id": 1}, "clustermesh": {"config": {"enabled": true, "clusters":
      [{"name": "cluster2", "ips": ["172.18.2.11"], "port": 32379}]}}})"));
  EXPECT_EQ(connected_values(once, side(2)), once);
  EXPECT_EQ(
      disconnected_values(once, "cluster2"),
      obj(R"({"cluster": {"name": "cluster1", "id": 1}, "clustermesh": {"config": {"enabled": false, "clusters": []}}})"));
}

TEST(ConnectValues, a_load_balancers_name_goes_with_the_name_that_the_certificate_has) {
  auto remote = side(2);
  remote.ips.clear();
  remote.address = "a1b2.elb.example";
  auto v = connected_values(obj(R"({"clustermesh": {"config": {"domain": "mesh.example"}}})"), remote);
  EXPECT_EQ(*at_path(v, "clustermesh.config.clusters"),
            json::parse(R"([{"name": "cluster2", "address": "a1b2.elb.example", "serverName": "cluster2.mesh.example",
                             "port": 32379}])"));
  v = connected_values({}, remote);
  EXPECT_EQ(mesh_clusters(v)->at(0).server_name, "cluster2.mesh.cilium.io");
}

std::string bundle(const json::object& v) {
  const auto* content = at_path(v, "tls.caBundle.content");
  return content ? std::string(content->as_string()) : "none";
}

TEST(ConnectValues, a_foreign_authority_joins_the_bundle_once_and_leaves_with_the_last_cluster_that_needs_it) {
  auto v = trusting_values({}, side(2));
  EXPECT_THAT(bundle(v), HasSubstr(pem("cGVt")));
  auto third = side(3);
  third.ca = pem("b3RoZXI=");
  v = trusting_values(trusting_values(std::move(v), third), side(2));
  v = trusting_values(std::move(v), side(4));  // of the same authority as cluster2
  EXPECT_EQ(bundle(v), "# Trusted for connected cluster cluster2\n# Trusted for connected cluster cluster4\n" +
                           pem("cGVt") + "# Trusted for connected cluster cluster3\n" + pem("b3RoZXI="));
  EXPECT_TRUE(at_path(v, "tls.caBundle.enabled")->as_bool());

  v = distrusting_values(std::move(v), "cluster2");
  EXPECT_THAT(bundle(v), HasSubstr(pem("cGVt"))) << "cluster4 has it too";
  v = distrusting_values(std::move(v), "cluster4");
  EXPECT_EQ(bundle(v), "# Trusted for connected cluster cluster3\n" + pem("b3RoZXI="));
  EXPECT_TRUE(at_path(v, "tls.caBundle.enabled")->as_bool());
  v = distrusting_values(std::move(v), "cluster3");
  EXPECT_EQ(bundle(v), "");
  EXPECT_FALSE(at_path(v, "tls.caBundle.enabled")->as_bool());
}

TEST(ConnectValues, disconnecting_leaves_values_alone_that_connect_did_not_write) {
  const auto v = obj(R"({"tls": {"caBundle": {"enabled": true, "content": "PEM by hand"}}})");
  EXPECT_EQ(distrusting_values(v, "cluster2"), v);
  EXPECT_EQ(distrusting_values({}, "cluster2"), json::object());
}

TEST(ConnectValues, know_whom_they_connect_to) {
  const auto v = connected_values({}, side(2));
  EXPECT_TRUE(knows(v, "cluster2"));
  EXPECT_FALSE(knows(v, "cluster3"));
  EXPECT_FALSE(knows(disconnected_values(v, "cluster2"), "cluster2"));
}

TEST(ConnectValues, who_connects_one_way_stays_a_reader_of_the_other) {
  // connect --connection-mode unicast: 1 => 2.
  auto one = connected_values({}, side(2));
  auto two = letting_read({}, "cluster2", "cluster1", &one);
  EXPECT_TRUE(has_reader(two, "cluster1"));
  EXPECT_EQ(letting_read(one, "cluster1", "cluster2", &two), one) << "cluster2 does not connect to cluster1";
  EXPECT_EQ(letting_read(two, "cluster2", "cluster1", &one), two);

  // Now both ways: who is connected to needs no word beside that.
  two = letting_read(connected_values(std::move(two), side(1)), "cluster2", "cluster1", &one);
  EXPECT_FALSE(has_reader(two, "cluster1"));

  // disconnect --connection-mode unicast: 1 x> 2, and 2 goes on reading 1.
  one = letting_read(disconnected_values(std::move(one), "cluster2"), "cluster1", "cluster2", &two);
  EXPECT_TRUE(has_reader(one, "cluster2"));
  EXPECT_TRUE(may_read(one, "cluster2"));
  two = letting_read(std::move(two), "cluster2", "cluster1", &one);
  EXPECT_FALSE(has_reader(two, "cluster1"));

  // And 2 x> 1, or 2 is gone for good.
  EXPECT_FALSE(has_reader(letting_read(one, "cluster1", "cluster2", nullptr), "cluster2"));
  two = disconnected_values(std::move(two), "cluster1");
  one = letting_read(std::move(one), "cluster1", "cluster2", &two);
  EXPECT_FALSE(may_read(one, "cluster2"));
  EXPECT_EQ(*at_path(one, "clustermesh.config.readers"), json::array());
}

TEST(ConnectValues, readers_written_by_hand_stay) {
  const auto v = obj(R"({"clustermesh": {"config": {"readers": ["north"]}}})");
  EXPECT_EQ(with_reader(with_reader(v, "west", true), "west", false), v);
  EXPECT_EQ(*at_path(with_reader(v, "west", true), "clustermesh.config.readers"), json::parse(R"(["north", "west"])"));
}

TEST(ConnectValues, modes_decide_who_gets_to_know_whom) {
  using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;
  EXPECT_EQ(connections(3, ConnectionMode::bidirectional), (Pairs{{0, 1}, {1, 0}, {0, 2}, {2, 0}}));
  EXPECT_EQ(connections(3, ConnectionMode::unicast), (Pairs{{0, 1}, {0, 2}}));
  EXPECT_EQ(connections(3, ConnectionMode::mesh), (Pairs{{0, 1}, {1, 0}, {0, 2}, {2, 0}, {1, 2}, {2, 1}}));
}

// ---- access information

ClusterObjects objects() {
  static const std::string ca = lab::make_ca("test")->cert;
  ClusterObjects o;
  o.context = "ctx1";
  o.config = obj(
      R"({"data": {"cluster-name": "cluster1", "cluster-id": "7", "max-connected-clusters": "511", "routing-mode": "tunnel", "underlay-protocol": "ipv6", "tunnel-port": "4789"}})");
  o.service = obj(R"({"spec": {"type": "NodePort", "ports": [{"port": 2379, "nodePort": 32379}]}})");
  o.ca = json::object{{"data", json::object{{"ca.crt", base64_encode(ca)}}}};
  o.nodes = {
      obj(R"({"metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.1.0.0/24", "fd00:1::/64"]}, "status": {"addresses":
      [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "2001:db8::1"}]}})"),
      obj(R"({"metadata": {"name": "n2"}, "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]}})")};
  o.mesh_pods = {obj(R"({"spec": {"nodeName": "n2"}})")};
  return o;
}

TEST(Access, node_ports_are_reached_at_every_node_the_one_that_runs_the_store_first) {
  const auto a = access_info(objects());
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_THAT(a->ips, ElementsAre("192.0.2.2", "192.0.2.1", "2001:db8::1"));
  EXPECT_THAT(a->endpoints(), ElementsAre("192.0.2.2:32379", "192.0.2.1:32379", "[2001:db8::1]:32379"));
  EXPECT_EQ(a->cluster, "cluster1");
  EXPECT_EQ(a->id, 7u);
  EXPECT_EQ(a->max_connected_clusters, 511u);
  EXPECT_EQ(a->ca_key_id.size(), 40u);
  EXPECT_EQ(a->routing, "tunnel");
  EXPECT_EQ(a->underlay, "ipv6");
  EXPECT_EQ(a->tunnel_port, 4789);
  ASSERT_EQ(a->pod_cidrs.size(), 2u);
  EXPECT_EQ(a->pod_cidrs[1].prefix, *Prefix::parse("fd00:1::/64"));
}

TEST(Access, families_that_are_off_are_left_out) {
  auto o = objects();
  o.config = obj(R"({"data": {"cluster-name": "cluster1", "cluster-id": "7", "enable-ipv6": "false"}})");
  EXPECT_THAT(access_info(o)->ips, ElementsAre("192.0.2.2", "192.0.2.1"));
}

TEST(Access, a_load_balancer_is_reached_at_its_addresses_or_name) {
  auto o = objects();
  o.service = obj(R"({"spec": {"type": "LoadBalancer", "ports": [{"port": 2379, "nodePort": 31000}]}})");
  EXPECT_EQ(access_info(o).error().code, Errc::unavailable);
  o.service = obj(
      R"({"spec": {"type": "LoadBalancer", "ports": [{"port": 2379}]}, "status": {"loadBalancer": {"ingress": [{"hostname": "x.example"}]}}})");
  EXPECT_THAT(access_info(o)->endpoints(), ElementsAre("x.example:2379"));
  o.service = obj(
      R"({"spec": {"type": "LoadBalancer", "ports": [{"port": 2379}]}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}})");
  EXPECT_THAT(access_info(o)->endpoints(), ElementsAre("203.0.113.5:2379"));
}

TEST(Access, what_is_missing_is_named_with_the_command_that_mends) {
  const auto message = [](const ClusterObjects& o) { return access_info(o).error().message; };
  auto o = objects();
  o.ca.reset();
  EXPECT_THAT(message(o), HasSubstr("no Secret cilium-ca"));
  o.ca = obj(R"({"data": {"ca.crt": "bm90IGEgY2VydA=="}})");
  EXPECT_EQ(message(o), "ctx1: Secret cilium-ca: ca.crt: not a PEM certificate");
  o.service = obj(R"({"spec": {"type": "ClusterIP", "ports": [{"port": 2379}]}})");
  EXPECT_THAT(message(o), HasSubstr("of type ClusterIP, which other clusters cannot reach"));
  o.service.reset();
  EXPECT_THAT(message(o), HasSubstr("run weft clustermesh enable --context ctx1"));
  o.config.reset();
  EXPECT_THAT(message(o), HasSubstr("run weft install --context ctx1"));
}

TEST(Access, endpoints_may_be_given_by_hand) {
  auto a = *access_info(objects());
  EXPECT_TRUE(override_endpoints(a, {}, "--source-endpoint"));
  EXPECT_EQ(a.port, 32379);
  EXPECT_TRUE(override_endpoints(a, {"198.51.100.1:2379", "[2001:db8::5]:2379"}, "--source-endpoint"));
  EXPECT_THAT(a.endpoints(), ElementsAre("198.51.100.1:2379", "[2001:db8::5]:2379"));
  EXPECT_THAT(override_endpoints(a, {"nonsense"}, "--source-endpoint").error().message,
              HasSubstr("--source-endpoint nonsense: use address:port"));
  EXPECT_THAT(override_endpoints(a, {"192.0.2.1:1", "192.0.2.2:2"}, "--source-endpoint").error().message,
              HasSubstr("port 2 differs from 1"));
}

TEST(Access, load_balancers_are_noticed_by_cloud_or_by_a_service_that_has_an_address) {
  EXPECT_EQ(load_balancers_at_hand({obj(R"({"spec": {}})")}, {}), std::nullopt);
  EXPECT_EQ(load_balancers_at_hand({obj(R"({"spec": {"providerID": "aws:///eu/i-1"}})")}, {}), "nodes are AWS's");
  const auto mine = obj(
      R"({"metadata": {"namespace": "shop", "name": "web"}, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}})");
  EXPECT_EQ(load_balancers_at_hand({}, {mine}), "Service shop/web has got one");
  const auto pending = obj(
      R"({"metadata": {"namespace": "shop", "name": "web"}, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}})");
  EXPECT_EQ(load_balancers_at_hand({}, {pending}), std::nullopt);
}

TEST(Access, a_load_balancer_waits_where_nobody_gives_addresses_unless_it_has_one_already) {
  auto store = obj(R"({"metadata": {"namespace": "kube-system", "name": "clustermesh-apiserver"},
                       "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}})");
  EXPECT_TRUE(load_balancer_would_wait({}, {}));
  EXPECT_TRUE(load_balancer_would_wait({obj(R"({"spec": {}})")}, {store}));
  EXPECT_FALSE(load_balancer_would_wait({obj(R"({"spec": {"providerID": "gce://p/z/i"}})")}, {store}));
  store["status"] = obj(R"({"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}})");
  EXPECT_FALSE(load_balancer_would_wait({}, {store})) << "however it came by it";
}

}  // namespace
}  // namespace weft::cli
