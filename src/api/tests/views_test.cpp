#include "api/views.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace weft::api {
namespace {

SocketAddress at(const char* text) { return *SocketAddress::parse(text); }

Frontend cart() {
  Frontend f;
  f.address = {at("10.96.3.7:80"), Protocol::tcp};
  f.service = {"shop", "cart"};
  f.port_name = "http";
  f.global = true;
  f.affinity = ServiceAffinity::local;
  f.backends = {{.address = at("10.1.0.5:8080"), .node = "n1", .zone = "a"},
                {.address = at("10.2.0.9:8080"),
                 .state = BackendState::terminating,
                 .cluster_id = 2,
                 .cluster = "cluster2",
                 .preferred = false,
                 .held_back = "affinity local: 1 local backend is active"}};
  return f;
}

TEST(Views, a_frontend_shows_its_backends_with_cluster_and_the_reason_they_are_held_back) {
  asio::io_context io;
  Table<Frontend> table(io, "frontends");
  table.upsert(cart());
  const auto v = services_view(table, [](const FrontendKey&) { return Programmed{7, ""}; }, "cluster1");
  EXPECT_EQ(json::value(v), json::parse(R"([{
    "id": 7, "state": "programmed", "reason": "", "frontend": "10.96.3.7:80/TCP", "type": "ClusterIP", "namespace": "shop", "name": "cart", "portName": "http",
    "global": true, "affinity": "local", "algorithm": "random", "sessionAffinitySeconds": 0,
    "backends": [
      {"address": "10.1.0.5:8080", "state": "active", "cluster": "cluster1", "local": true, "node": "n1", "zone": "a",
       "preferred": true, "heldBack": ""},
      {"address": "10.2.0.9:8080", "state": "terminating", "cluster": "cluster2", "local": false, "node": "", "zone": "",
       "preferred": false, "heldBack": "affinity local: 1 local backend is active"}]}])"));
}

TEST(Views, a_frontend_unknown_to_the_datapath_has_id_zero_and_says_why) {
  asio::io_context io;
  Table<Frontend> table(io, "frontends");
  table.upsert(cart());
  const auto soon = services_view(table, {}, "c").at(0);
  EXPECT_EQ(soon.at("id").as_uint64(), 0u);
  EXPECT_EQ(soon.at("state").as_string(), "pending");
  const auto never =
      services_view(table, [](const FrontendKey&) { return Programmed{0, "map lb_frontends is full"}; }, "c").at(0);
  EXPECT_EQ(never.at("state").as_string(), "error");
  EXPECT_EQ(never.at("reason").as_string(), "map lb_frontends is full");
}

TEST(Views, a_frontend_that_is_asked_for_in_vain_stands_in_its_place_with_the_reason) {
  asio::io_context io;
  Table<Frontend> table(io, "frontends");
  table.upsert(cart());
  Unserved twin{cart(), "10.96.3.7:80/TCP is the ClusterIP of Service shop/cart"};
  twin.frontend.service = {"apps", "thief"};
  Unserved first{cart(), "protocol SCTP is not translated"};
  first.frontend.address.address = at("10.96.0.1:5000");
  const auto v = services_view(table, [](const FrontendKey&) { return Programmed{7, ""}; }, "c", {twin, first});
  ASSERT_EQ(v.size(), 3u);
  EXPECT_EQ(v.at(0).at("frontend").as_string(), "10.96.0.1:5000/TCP");
  EXPECT_EQ(v.at(0).at("state").as_string(), "error");
  EXPECT_EQ(v.at(0).at("reason").as_string(), "protocol SCTP is not translated");
  EXPECT_EQ(v.at(1).at("name").as_string(), "cart");
  EXPECT_EQ(v.at(1).at("state").as_string(), "programmed");
  EXPECT_EQ(v.at(2).at("namespace").as_string(), "apps");
  EXPECT_EQ(v.at(2).at("id").as_uint64(), 0u);
  EXPECT_EQ(v.at(2).at("reason").as_string(), twin.why);
}

TEST(Views, a_node_shows_addresses_and_pod_cidrs_of_both_families) {
  Node n;
  n.cluster = "cluster2";
  n.cluster_id = 2;
  n.name = "cluster2-node1";
  n.addresses = {{NodeAddressType::internal_ip, "172.18.2.11"}, {NodeAddressType::cilium_internal_ip, "fd00:2::1"}};
  n.pod_cidrs = {*Prefix::parse("10.2.0.0/24"), *Prefix::parse("fd00:2::/64")};
  n.health_v6 = *Address::parse("fd00:2::2");
  n.labels = {{"a", "b"}};
  n.source = "clustermesh";
  EXPECT_EQ(json::value(view(n)), json::parse(R"({"cluster": "cluster2", "clusterId": 2, "name": "cluster2-node1",
    "addresses": [{"type": "InternalIP", "ip": "172.18.2.11"}, {"type": "CiliumInternalIP", "ip": "fd00:2::1"}],
    "podCIDRs": ["10.2.0.0/24", "fd00:2::/64"], "healthIPs": ["fd00:2::2"], "encryptionKey": 0, "labels": {"a": "b"},
    "source": "clustermesh"})"));
}

TEST(Views, identities_below_256_are_reserved) {
  Identity host;
  host.id = kIdentityHost;
  host.labels = {{"reserved:host", ""}};
  EXPECT_TRUE(view(host).at("reserved").as_bool());
  Identity pod;
  pod.id = (1u << 16) + 256;
  EXPECT_FALSE(view(pod).at("reserved").as_bool());
}

TEST(Views, endpoints_and_map_entries) {
  EndpointInfo e;
  e.id = 12;
  e.pod = {"shop", "cart-1"};
  e.addresses = {*Address::parse("10.1.0.5"), *Address::parse("fd00:1::5")};
  e.identity = 65792;
  e.state = "waiting-for-identity";
  e.why = "the Pod object was not seen yet";
  EXPECT_EQ(view(e).at("addresses"), (json::value{"10.1.0.5", "fd00:1::5"}));
  EXPECT_EQ(view(e).at("pod").as_string(), "cart-1");
  EXPECT_EQ(view(e).at("why").as_string(), "the Pod object was not seen yet");
  LbMapEntry m;
  m.frontend = {at("[fd00:96:1::7]:80"), Protocol::udp};
  m.id = 3;
  m.backends = {{41, at("[fd00:1::5]:8080"), "active"}};
  EXPECT_EQ(json::value(view(m)), json::parse(R"({"frontend": "[fd00:96:1::7]:80/UDP", "id": 3, "flags": "",
    "backends": [{"slot": 1, "backendId": 41, "address": "[fd00:1::5]:8080", "state": "active"}]})"));
}

}  // namespace
}  // namespace weft::api
