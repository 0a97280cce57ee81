// The two loops on an API server in memory: what they write, and what they leave alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "bgp/control/cluster_controller.h"
#include "bgp/control/tests/node_world.h"
#include "bgp/control/tests/scratch.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;

constexpr const char* kConfig = R"(
apiVersion: cilium.io/v2
kind: CiliumBGPClusterConfig
metadata: {name: east}
spec: {bgpInstances: [{name: main, localASN: 65001, peers: [{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}]}]}
)";
constexpr const char* kNode = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";

class ClusterControllerTest : public ::testing::Test {
 public:
  asio::io_context io;
  kube::FakeServer server{io};
  kube::Client client{io, kube::FakeServer::config(), server.transport()};
  ClusterController controller{client, {.secrets_namespace = "kube-system", .router_ids = std::nullopt, .host = "op"}};
  Scope scope{io, "test"};

  ClusterControllerTest() { server.status_subresource = {kClusterConfigs.plural, kPeerConfigs.plural}; }
  void drive(Task<> (*story)(ClusterControllerTest&)) {
    const auto all = [](ClusterControllerTest& t, Task<> (*s)(ClusterControllerTest&)) -> Task<> {
      t.scope.spawn("controller", t.controller.run());
      co_await s(t);
      co_await t.scope.stop();
    };
    testing::run(io, all(*this, story));
  }
};

TEST_F(ClusterControllerTest, makes_a_node_config_owned_by_its_configuration_and_takes_it_back) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.server.get(kNodeConfigs, "", "n1").has_value(); });
    const auto made = t.server.get(kNodeConfigs, "", "n1");
    EXPECT_THAT(json::serialize(*made), HasSubstr(R"("kind":"CiliumBGPClusterConfig","name":"east")"));
    EXPECT_THAT(json::serialize(*made), HasSubstr(R"("localASN":65001)"));
    t.server.erase(kClusterConfigs, "", "east");
    co_await eventually([&] { return !t.server.get(kNodeConfigs, "", "n1").has_value(); });
  });
}

TEST_F(ClusterControllerTest, a_node_config_that_somebody_edits_is_put_right) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.server.get(kNodeConfigs, "", "n1").has_value(); });
    auto edited = *t.server.get(kNodeConfigs, "", "n1");
    edited["spec"] = json::parse(R"({"bgpInstances": [{"name": "main", "localASN": 1}]})");
    t.server.put(kNodeConfigs, edited);
    co_await eventually([&] {
      return json::serialize(*t.server.get(kNodeConfigs, "", "n1")).find("\"localASN\":65001") != std::string::npos;
    });
  });
}

// "uid of the owner: ASN", as the NodeConfig has them now.
std::string owner_of_n1(const kube::FakeServer& server) {
  const auto made = server.get(kNodeConfigs, "", "n1");
  if (!made) return "no NodeConfig";
  std::string out;
  for (const auto& o : kube::array_at(kube::metadata(*made), "ownerReferences"))
    out += kube::text_at(o.as_object(), "uid");
  for (const auto& i : kube::array_at(kube::object_at(*made, "spec"), "bgpInstances"))
    out += ": " + json::serialize(i.as_object().at("localASN"));
  return out;
}

TEST_F(ClusterControllerTest, a_configuration_made_anew_owns_the_node_configs_of_the_one_before) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    const auto owner = [&t] { return owner_of_n1(t.server); };
    const auto uid = [&t] { return kube::uid_of(*t.server.get(kClusterConfigs, "", "east")); };
    co_await eventually([&] { return owner() == uid() + ": 65001"; }, owner);
    const auto before = uid();
    const auto made = kube::uid_of(*t.server.get(kNodeConfigs, "", "n1"));
    // Both within one look of the controller's: it never sees the cluster without.
    t.server.erase(kClusterConfigs, "", "east");
    t.server.put(kClusterConfigs, yaml(kConfig));
    EXPECT_NE(uid(), before);
    co_await eventually([&] { return owner() == uid() + ": 65001"; }, owner);
    EXPECT_EQ(kube::uid_of(*t.server.get(kNodeConfigs, "", "n1")), made) << "no session ended meanwhile";
  });
}

TEST_F(ClusterControllerTest, a_bad_configuration_made_anew_keeps_the_node_configs_of_the_one_before_alive) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    const auto owner = [&t] { return owner_of_n1(t.server); };
    const auto uid = [&t] { return kube::uid_of(*t.server.get(kClusterConfigs, "", "east")); };
    co_await eventually([&] { return owner() == uid() + ": 65001"; }, owner);
    t.server.erase(kClusterConfigs, "", "east");
    t.server.put(kClusterConfigs,
                 yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: east}\n"
                      "spec: {bgpInstances: [{name: main, localASN: nine}]}"));
    co_await eventually([&] { return owner() == uid() + ": 65001"; }, owner);
  });
}

TEST_F(ClusterControllerTest, a_node_config_without_owner_is_left_alone) {
  server.put(kNodeConfigs,
             yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n9}\nspec: {bgpInstances: "
                  "[{name: a, localASN: 1}]}"));
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.server.get(kNodeConfigs, "", "n1").has_value(); });
    EXPECT_TRUE(t.server.get(kNodeConfigs, "", "n9"));
  });
}

TEST_F(ClusterControllerTest, conditions_come_and_go_with_an_event) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    const auto missing = [&t] { return condition(t.server, kClusterConfigs, "east", "cilium.io/MissingPeerConfigs"); };
    co_await eventually([&] { return missing().starts_with("True CiliumBGPPeerConfig tor does not exist"); }, missing);
    co_await eventually([&] {
      for (const auto& e : t.server.all(kube::kEvents))
        if (kube::text_at(e, "reason") == "MissingPeerConfigs") return true;
      return false;
    });
    t.server.put(kPeerConfigs,
                 yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: {}"));
    co_await eventually([&] { return missing() == "False it is not so"; }, missing);
  });
}

TEST_F(ClusterControllerTest, another_reason_under_a_condition_that_holds_is_an_event_too) {
  server.put(kube::kNodes, yaml(kNode));
  const auto config = [](const char* peers) {
    return yaml(std::string("apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: east}\nspec: "
                            "{bgpInstances: [{name: main, localASN: 65001, peers: [") +
                peers + "]}]}");
  };
  server.put(kClusterConfigs, config("{name: a, peerAddress: 10.0.0.1, peerConfigRef: {name: a}}"));
  drive([](ClusterControllerTest& t) -> Task<> {
    const auto told = [&t](const char* words) {
      for (const auto& e : t.server.all(kube::kEvents))
        if (kube::text_at(e, "message").find(words) != std::string::npos) return true;
      return false;
    };
    co_await eventually([&] { return told("CiliumBGPPeerConfig a does not exist"); });
    t.server.put(kClusterConfigs,
                 yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: east}\nspec: "
                      "{bgpInstances: [{name: main, localASN: 65001, peers: [{name: a, peerAddress: 10.0.0.1, "
                      "peerConfigRef: {name: a}}, {name: b, peerAddress: 10.0.0.2, peerConfigRef: {name: b}}]}]}"));
    co_await eventually([&] { return told("CiliumBGPPeerConfig a, b does not exist"); });
  });
}

TEST_F(ClusterControllerTest, works_while_secrets_may_not_be_read_and_says_so) {
  server.put(
      kPeerConfigs,
      yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: {authSecretRef: s}"));

  server.intercept = [](const kube::Request& r) -> std::optional<kube::Response> {
    if (r.target.find("secrets") == std::string::npos) return std::nullopt;
    return kube::Response{.status = 403};
  };
  server.put(kube::kNodes, yaml(kNode));
  server.put(kClusterConfigs, yaml(kConfig));
  drive([](ClusterControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.server.get(kNodeConfigs, "", "n1").has_value(); });
    const auto missing = [&t] { return condition(t.server, kPeerConfigs, "tor", "cilium.io/MissingAuthSecret"); };
    co_await eventually([&] { return missing().starts_with("True Secret s cannot be read"); }, missing);
  });
}

// As the API server answers for a kind, or a version of it, that no CRD serves.
void without(kube::FakeServer& server, std::string path) {
  server.intercept = [path = std::move(path)](const kube::Request& r) -> std::optional<kube::Response> {
    if (r.target.find(path) == std::string::npos) return std::nullopt;
    return kube::Response{.status = 404};
  };
}

constexpr const char* kIdlePolicy =
    "apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: {nodeSelector: "
    "{matchLabels: {rack: none}}, virtualRouters: [{localASN: 65001, neighbors: [{peerAddress: 10.0.0.1/32, peerASN: "
    "65000}]}]}";

// A policy that selects no node; its conditions can be written when its kind has a status.
void put_idle_policy(kube::FakeServer& server, bool has_status) {
  server.put(kube::kNodes, yaml(kNode));
  server.put(kPeeringPolicies, yaml(kIdlePolicy));
  if (has_status) server.status_subresource.insert(kPeeringPolicies.plural);
}

unsigned said(const kube::FakeServer& server, const std::string& reason) {
  unsigned n = 0;
  for (const auto& e : server.all(kube::kEvents))
    if (kube::text_at(e, "reason") == reason) n += static_cast<unsigned>(kube::number_at(e, "count").value_or(1));
  return n;
}

TEST_F(ClusterControllerTest, a_policy_whose_definition_has_no_status_has_its_event_once_and_its_condition_later) {
  ClusterController quick{client, {.host = "op", .status_retry = std::chrono::milliseconds(20)}};
  put_idle_policy(server, false);
  const auto story = [](ClusterControllerTest& t, ClusterController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    const auto tries = [&t] {
      return std::count_if(t.server.calls().begin(), t.server.calls().end(),
                           [](const auto& call) { return call.target.find("/p/status") != std::string::npos; });
    };
    co_await eventually([&] { return said(t.server, "NoMatchingNode") == 1 && tries() >= 3; });
    EXPECT_TRUE(c.errors().empty()) << "there is nothing to be mended by trying harder";
    t.server.status_subresource.insert(kPeeringPolicies.plural);
    const auto now = [&t] { return condition(t.server, kPeeringPolicies, "p", "cilium.io/NoMatchingNode"); };
    co_await eventually([&] { return now().starts_with("True"); }, now);
    EXPECT_EQ(said(t.server, "NoMatchingNode"), 1u);
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, quick));
}

// API servers before 1.30 judge the whole of an old object when its status is written.
TEST_F(ClusterControllerTest,
       an_old_object_that_is_refused_with_its_status_has_its_event_once_and_its_condition_later) {
  ClusterController quick{client, {.host = "op", .status_retry = std::chrono::milliseconds(20)}};
  put_idle_policy(server, true);
  int tries = 0;
  server.intercept = [&tries](const kube::Request& r) -> std::optional<kube::Response> {
    if (r.target.find("/p/status") == std::string::npos) return std::nullopt;
    ++tries;
    return kube::Response{.status = 422};
  };
  const auto story = [&tries](ClusterControllerTest& t, ClusterController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    co_await eventually([&] { return said(t.server, "NoMatchingNode") == 1 && tries >= 3; });
    EXPECT_TRUE(c.errors().empty()) << "there is nothing to be mended by trying harder";
    t.server.intercept = nullptr;
    const auto now = [&t] { return condition(t.server, kPeeringPolicies, "p", "cilium.io/NoMatchingNode"); };
    co_await eventually([&] { return now().starts_with("True"); }, now);
    EXPECT_EQ(said(t.server, "NoMatchingNode"), 1u);
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, quick));
}

TEST_F(ClusterControllerTest, kinds_that_nobody_serves_keep_no_policy_from_its_conditions) {
  ClusterController quick{client, {.host = "op", .kind_patience = std::chrono::milliseconds(0)}};
  without(server, "/apis/cilium.io/v2/");
  put_idle_policy(server, true);
  const auto story = [](ClusterControllerTest& t, ClusterController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    const auto now = [&t] { return condition(t.server, kPeeringPolicies, "p", "cilium.io/NoMatchingNode"); };
    co_await eventually([&] { return now().starts_with("True"); }, now);
    // The definitions come: what was left undone is done.
    t.server.put(kClusterConfigs, yaml(kConfig));
    t.server.intercept = nullptr;
    co_await eventually([&] { return t.server.get(kNodeConfigs, "", "n1").has_value(); });
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, quick));
}

TEST_F(ClusterControllerTest, node_configs_stay_while_what_they_are_made_of_is_not_served) {
  ClusterController quick{client, {.host = "op", .kind_patience = std::chrono::milliseconds(0)}};
  without(server, "/ciliumbgpclusterconfigs");
  put_idle_policy(server, true);
  server.put(kNodeConfigs,
             yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n1, "
                  "ownerReferences: [{apiVersion: cilium.io/v2, kind: CiliumBGPClusterConfig, name: east, "
                  "uid: u}]}\nspec: {bgpInstances: [{name: a, localASN: 1}]}"));
  const auto story = [](ClusterControllerTest& t, ClusterController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    const auto now = [&t] { return condition(t.server, kPeeringPolicies, "p", "cilium.io/NoMatchingNode"); };
    co_await eventually([&] { return now().starts_with("True"); }, now);
    EXPECT_TRUE(t.server.get(kNodeConfigs, "", "n1"));
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, quick));
}

// ---- the agent's

TEST_F(NodeControllerTest, a_policy_works_where_no_definition_serves_v2) {
  policy();
  without(server, "/apis/cilium.io/v2/");
  services.initialized_by("kubernetes services");
  using std::chrono::milliseconds;
  NodeController old{client,
                     {.node = "n1", .cluster = "east", .look_every = milliseconds(1), .kind_patience = milliseconds(0)},
                     {own_node, services, slices, remotes, nodes, kernel},
                     speaker};
  const auto story = [](NodeControllerTest& t, NodeController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); },
                        [&] { return c.waiting_for(); });
    EXPECT_THAT(lines(c.findings()),
                HasSubstr("CustomResourceDefinition ciliumbgpnodeconfigs.cilium.io: does not serve "
                          "v2"));
    // A server that is away says nothing about its kinds: what works goes on.
    int away = 0;
    t.server.intercept = [&away](const kube::Request& r) -> std::optional<kube::Response> {
      if (r.target.find("/apis/cilium.io/v2/") == std::string::npos) return std::nullopt;
      ++away;
      return kube::Response{.status = 503};
    };
    co_await eventually([&] { return away >= 10; });
    EXPECT_EQ(c.waiting_for(), "");
    // They come: nothing is held against them any more.
    t.server.intercept = nullptr;
    co_await eventually([&] { return c.findings().empty(); }, [&] { return lines(c.findings()); });
    EXPECT_TRUE(t.speaker.wanted.instances.contains("65001"));
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, old));
}

TEST_F(NodeControllerTest, a_kind_that_is_missing_for_a_moment_is_waited_for) {
  policy();
  without(server, "/ciliumbgppeerconfigs");
  services.initialized_by("kubernetes services");
  NodeController patient{client,
                         {.node = "n1", .cluster = "east", .look_every = std::chrono::milliseconds(1)},
                         {own_node, services, slices, remotes, nodes, kernel},
                         speaker};
  const auto story = [](NodeControllerTest& t, NodeController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    co_await eventually([&] { return c.waiting_for() == "ciliumbgppeerconfigs"; }, [&] { return c.waiting_for(); });
    co_await eventually([&] {
      return std::count_if(t.server.calls().begin(), t.server.calls().end(), [](const auto& call) {
               return call.target.find("/ciliumbgppeerconfigs") != std::string::npos;
             }) >= 2;
    });
    EXPECT_EQ(t.speaker.applied, 0u);
    t.server.intercept = nullptr;
    co_await eventually([&] { return t.speaker.wanted.instances.contains("65001"); });
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, patient));
}

TEST_F(NodeControllerTest, where_no_kind_is_served_all_are_waited_for) {
  without(server, "/apis/cilium.io/");
  services.initialized_by("kubernetes services");
  using std::chrono::milliseconds;
  NodeController early{
      client,
      {.node = "n1", .cluster = "east", .look_every = milliseconds(1), .kind_patience = milliseconds(0)},
      {own_node, services, slices, remotes, nodes, kernel},
      speaker};
  const auto story = [](NodeControllerTest& t, NodeController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    co_await eventually([&] { return t.server.calls().size() >= 12; });
    EXPECT_EQ(t.speaker.applied, 0u);
    EXPECT_THAT(c.waiting_for(), HasSubstr("ciliumbgppeeringpolicies"));
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, early));
}

TEST_F(NodeControllerTest, wants_are_not_complete_before_services_are_listed) {
  policy();
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.speaker.wanted.instances.contains("65001"); });
    EXPECT_FALSE(t.speaker.wanted.complete);
    EXPECT_THAT(t.controller.waiting_for(), HasSubstr("services"));
    t.services.initialized_by("kubernetes services");
    co_await eventually([&] { return t.speaker.wanted.complete; });
  });
}

TEST_F(NodeControllerTest, secrets_that_may_not_be_read_hold_their_peers_down_and_nothing_else) {
  policy(", authSecretRef: tor");
  server.intercept = [](const kube::Request& r) -> std::optional<kube::Response> {
    if (r.target.find("secrets") == std::string::npos) return std::nullopt;
    return kube::Response{.status = 403};
  };
  services.initialized_by("kubernetes services");
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); });
    const auto held = [&t] { return t.speaker.wanted.instances.at("65001").config.peers.at(0).held_down; };
    EXPECT_THAT(held(), HasSubstr("is not read yet"));
    co_await eventually([&] { return held().find("let weft-agent list and watch Secrets") != std::string::npos; },
                        held);
    EXPECT_THAT(held(), HasSubstr("403"));
  });
}

TEST_F(NodeControllerTest, a_node_that_was_drained_long_ago_announces_nothing_after_a_restart) {
  const Scratch dir;
  ASSERT_TRUE(write_file(dir / "bgp-drain-since", rfc3339(Wall::now() - std::chrono::hours(1))));
  policy();
  own_node.upsert({.name = "n1", .pod_cidrs = {prefix("10.1.0.0/24")}, .unschedulable = true});
  services.initialized_by("kubernetes services");
  NodeController restarted{client,
                           {.node = "n1", .cluster = "east", .state_dir = dir.path()},
                           {own_node, services, slices, remotes, nodes, kernel},
                           speaker};
  bool announced = false;
  speaker.on_apply = [&](const Wanted& w) {
    for (const auto& [name, instance] : w.instances)
      for (const auto& p : instance.config.peers) announced = announced || !p.routes.empty();
  };
  const auto story = [](NodeControllerTest& t, NodeController& c) -> Task<> {
    t.scope.spawn("controller", c.run());
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); });
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, restarted));
  EXPECT_FALSE(announced);
}

TEST_F(NodeControllerTest, an_interface_address_follows_the_interface) {
  world->add_nic("vip0", {"192.0.2.200/32"});
  services.initialized_by("kubernetes services");
  server.put(kAdvertisements,
             yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPAdvertisement\nmetadata: {name: a}\nspec: {advertisements: "
                  "[{advertisementType: Interface, interface: {name: vip0}}]}"));
  server.put(kPeerConfigs,
             yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPPeerConfig\nmetadata: {name: tor}\nspec: {families: [{afi: "
                  "ipv4, safi: unicast, advertisements: {}}]}"));
  server.put(
      kNodeConfigs,
      yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: [{name: "
           "main, localASN: 1, peers: [{name: tor, peerAddress: 10.0.0.1, peerConfigRef: {name: tor}}]}]}"));
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] {
      const auto& i = t.speaker.wanted.instances;
      return i.contains("main") && !i.at("main").route_sets.empty() &&
             i.at("main").route_sets.begin()->second.contains(prefix("192.0.2.200/32"));
    });
  });
}

TEST_F(NodeControllerTest, a_default_route_that_is_away_for_a_moment_ends_no_session) {
  const int nic = world->add_nic("eth0", {"10.0.0.11/24"});
  world->namespaces[""].routes.push_back({.destination = prefix("0.0.0.0/0"), .via = addr("10.0.0.1"), .ifindex = nic});
  services.initialized_by("kubernetes services");
  server.put(
      kNodeConfigs,
      yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: [{name: "
           "main, localASN: 1, peers: [{name: gw, peerASN: 2, autoDiscovery: {mode: DefaultGateway, defaultGateway: "
           "{addressFamily: ipv4}}}]}]}"));
  using std::chrono::milliseconds;
  // One waits as long as it does by default, the other no time worth mentioning.
  NodeController patient{client,
                         {.node = "n1", .cluster = "east", .look_every = milliseconds(1)},
                         {own_node, services, slices, remotes, nodes, kernel},
                         speaker};
  SilentSpeaker other{io};
  NodeController hasty{
      client,
      {.node = "n1", .cluster = "east", .look_every = milliseconds(1), .gateway_hold = milliseconds(20)},
      {own_node, services, slices, remotes, nodes, kernel},
      other};
  const auto peers = [](const SilentSpeaker& s) {
    const auto i = s.wanted.instances.find("main");
    return i == s.wanted.instances.end() ? 0 : i->second.config.peers.size();
  };
  const auto story = [](NodeControllerTest& t, NodeController& a, NodeController& b, const SilentSpeaker& told_b,
                        const auto& count) -> Task<> {
    t.scope.spawn("patient", a.run());
    t.scope.spawn("hasty", b.run());
    co_await eventually([&] { return count(t.speaker) == 1 && count(told_b) == 1; });
    t.world->namespaces[""].routes.clear();
    co_await eventually([&] { return count(told_b) == 0; });
    // The other has looked too, and more than once.
    const auto before = t.speaker.applied;
    co_await eventually([&] { return t.speaker.applied > before + 3; });
    EXPECT_EQ(count(t.speaker), 1u);
    co_await t.scope.stop();
  };
  testing::run(io, story(*this, patient, hasty, other, peers));
}

// Another pass of the controller, for some reason that has nothing to do with peers.
Task<> another_pass(NodeControllerTest& t) {
  const auto before = t.speaker.applied;
  t.own_node.upsert({.name = "n1", .pod_cidrs = {prefix(fmt::format("10.1.{}.0/24", before % 256).c_str())}});
  co_await eventually([&] { return t.speaker.applied > before; });
}

TEST_F(NodeControllerTest, a_fault_is_counted_when_it_comes_and_not_with_every_pass) {
  policy();
  services.initialized_by("kubernetes services");
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); });
    const auto count = [&t] { return t.controller.errors().contains(65001) ? t.controller.errors().at(65001) : 0; };
    EXPECT_EQ(count(), 0u);
    t.speaker.faults = {{"65001", "10.0.0.1", "hold time 2 s"}};
    for (int i = 0; i < 3; ++i) co_await another_pass(t);
    EXPECT_EQ(count(), 1u);
    EXPECT_EQ(t.controller.faults().size(), 1u) << "it is still shown";
    t.speaker.faults[0].why = "hold time 1 s";
    co_await another_pass(t);
    EXPECT_EQ(count(), 2u);
    const auto again = std::exchange(t.speaker.faults, {});
    co_await another_pass(t);
    t.speaker.faults = again;
    co_await another_pass(t);
    EXPECT_EQ(count(), 3u) << "it was away";
  });
}

TEST_F(NodeControllerTest, goodbye_marks_routes_of_a_session_that_is_up) {
  policy();
  services.initialized_by("kubernetes services");
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); });
    const auto marked = [&t] { return t.speaker.wanted.instances.at("65001").config.peers.at(0).graceful_shutdown; };
    co_await t.controller.say_goodbye(std::chrono::milliseconds(1));
    EXPECT_FALSE(marked());
    PeerStatus up;
    up.instance = "65001";
    up.name = "10.0.0.1";
    up.state = SessionState::established;
    t.speaker.statuses = {up};
    co_await t.controller.say_goodbye(std::chrono::milliseconds(1));
    EXPECT_TRUE(marked());
  });
}

TEST_F(NodeControllerTest, goodbye_marks_routes_of_a_router_that_did_not_agree_to_graceful_restart_and_waits) {
  server.put(kPeeringPolicies,
             yaml("apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: "
                  "{virtualRouters: [{localASN: 65001, exportPodCIDR: true, neighbors: ["
                  "{peerAddress: 10.0.0.1/32, peerASN: 65000, gracefulRestart: {enabled: true}}, "
                  "{peerAddress: 10.0.0.2/32, peerASN: 65000, gracefulRestart: {enabled: true}}, "
                  "{peerAddress: fd00::1/128, peerASN: 65000, gracefulRestart: {enabled: true}}, "
                  "{peerAddress: fd00::2/128, peerASN: 65000, gracefulRestart: {enabled: true}}]}]}"));
  services.initialized_by("kubernetes services");
  drive([](NodeControllerTest& t) -> Task<> {
    co_await eventually([&] { return t.speaker.wanted.complete && t.speaker.wanted.instances.contains("65001"); });
    const auto marked = [&t] {
      std::string out;
      for (const PeerConfig& p : t.speaker.wanted.instances.at("65001").config.peers)
        if (p.graceful_shutdown && p.routes.size() == 2) out += p.name + " ";
      return out;
    };
    const auto up = [&t](const char* name, bool agreed) {
      PeerStatus s;
      s.instance = "65001";
      s.name = name;
      s.state = SessionState::established;
      s.ours.graceful_restart.emplace();
      if (agreed) s.theirs.graceful_restart.emplace();
      t.speaker.statuses.push_back(s);
    };
    up("10.0.0.1", true);
    up("fd00::1", true);
    const auto before = t.speaker.applied;
    co_await t.controller.say_goodbye(std::chrono::hours(1));
    EXPECT_EQ(t.speaker.applied, before) << "all keep our routes: nothing to say, nothing to wait for";
    up("10.0.0.2", false);
    up("fd00::2", false);
    const auto begun = Steady::now();
    co_await t.controller.say_goodbye(std::chrono::milliseconds(50));
    EXPECT_GE(Steady::now() - begun, std::chrono::milliseconds(50));
    EXPECT_EQ(marked(), "10.0.0.2 fd00::2 ");
  });
}

}  // namespace
}  // namespace weft::bgp::control
