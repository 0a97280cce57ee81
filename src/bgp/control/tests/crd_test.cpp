// The chart's definitions beside the parsers: what an API server fills in is no fault of whoever wrote the object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <set>

#include "bgp/control/tests/definition.h"

namespace weft::bgp::control {
namespace {

using lab::api::Schema;
using ::testing::IsEmpty;

struct Smallest {
  const char* kind;
  const char* spec;
  Findings (*parse)(const json::object&);
};
template <auto parse>
Findings findings_by(const json::object& o) {
  return parse(o).findings;
}
/// The least that each kind takes, with one entry in every list that has objects below.
const Smallest kSmallest[] = {
    {kPolicyKind,
     "{virtualRouters: [{localASN: 65001, neighbors: [{peerAddress: 10.0.0.1/32, peerASN: 65000, families: [{afi: "
     "ipv4, "
     "safi: unicast}], advertisedPathAttributes: [{selectorType: PodCIDR}]}]}]}",
     findings_by<parse_peering_policy>},
    {kClusterConfigKind, "{bgpInstances: [{name: main, localASN: 65001, peers: [{name: tor, peerAddress: 10.0.0.1}]}]}",
     findings_by<parse_cluster_config>},
    {kNodeConfigKind, "{bgpInstances: [{name: main, localASN: 65001, peers: [{name: tor, peerAddress: 10.0.0.1}]}]}",
     findings_by<parse_node_config>},
    {kOverrideKind, "{bgpInstances: [{name: main, peers: [{name: tor}]}]}", findings_by<parse_node_override>},
    {kPeerConfigKind,
     "{families: [{afi: ipv4, safi: unicast}], gracefulRestart: {enabled: true}, import: {prefixes: [{prefix: "
     "10.0.0.0/8}]}}",
     findings_by<parse_peer_config>},
    {kAdvertisementKind,
     "{advertisements: [{advertisementType: Service, selector: {}, service: {addresses: [ClusterIP]}}]}",
     findings_by<parse_advertisement>},
};

json::object of(const Smallest& s) {
  return yaml(std::string("kind: ") + s.kind + "\nmetadata: {name: x}\nspec: " + s.spec);
}

/// Calls `look` once for every object that may be empty, with it put where the schema has it, and without it again
/// after.
void with_each_empty_object(const Schema& schema, json::value& v, const std::string& path,
                            const std::function<void(const std::string& path)>& look) {
  if (v.is_array())
    for (auto& e : v.get_array()) with_each_empty_object(*schema.items, e, path + "[]", look);
  if (!v.is_object()) return;
  for (const auto& p : schema.properties) {
    // Of pods' addresses, which come from no pool here: accepted, and told to have no effect.
    if (p.schema->type == Schema::Type::any || p.name == "podIPPoolSelector" || p.name == "status") continue;
    auto& here = v.get_object();
    const std::string at = path.empty() ? p.name : path + "." + p.name;
    const bool there = here.contains(p.name);
    if (!there && (p.schema->type != Schema::Type::object || !p.schema->required.empty())) continue;
    if (!there) here[p.name].emplace_object();
    if (!there) look(at);
    with_each_empty_object(*p.schema, here.at(p.name), at, look);
    if (!there) here.erase(p.name);
  }
}

TEST(Definitions, what_the_api_server_fills_in_is_no_finding) {
  std::set<std::string> looked_at;
  for (const Smallest& s : kSmallest) {
    const Definition definition(s.kind);
    json::value object = of(s);
    const auto look = [&](const std::string& path) {
      looked_at.insert(s.kind + (" " + path));
      const auto stored = definition.with_defaults(object);
      EXPECT_THAT(definition.problems(stored), IsEmpty()) << s.kind << " with " << path;
      EXPECT_EQ(lines(s.parse(stored)), "") << s.kind << " with " << path << ": " << json::serialize(stored);
    };
    look("nothing more");
    with_each_empty_object(definition.schema(), object, "", look);
  }
  EXPECT_THAT(looked_at, ::testing::IsSupersetOf({"CiliumBGPPeerConfig spec.bfd", "CiliumBGPPeerConfig spec.drain",
                                                  "CiliumBGPPeeringPolicy spec.virtualRouters[].neighbors[].bfd"}));
}

TEST(Definitions, a_number_of_a_key_is_not_filled_in_where_there_is_no_key) {
  const auto stored = Definition(kPeerConfigKind)
                          .with_defaults(yaml("kind: CiliumBGPPeerConfig\nmetadata: {name: x}\nspec: {bfd: {}}"));
  EXPECT_EQ(
      json::serialize(stored.at("spec").at("bfd")),
      R"({"enabled":true,"transmitIntervalMilliseconds":300,"receiveIntervalMilliseconds":300,"detectMultiplier":3})");
}

template <class Problems>
void takes(const Problems& problems, std::initializer_list<const char*> values) {
  for (const char* value : values) EXPECT_THAT(problems(value), IsEmpty()) << value;
}

template <class Problems>
void refuses(const Problems& problems, std::initializer_list<const char*> values) {
  for (const char* value : values) EXPECT_FALSE(problems(value).empty()) << value;
}

TEST(Definitions, a_policy_takes_its_peers_by_host_length_alone) {
  const Definition definition(kPolicyKind);
  const auto problems = [&](const std::string& address) {
    return definition.problems(
        yaml("kind: CiliumBGPPeeringPolicy\nmetadata: {name: x}\nspec: {virtualRouters: [{localASN: 1, neighbors: "
             "[{peerAddress: \"" +
             address + "\", peerASN: 2}]}]}"));
  };
  takes(problems, {"10.0.0.1/32", "2001:db8::1/128", "2001:DB8::1/128", "::ffff:10.0.0.1/128"});
  refuses(problems, {"10.0.0.0/24", "10.0.0.1/3", "10.0.0.1/320", "2001:db8::/32", "2001:db8::1/12", "10.0.0.1"});
}

TEST(Definitions, large_communities_reach_from_zero_to_the_last_of_32_bits) {
  const Definition definition(kAdvertisementKind);
  const auto problems = [&](const std::string& community) {
    return definition.problems(
        yaml("kind: CiliumBGPAdvertisement\nmetadata: {name: x}\nspec: {advertisements: [{advertisementType: PodCIDR, "
             "attributes: {communities: {large: [\"" +
             community + "\"]}}}]}"));
  };
  takes(problems, {"0:0:0", "65000:1:2", "4294967295:4294967295:4294967295", "4294967290:1000000000:999999999"});
  refuses(problems, {"4294967296:0:0", "0:4294967296:0", "0:0:4294967296", "9999999999:0:0", "1:2", "1:2:3:4"});
}

}  // namespace
}  // namespace weft::bgp::control
