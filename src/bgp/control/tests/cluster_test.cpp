#include "bgp/control/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class ClusterTest : public ::testing::Test {
 protected:
  ClusterObjects objects{.nodes = {{"n1", {{"rack", "r1"}}}, {"n2", {{"rack", "r2"}}}},
                         .passwords = std::set<std::string>{}};

  void config(const std::string& name, const std::string& created, const std::string& selector = "{}",
              const std::string& instance = "localASN: 65001") {
    objects.cluster_configs.push_back(row(
        parse_cluster_config, "kind: CiliumBGPClusterConfig\nmetadata: {name: " + name + ", uid: u-" + name +
                                  ", generation: 3, creationTimestamp: \"" + created + "\"}\nspec: {nodeSelector: " +
                                  selector + ", bgpInstances: [{name: main, " + instance +
                                  ", peers: [{name: tor, peerAddress: 10.0.0.1, peerASN: 65000, peerConfigRef: {name: "
                                  "tor}}]}]}"));
  }
  void override_of(const std::string& node, const std::string& instance) {
    objects.overrides[node] = row(parse_node_override, "kind: CiliumBGPNodeConfigOverride\nmetadata: {name: " + node +
                                                           "}\nspec: {bgpInstances: [" + instance + "]}");
  }
  void peer_config(const std::string& spec) {
    objects.peer_configs["tor"] =
        row(parse_peer_config, "kind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: " + spec);
  }
  /// The message of a condition that holds; empty when it does not.
  std::string condition(const ClusterOutcome& o, const char* kind, const std::string& name, const std::string& type) {
    const auto it = o.conditions.find({kind, name});
    if (it == o.conditions.end()) return "no conditions of " + name;
    for (const auto& c : it->second)
      if (c.type == type) return c.holds ? c.message : "";
    return "no condition " + type;
  }
};

TEST_F(ClusterTest, each_node_that_is_selected_gets_a_node_config) {
  config("east", "2026-01-01T00:00:00Z", "{matchLabels: {rack: r1}}");
  const auto o = derive(objects);
  ASSERT_THAT(o.node_configs, SizeIs(1));
  const auto& c = o.node_configs.at("n1");
  EXPECT_EQ(c.owner, "east");
  EXPECT_EQ(c.owner_uid, "u-east");
  EXPECT_EQ(json::serialize(to_json(c.spec)),
            R"({"bgpInstances":[{"name":"main","localASN":65001,"peers":[{"name":"tor","peerAddress":"10.0.0.1",)"
            R"("peerASN":65000,"peerConfigRef":{"name":"tor"}}]}]})");
  EXPECT_EQ(condition(o, kClusterConfigKind, "east", "cilium.io/NoMatchingNode"), "");
}

TEST_F(ClusterTest, an_override_changes_its_instance_on_its_node) {
  config("east", "2026-01-01T00:00:00Z");
  override_of("n2",
              "{name: main, routerID: 1.1.1.1, localPort: 1790, localASN: 65099, peers: [{name: tor, localAddress: "
              "192.0.2.12}]}");
  const auto o = derive(objects);
  const auto& i = o.node_configs.at("n2").spec.instances.at(0);
  EXPECT_EQ(i.router_id->value, 0x01010101u);
  EXPECT_EQ(i.local_port, 1790);
  EXPECT_EQ(i.local_as, 65099u);
  EXPECT_EQ(i.peers.at(0).local_address, addr("192.0.2.12"));
  EXPECT_EQ(o.node_configs.at("n1").spec.instances.at(0).local_as, 65001u);
}

TEST_F(ClusterTest, an_override_of_what_is_not_there_is_named) {
  config("east", "2026-01-01T00:00:00Z");
  override_of("n1", "{name: other}");
  EXPECT_THAT(condition(derive(objects), kOverrideKind, "n1", "weft.io/InvalidSpec"),
              HasSubstr("\"other\" is no instance of CiliumBGPClusterConfig east"));
}

TEST_F(ClusterTest, a_port_of_an_override_that_another_instance_has_is_left_out_and_the_override_says_so) {
  config("east", "2026-01-01T00:00:00Z", "{}", "localASN: 65001, localPort: 1790}, {name: b, localASN: 65002");
  override_of("n1", "{name: b, localPort: 1790}");
  const auto ports = [](const ClusterOutcome& o) {
    std::vector<std::optional<Port>> out;
    for (const auto& i : o.node_configs.at("n1").spec.instances) out.push_back(i.local_port);
    return out;
  };
  auto o = derive(objects);
  EXPECT_THAT(ports(o), ElementsAre(1790, std::nullopt));
  EXPECT_EQ(
      condition(o, kOverrideKind, "n1", "weft.io/InvalidSpec"),
      "CiliumBGPNodeConfigOverride n1: spec.bgpInstances[b].localPort 1790 is the port of instance main too; give "
      "each its own; until then the instance does not listen");
  json::object made{{"kind", kNodeConfigKind}, {"metadata", {{"name", "n1"}}}};
  made["spec"] = to_json(o.node_configs.at("n1").spec);
  EXPECT_EQ(lines(parse_node_config(made).findings), "") << "the agent can use it";

  override_of("n1", "{name: main, localPort: 1791}, {name: b, localPort: 1791}");
  o = derive(objects);
  EXPECT_THAT(ports(o), ElementsAre(1791, std::nullopt)) << "of two of the override the first";
  override_of("n1", "{name: main, localPort: 1791}, {name: b, localPort: 1790}");
  o = derive(objects);
  EXPECT_THAT(ports(o), ElementsAre(1791, 1790));
  EXPECT_EQ(condition(o, kOverrideKind, "n1", "weft.io/InvalidSpec"), "");
}

TEST_F(ClusterTest, a_port_left_out_gives_way_to_that_of_the_cluster_configuration) {
  config("east", "2026-01-01T00:00:00Z", "{}",
         "localASN: 65001, localPort: 1790}, {name: b, localASN: 65002, localPort: "
         "1791}, {name: c, localASN: 65003, localPort: 1792");
  // What is left of main's port in turn displaces b's.
  override_of("n1", "{name: main, localPort: 1792}, {name: b, localPort: 1790}");
  const auto o = derive(objects);
  std::vector<std::optional<Port>> ports;
  for (const auto& i : o.node_configs.at("n1").spec.instances) ports.push_back(i.local_port);
  EXPECT_THAT(ports, ElementsAre(1790, 1791, 1792));
  EXPECT_THAT(
      condition(o, kOverrideKind, "n1", "weft.io/InvalidSpec"),
      HasSubstr("spec.bgpInstances[b].localPort 1790 is the port of instance main too; give each its own; 1791 of "
                "CiliumBGPClusterConfig east stays"));
}

TEST_F(ClusterTest, a_bad_annotation_of_a_node_is_told_by_the_policy_in_force_there) {
  objects.policies = {
      row(parse_peering_policy,
          "kind: CiliumBGPPeeringPolicy\nmetadata: {name: rack}\nspec: {nodeSelector: {matchLabels: {rack: "
          "r1}}, virtualRouters: [{localASN: 65001, neighbors: [{peerAddress: 10.0.0.1/32, peerASN: "
          "65000}]}]}")};
  const auto message = [&] { return condition(derive(objects), kPolicyKind, "rack", "weft.io/InvalidSpec"); };
  const std::string key = "cilium.io/bgp-virtual-router.65001";
  objects.nodes[1].annotations[key] = "router-id=nonsense";
  EXPECT_EQ(message(), "") << "the policy does not select that node";
  objects.nodes[0].annotations[key] = "router-id=192.0.2.300";
  EXPECT_EQ(
      message(),
      "Node n1: metadata.annotations[" + key +
          "] \"router-id=192.0.2.300\" is no router ID; write "
          "router-id=192.0.2.1,local-port=1790. Nodes that had it in use go on with what was good last; the others "
          "leave it out");
  objects.nodes[0].annotations[key] = "router-id=192.0.2.3";
  EXPECT_EQ(message(), "");
}

TEST_F(ClusterTest, the_oldest_of_two_configurations_is_in_force_and_the_other_says_where) {
  config("young", "2026-02-01T00:00:00Z");
  config("old", "2026-01-01T00:00:00Z", "{matchLabels: {rack: r1}}");
  const auto o = derive(objects);
  EXPECT_EQ(o.node_configs.at("n1").owner, "old");
  EXPECT_EQ(o.node_configs.at("n2").owner, "young");
  EXPECT_EQ(condition(o, kClusterConfigKind, "young", "cilium.io/ConflictingClusterConfig"),
            "CiliumBGPClusterConfig old is older and in force on n1; narrow one of the node selectors");
  EXPECT_EQ(condition(o, kClusterConfigKind, "old", "cilium.io/ConflictingClusterConfig"), "");
}

TEST_F(ClusterTest, conditions_tell_of_no_node_and_of_missing_peer_configs) {
  config("east", "2026-01-01T00:00:00Z", "{matchLabels: {rack: none}}");
  auto o = derive(objects);
  EXPECT_EQ(condition(o, kClusterConfigKind, "east", "cilium.io/NoMatchingNode"), "nodeSelector matches no node");
  EXPECT_THAT(condition(o, kClusterConfigKind, "east", "cilium.io/MissingPeerConfigs"),
              HasSubstr("CiliumBGPPeerConfig tor does not exist"));
  peer_config("{}");
  o = derive(objects);
  EXPECT_EQ(condition(o, kClusterConfigKind, "east", "cilium.io/MissingPeerConfigs"), "");
  for (const auto& c : o.conditions.at({kClusterConfigKind, "east"})) EXPECT_EQ(c.observed_generation, 3);
}

TEST_F(ClusterTest, a_missing_secret_is_a_condition_that_goes_when_it_arrives) {
  peer_config("{authSecretRef: tor-md5}");
  EXPECT_THAT(condition(derive(objects), kPeerConfigKind, "tor", "cilium.io/MissingAuthSecret"),
              HasSubstr("Secret tor-md5 is missing in namespace kube-system"));
  objects.passwords->insert("tor-md5");
  EXPECT_EQ(condition(derive(objects), kPeerConfigKind, "tor", "cilium.io/MissingAuthSecret"), "");
}

TEST_F(ClusterTest, secrets_that_cannot_be_read_are_no_reason_to_say_that_none_is_missing) {
  peer_config("{authSecretRef: tor-md5}");
  objects.passwords.reset();
  const auto message = [&] {
    return condition(derive(objects), kPeerConfigKind, "tor", "cilium.io/MissingAuthSecret");
  };
  EXPECT_EQ(message(), "") << "they are about to be listed";
  objects.passwords_error = "403 Forbidden";
  EXPECT_THAT(message(), HasSubstr("Secret tor-md5 cannot be read: 403 Forbidden; let weft-operator list and watch "
                                   "Secrets in kube-system"));
  peer_config("{}");
  EXPECT_EQ(message(), "") << "nobody needs one";
}

TEST_F(ClusterTest, an_instance_without_asn_needs_the_override_and_is_left_out_elsewhere) {
  config("east", "2026-01-01T00:00:00Z", "{}", "localPort: 179");
  override_of("n1", "{name: main, localASN: 65005}");
  const auto o = derive(objects);
  EXPECT_THAT(o.node_configs, ElementsAre(Pair("n1", ::testing::_)));
  EXPECT_THAT(condition(o, kClusterConfigKind, "east", "weft.io/InvalidSpec"), HasSubstr("localASN is missing on n2"));
}

TEST_F(ClusterTest, what_an_unreadable_configuration_made_before_stays) {
  config("east", "2026-01-01T00:00:00Z", "{}", "localASN: 0");
  objects.owners = {{"n1", "east"}};
  const auto o = derive(objects);
  EXPECT_THAT(o.node_configs, IsEmpty());
  EXPECT_THAT(o.untouched, ElementsAre("n1"));
  EXPECT_THAT(condition(o, kClusterConfigKind, "east", "weft.io/InvalidSpec"),
              HasSubstr("The CiliumBGPNodeConfigs made of it stay as they are"));
}

TEST_F(ClusterTest, a_node_whose_override_cannot_be_used_keeps_what_was_made_with_it) {
  config("east", "2026-01-01T00:00:00Z");
  override_of("n1", "{name: main, routerID: nonsense, localASN: 65099}");
  objects.owners = {{"n1", "east"}, {"n2", "east"}};
  auto o = derive(objects);
  EXPECT_THAT(o.untouched, ElementsAre("n1"));
  EXPECT_THAT(o.node_configs, ElementsAre(Pair("n2", ::testing::_)));
  EXPECT_THAT(condition(o, kOverrideKind, "n1", "weft.io/InvalidSpec"),
              HasSubstr("The node's CiliumBGPNodeConfig stays as it is"));
  // A node that has none yet is better off without the override than without BGP.
  objects.owners.clear();
  o = derive(objects);
  EXPECT_THAT(o.untouched, IsEmpty());
  EXPECT_THAT(o.node_configs, SizeIs(2));
  EXPECT_THAT(condition(o, kOverrideKind, "n1", "weft.io/InvalidSpec"), HasSubstr("It is left out"));
}

TEST_F(ClusterTest, only_what_is_known_is_said_to_go_on) {
  const auto message = [&] { return condition(derive(objects), kPeerConfigKind, "tor", "weft.io/InvalidSpec"); };
  const auto config = [](const char* hold) {
    return yaml(
        std::string("kind: CiliumBGPPeerConfig\nmetadata: {name: tor, uid: u}\nspec: {timers: {holdTimeSeconds: ") +
        hold + ", keepAliveTimeSeconds: 1}}");
  };
  Keeper<PeerConfigSpec> keeper(parse_peer_config);
  const auto seen = [&](const char* hold) {
    objects.peer_configs["tor"] = std::make_shared<const Object<PeerConfigSpec>>(keeper(config(hold)));
  };
  seen("2");
  EXPECT_THAT(message(), HasSubstr("the others leave it out"));
  seen("9");
  EXPECT_EQ(message(), "");
  seen("2");
  EXPECT_THAT(message(), HasSubstr("What was good last goes on"));
}

TEST_F(ClusterTest, younger_policies_are_told_which_one_is_in_force_and_where) {
  for (const auto& [name, created] :
       {std::pair{"young", "2026-02-01T00:00:00Z"}, std::pair{"old", "2026-01-01T00:00:00Z"}})
    objects.policies.push_back(row(
        parse_peering_policy,
        std::string("kind: CiliumBGPPeeringPolicy\nmetadata: {name: ") + name + ", creationTimestamp: \"" + created +
            "\"}\nspec: {virtualRouters: [{localASN: 65001, neighbors: [{peerAddress: 10.0.0.1/32, "
            "peerASN: 65000}]}]}"));
  config("east", "2026-01-01T00:00:00Z");
  const auto o = derive(objects);
  EXPECT_EQ(condition(o, kPolicyKind, "young", "weft.io/ConflictingPolicy"),
            "CiliumBGPPeeringPolicy old is older and in force on n1, n2; narrow one of the node selectors");
  EXPECT_EQ(condition(o, kPolicyKind, "old", "weft.io/ConflictingPolicy"), "");
  EXPECT_EQ(condition(o, kClusterConfigKind, "east", "weft.io/PeeringPolicyInForce"),
            "CiliumBGPPeeringPolicy old is in force on n1, n2");
}

TEST_F(ClusterTest, router_ids_come_from_the_pool_and_stay) {
  objects.router_ids = RouterIdPool{prefix("10.255.0.0/30")};
  config("east", "2026-01-01T00:00:00Z");
  override_of("n1", "{name: main, routerID: 10.255.0.1}");
  auto o = derive(objects);
  const auto id = [&](const char* node) { return o.node_configs.at(node).spec.instances.at(0).router_id->value; };
  EXPECT_EQ(id("n1"), addr("10.255.0.1").to_v4());
  EXPECT_EQ(id("n2"), addr("10.255.0.0").to_v4());
  objects.node_configs["n2"] = row(parse_node_config,
                                   "kind: CiliumBGPNodeConfig\nmetadata: {name: n2}\nspec: {bgpInstances: "
                                   "[{name: main, localASN: 65001, routerID: 10.255.0.3}]}");
  o = derive(objects);
  EXPECT_EQ(id("n2"), addr("10.255.0.3").to_v4());
}

TEST_F(ClusterTest, a_node_config_reads_back_as_it_was_written) {
  config("east", "2026-01-01T00:00:00Z");
  override_of("n1", "{name: main, routerID: 1.1.1.1, localPort: 1790}");
  const auto spec = derive(objects).node_configs.at("n1").spec;
  json::object object{{"kind", kNodeConfigKind}, {"metadata", {{"name", "n1"}}}, {"spec", to_json(spec)}};
  const auto back = parse_node_config(object);
  EXPECT_EQ(lines(back.findings), "");
  EXPECT_EQ(back.spec, spec);
}

}  // namespace
}  // namespace weft::bgp::control
