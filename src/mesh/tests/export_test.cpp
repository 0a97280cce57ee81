// The exporter over the objects of tests/golden/objects.yaml must write what tests/golden/keys.json holds.
#include "mesh/export.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "kube/types/cilium.h"
#include "kube/types/endpoint_slice.h"
#include "kube/types/service.h"
#include "manifest/manifest.h"
#include "mesh/values/codec.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

std::string file(const std::string& name) {
  std::ifstream in(WEFT_GOLDEN_DIR "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const LocalCluster kLocal{"cluster1", 1, 255};

// What an API server and `kubectl apply` add to the manifests: the namespace's default address family, the status that
// an agent writes, and the annotation with the object as applied.
std::map<std::string, std::string> exported() {
  std::map<std::string, std::string> out;
  std::map<ObjectName, Service> services;
  std::map<ObjectName, std::vector<std::shared_ptr<const EndpointSlice>>> slices;
  auto objects = parse_manifest(file("objects.yaml"));
  if (!objects) {
    ADD_FAILURE() << objects.error().message;
    return out;
  }
  for (auto& value : *objects) {
    auto& o = value.as_object();
    const std::string kind = o.at("kind").as_string().c_str();
    if (kind == "CiliumNode") {
      const auto node = kube::parse_cilium_node(o, {"cluster1", 1});
      EXPECT_TRUE(node && *node) << (node ? "" : node.error().message);
      out[data_prefix(Kind::nodes, "cluster1") + (*node)->name] = encode_node(export_node(**node, kLocal));
    } else if (kind == "CiliumIdentity") {
      const auto id = kube::parse_cilium_identity(o, {"cluster1", 1});
      EXPECT_TRUE(id && *id);
      out[data_prefix(Kind::identities, "cluster1") + std::to_string((*id)->id)] = encode_identity((*id)->labels);
    } else if (kind == "CiliumEndpoint") {
      o["status"] = boost::json::parse(R"({"identity":{"id":65601},"networking":{"node":"172.18.1.11",
        "addressing":[{"ipv4":"10.1.0.21","ipv6":"fd00:1::21"}]},"encryption":{"key":0}})");
      const auto endpoint = kube::parse_cilium_endpoint(o);
      EXPECT_TRUE(endpoint && *endpoint) << (endpoint ? "" : endpoint.error().message);
      for (const auto& row : export_endpoint(**endpoint, kLocal))
        out[data_prefix(Kind::ip, "cluster1") + ip_key(row.prefix)] = encode_ip(row);
    } else if (kind == "Service") {
      const auto service = kube::parse_service(o);
      EXPECT_TRUE(service && *service) << (service ? "" : service.error().message);
      services[(*service)->name] = **service;
    } else if (kind == "EndpointSlice") {
      const auto slice = kube::parse_endpoint_slice(o);
      EXPECT_TRUE(slice && *slice) << (slice ? "" : slice.error().message);
      slices[{(*slice)->name.ns, (*slice)->service}].push_back(std::make_shared<const EndpointSlice>(**slice));
    }
  }
  for (const auto& [name, service] : services)
    if (const auto s = export_service(service, slices[name], kLocal))
      out[data_prefix(Kind::services, "cluster1") + name.to_string()] = encode_service(*s);
  return out;
}

boost::json::value parsed(const std::string& text) { return boost::json::parse(text); }

TEST(Export, writes_the_golden_keys_and_values) {
  std::map<std::string, std::string> wanted;
  const auto golden = boost::json::parse(file("keys.json"));
  for (const auto& kv : golden.as_object()) {
    const std::string key(kv.key().data(), kv.key().size());
    if (key.starts_with("cilium/state/")) wanted[key] = kv.value().at("value").as_string().c_str();
  }
  const auto ours = exported();
  ASSERT_EQ(ours.size(), wanted.size());
  for (const auto& [key, value] : wanted) {
    ASSERT_TRUE(ours.contains(key)) << key;
    if (key.ends_with("/shop/api-server") || key.ends_with("/shop/lb") || key.starts_with("cilium/state/nodes/"))
      continue;  // below
    EXPECT_EQ(ours.at(key), value) << key;
  }
}

TEST(Export, nodes_differ_from_golden_in_nothing_but_the_annotation_that_kubectl_added) {
  const auto ours = exported();
  const auto golden = boost::json::parse(file("keys.json"));
  for (const char* name : {"node-1", "node-2"}) {
    const std::string key = data_prefix(Kind::nodes, "cluster1") + name;
    auto wanted = decode_node(std::string_view(golden.at(key).at("value").as_string().c_str()));
    ASSERT_TRUE(wanted);
    wanted->annotations.erase("kubectl.kubernetes.io/last-applied-configuration");
    EXPECT_EQ(ours.at(key), encode_node(*wanted));
  }
}

TEST(Export, an_endpoint_neither_ready_nor_serving_is_left_out_and_a_terminating_one_says_so) {
  const auto ours = exported();
  const std::string key = data_prefix(Kind::services, "cluster1") + "shop/api-server";
  auto wanted = parsed(boost::json::parse(file("keys.json")).at(key).at("value").as_string().c_str());
  EXPECT_EQ(wanted.at("backends").as_object().erase("10.1.1.23"), 1u);
  wanted.as_object()["weftStates"] = parsed(R"({"10.1.1.22":{"ready":false,"serving":true,"terminating":true}})");
  EXPECT_EQ(parsed(ours.at(key)), wanted);
}

// The golden value has port 20029 for the one backend of shop/lb. The slice in objects.yaml says 8080, and so do we.
TEST(Export, a_backends_port_is_the_slices_port) {
  const auto ours = exported();
  const std::string key = data_prefix(Kind::services, "cluster1") + "shop/lb";
  auto wanted = parsed(boost::json::parse(file("keys.json")).at(key).at("value").as_string().c_str());
  wanted.at("backends").at("10.1.0.41").at("http").at("Port") = 8080;
  EXPECT_EQ(parsed(ours.at(key)), wanted);
}

Service global_service() {
  Service s;
  s.name = {"shop", "cart"};
  s.global = true;
  s.cluster_ips = {*Address::parse("10.96.0.9"), *Address::parse("fd00:96::9")};
  s.ports = {{"http", Protocol::tcp, 80, 0, "8080", ""}};
  return s;
}

std::shared_ptr<const EndpointSlice> slice(const char* name, const char* ip, bool ready, bool serving, bool terminating,
                                           Port port = 8080) {
  EndpointSlice s;
  s.name = {"shop", name};
  s.service = "cart";
  s.ports = {{"http", Protocol::tcp, port}};
  s.endpoints = {{{*Address::parse(ip)}, ready, serving, terminating, "", "", "", {}, {}}};
  return std::make_shared<const EndpointSlice>(std::move(s));
}

TEST(Export, a_service_that_is_not_global_or_not_shared_has_no_key) {
  Service s = global_service();
  EXPECT_TRUE(export_service(s, {}, kLocal));
  s.shared = false;
  EXPECT_FALSE(export_service(s, {}, kLocal));
  s.shared = true, s.global = false;
  EXPECT_FALSE(export_service(s, {}, kLocal));
}

TEST(Export, both_families_stand_side_by_side) {
  const auto out =
      export_service(global_service(),
                     {slice("a", "10.1.0.1", true, true, false), slice("b", "fd00:1::1", true, true, false)}, kLocal);
  EXPECT_EQ(out->frontends.size(), 2u);
  EXPECT_EQ(out->backends.size(), 2u);
  EXPECT_TRUE(out->states.empty());
}

TEST(Export, of_two_slices_with_one_address_the_last_by_name_counts) {
  const auto out = export_service(
      global_service(), {slice("b", "10.1.0.1", false, true, true, 9090), slice("a", "10.1.0.1", true, true, false)},
      kLocal);
  const auto ip = *Address::parse("10.1.0.1");
  EXPECT_EQ(out->backends.at(ip).at("http").port, 9090);
  EXPECT_TRUE(out->states.contains(ip));
  const auto other = export_service(
      global_service(), {slice("a", "10.1.0.1", false, true, true, 9090), slice("b", "10.1.0.1", true, true, false)},
      kLocal);
  EXPECT_TRUE(other->states.empty()) << "the state goes with the slice that counts";
}

TEST(Export, an_endpoint_without_identity_or_node_has_no_entry) {
  kube::CiliumEndpoint e;
  e.name = {"shop", "a"};
  e.addresses = {*Address::parse("10.1.0.1")};
  EXPECT_TRUE(export_endpoint(e, kLocal).empty());
  e.identity = 65601;
  EXPECT_TRUE(export_endpoint(e, kLocal).empty());
  e.node = *Address::parse("172.18.1.11");
  EXPECT_EQ(export_endpoint(e, kLocal).size(), 1u);
}

}  // namespace
}  // namespace weft::mesh
