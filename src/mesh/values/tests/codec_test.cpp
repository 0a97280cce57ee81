// The codecs against golden keys and values of a real exporter (tests/golden/keys.json).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "mesh/values/codec.h"
#include "mesh/values/go_json.h"
#include "mesh/values/import.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

const std::map<std::string, std::string>& golden() {
  static const auto values = [] {
    std::ifstream file(WEFT_GOLDEN_DIR "/keys.json");
    std::stringstream text;
    text << file.rdbuf();
    std::map<std::string, std::string> out;
    const auto keys = boost::json::parse(text.str());
    for (const auto& kv : keys.as_object())
      out[std::string(kv.key().data(), kv.key().size())] = std::string(kv.value().at("value").as_string().c_str());
    return out;
  }();
  return values;
}

const RemoteIdentity kRemote{"cluster1", 1, 255};

// Key and value of every golden entry under the prefix.
std::vector<std::pair<std::string, std::string>> under(const std::string& prefix) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : golden())
    if (key.starts_with(prefix)) out.emplace_back(key.substr(prefix.size()), value);
  return out;
}

TEST(Golden, nodes_are_accepted_and_written_back_byte_for_byte) {
  const auto rows = under(data_prefix(Kind::nodes, "cluster1"));
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& [key, value] : rows) {
    auto node = import_node(kRemote, key, value);
    ASSERT_TRUE(node) << node.error().message;
    node->source = "custom-resource";
    EXPECT_EQ(encode_node(*node), value);
  }
  const auto node = *import_node(kRemote, "node-1", rows[0].second);
  ASSERT_EQ(node.pod_cidrs.size(), 3u);
  EXPECT_EQ(node.pod_cidrs[0].to_string(), "10.1.0.0/24");
  EXPECT_EQ(node.pod_cidrs[1].to_string(), "fd00:1::/64");
  EXPECT_EQ(node.pod_cidrs[2].to_string(), "10.1.9.0/24");
  EXPECT_EQ(node.internal_ip(Family::v6)->to_string(), "fd00:18:1::11");
}

TEST(Golden, services_are_accepted_and_written_back_byte_for_byte) {
  const auto rows = under(data_prefix(Kind::services, "cluster1"));
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& [key, value] : rows) {
    const auto service = import_service(kRemote, key, value);
    ASSERT_TRUE(service) << service.error().message;
    ASSERT_TRUE(service->has_value());
    EXPECT_EQ(encode_service(**service), value);
  }
}

TEST(Golden, ip_entries_are_accepted_and_written_back_byte_for_byte) {
  const auto rows = under(data_prefix(Kind::ip, "cluster1"));
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& [key, value] : rows) {
    const auto row = import_ip(kRemote, key, value);
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(encode_ip(*row), value);
    EXPECT_EQ(ip_key(row->prefix), key);
  }
}

TEST(Golden, identities_are_accepted_and_written_back_byte_for_byte) {
  const auto rows = under(data_prefix(Kind::identities, "cluster1"));
  ASSERT_EQ(rows.size(), 1u);
  const auto row = import_identity(kRemote, rows[0].first, rows[0].second);
  ASSERT_TRUE(row) << row.error().message;
  EXPECT_EQ(row->id, 65601u);
  EXPECT_EQ(encode_identity(row->labels), rows[0].second);
}

TEST(Golden, the_cluster_configuration_is_accepted_and_written_back_byte_for_byte) {
  const auto& value = golden().at(cluster_config_key("cluster1"));
  const auto config = decode_cluster_config(value);
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, (ClusterConfig{1, true, false, 255, false}));
  EXPECT_EQ(encode_cluster_config(*config), value);
}

TEST(Golden, the_canaries_are_named_as_the_readers_expect) {
  for (const Kind kind : {Kind::nodes, Kind::services, Kind::identities, Kind::ip, Kind::service_exports})
    EXPECT_TRUE(golden().contains(canary_key(kind, "cluster1"))) << canary_key(kind, "cluster1");
}

TEST(Keys, of_a_cache_carry_the_cluster_name) {
  EXPECT_EQ(data_prefix(Kind::ip, "east", true), "cilium/cache/ip/v1/east/");
  EXPECT_EQ(data_prefix(Kind::identities, "east", true), "cilium/cache/identities/v1/east/id/");
  EXPECT_EQ(data_prefix(Kind::nodes, "east", true), "cilium/cache/nodes/v1/east/");
  EXPECT_EQ(canary_key(Kind::nodes, "east", true), "cilium/synced/east/cilium/cache/nodes/v1");
}

TEST(GoJson, escapes_what_go_escapes) {
  GoJson w;
  w.string("a\"\\\n\r\t\b\f\x01<>&\xc3\xa9\xff\xe2\x80\xa8");
  EXPECT_EQ(w.take(), "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u003c\\u003e\\u0026\xc3\xa9\\ufffd\\u2028\"");
}

TEST(Node, a_plain_cidr_string_is_read_like_the_object) {
  const auto node =
      decode_node(R"({"Name":"a","IPv4AllocCIDR":"10.1.0.0/24","IPv6SecondaryAllocCIDRs":["fd00::/64"]})");
  ASSERT_TRUE(node) << node.error().message;
  ASSERT_EQ(node->pod_cidrs.size(), 2u);
  EXPECT_EQ(node->pod_cidrs[0].to_string(), "10.1.0.0/24");
  EXPECT_EQ(node->pod_cidrs[1].to_string(), "fd00::/64");
}

TEST(Node, the_masks_of_the_reference) {
  const auto cidr = [](const char* ip, const char* mask) {
    const char* family = std::string_view(ip).find(':') == std::string_view::npos ? "IPv4" : "IPv6";
    return decode_node(fmt::format(R"({{"{}AllocCIDR":{{"IP":"{}","Mask":"{}"}}}})", family, ip, mask));
  };
  EXPECT_EQ(cidr("10.0.0.0", "//8AAA==")->pod_cidrs.at(0).length(), 16u);
  EXPECT_EQ(cidr("10.0.0.0", "////AA==")->pod_cidrs.at(0).length(), 24u);
  EXPECT_EQ(cidr("10.0.0.1", "/////w==")->pod_cidrs.at(0).length(), 32u);
  EXPECT_EQ(cidr("fd00::", "//////////8AAAAAAAAAAA==")->pod_cidrs.at(0).length(), 64u);
  EXPECT_FALSE(cidr("10.0.0.0", "//////////8AAAAAAAAAAA=="));
  EXPECT_FALSE(cidr("10.0.0.0", "/wD/AA==")) << "ones after zeros";
  EXPECT_FALSE(cidr("10.0.0.0", "?"));
  EXPECT_FALSE(decode_node(R"({"IPv4AllocCIDR":"fd00::/64"})")) << "the other family";
}

TEST(Service, a_terminating_backend_travels_in_a_field_of_our_own) {
  ClusterService s;
  s.cluster = "east", s.cluster_id = 7, s.name = {"shop", "cart"};
  s.backends[*Address::parse("10.0.0.10")]["http"] = {Protocol::tcp, 8080};
  s.backends[*Address::parse("10.0.0.9")][""] = {Protocol::udp, 53};
  s.states[*Address::parse("10.0.0.10")] = {false, true, true};
  s.zones[*Address::parse("10.0.0.9")] = {"z1", {"z1", "z2"}};
  const std::string value = encode_service(s);
  EXPECT_EQ(
      value,
      R"({"cluster":"east","namespace":"shop","name":"cart","frontends":{},)"
      R"("backends":{"10.0.0.10":{"http":{"Protocol":"TCP","Port":8080}},"10.0.0.9":{"":{"Protocol":"UDP","Port":53}}},)"
      R"("zones":{"10.0.0.9":{"zone":"z1","forZones":[{"name":"z1"},{"name":"z2"}]}},)"
      R"("labels":{},"selector":{},"includeExternal":true,"shared":true,"clusterID":7,)"
      R"("weftStates":{"10.0.0.10":{"ready":false,"serving":true,"terminating":true}}})");
  const auto back = decode_service(value);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, s);
}

TEST(Ip, a_network_has_its_length_in_the_key_and_a_mask_in_the_value) {
  IpIdentity row;
  row.prefix = *Prefix::parse("10.2.0.0/16");
  row.id = 6;
  EXPECT_EQ(ip_key(row.prefix), "10.2.0.0/16");
  const auto back = decode_ip(encode_ip(row));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, row);
}

TEST(Identity, labels_are_sorted_by_key_without_source_and_end_with_a_semicolon) {
  EXPECT_EQ(encode_identity({{"k8s:zone", "1"}, {"cni:app", "a=b"}, {"k8s:empty", ""}}),
            "cni:app=a=b;k8s:empty=;k8s:zone=1;");
  const auto back = decode_identity("cni:app=a=b;k8s:empty=;k8s:zone=1;");
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, (Labels{{"k8s:zone", "1"}, {"cni:app", "a=b"}, {"k8s:empty", ""}}));
  EXPECT_FALSE(decode_identity(""));
  EXPECT_FALSE(decode_identity("nosource=1;"));
}

TEST(ClusterConfig, absence_means_what_the_reference_says) {
  const auto config = decode_cluster_config(R"({"id":3,"capabilities":{"cached":true},"future":[1]})");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, (ClusterConfig{3, false, true, 0, std::nullopt}));
  EXPECT_EQ(encode_cluster_config({}), R"({"capabilities":{}})");
  EXPECT_FALSE(decode_cluster_config("yes"));
  EXPECT_FALSE(decode_cluster_config(R"({"id":"3"})"));
}

TEST(Decoders, bad_input_is_an_error_that_names_the_field) {
  const auto node = decode_node(R"({"EncryptionKey":300})");
  ASSERT_FALSE(node);
  EXPECT_NE(node.error().message.find("EncryptionKey"), std::string::npos);
  const auto service = decode_service(R"({"backends":{"10.0.0.1":{"http":{"Protocol":"TCP","Port":70000}}}})");
  ASSERT_FALSE(service);
  EXPECT_NE(service.error().message.find("Port"), std::string::npos);
  EXPECT_FALSE(decode_service(R"({"backends":{"ten":{}}})"));
  EXPECT_FALSE(decode_service("[]"));
  EXPECT_FALSE(decode_ip(R"({"IP":""})"));
  EXPECT_FALSE(decode_node(std::string(100'000, '[')));
}

}  // namespace
}  // namespace weft::mesh
