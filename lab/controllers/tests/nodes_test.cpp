#include <gmock/gmock.h>

#include "lab/controllers/ipam.h"
#include "lab/controllers/node_health.h"
#include "lab/controllers/scheduler.h"
#include "lab/controllers/selector.h"
#include "lab/controllers/tests/build.h"

namespace weft::lab::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

NodeCidrOptions dual() { return *parse_node_cidr_options("10.1.0.0/16,fd00:1::/48", 24, 64); }

TEST(NodeCidrs, nodes_get_the_lowest_free_subnet_of_each_family_by_name) {
  const auto plan = plan_node_cidrs(dual(), {Node{.name = "b"}, Node{.name = "a"}});
  ASSERT_EQ(plan.assign.size(), 2u);
  EXPECT_EQ(plan.assign[0].node, "a");
  EXPECT_THAT(plan.assign[0].cidrs, ElementsAre("10.1.0.0/24", "fd00:1::/64"));
  EXPECT_THAT(plan.assign[1].cidrs, ElementsAre("10.1.1.0/24", "fd00:1:0:1::/64"));
}

TEST(NodeCidrs, what_a_node_has_stays_and_is_given_to_nobody_else) {
  const auto plan =
      plan_node_cidrs(dual(), {Node{.name = "a"}, Node{.name = "b", .cidrs = {"10.1.0.0/24", "fd00:1::/64"}},
                               Node{.name = "c", .cidrs = {"10.1.2.0/23"}}, Node{.name = "d"}});
  ASSERT_EQ(plan.assign.size(), 2u);
  EXPECT_THAT(plan.assign[0].cidrs, ElementsAre("10.1.1.0/24", "fd00:1:0:1::/64"));
  EXPECT_THAT(plan.assign[1].cidrs, ElementsAre("10.1.4.0/24", "fd00:1:0:4::/64"));
}

TEST(NodeCidrs, an_exhausted_prefix_names_the_nodes_left_without) {
  const auto options = *parse_node_cidr_options("10.1.0.0/23", 24, 64);
  const auto plan = plan_node_cidrs(options, {Node{.name = "a"}, Node{.name = "b"}, Node{.name = "c"}});
  EXPECT_EQ(plan.assign.size(), 2u);
  EXPECT_THAT(plan.exhausted, ElementsAre("c"));
}

TEST(NodeCidrs, masks_that_are_no_whole_bytes_work) {
  const auto options = *parse_node_cidr_options("10.1.0.0/16,fd00:1::/60", 26, 63);
  const auto plan = plan_node_cidrs(
      options, {Node{.name = "a"}, Node{.name = "b"}, Node{.name = "c"}, Node{.name = "d"}, Node{.name = "e"}});
  ASSERT_EQ(plan.assign.size(), 5u);
  EXPECT_THAT(plan.assign[4].cidrs, ElementsAre("10.1.1.0/26", "fd00:1:0:8::/63"));
}

TEST(NodeCidrs, wrong_options_are_refused_by_name) {
  EXPECT_THAT(parse_node_cidr_options("10.1.0.0/16,nonsense", 24, 64).error().message,
              HasSubstr("--cluster-cidr: 'nonsense'"));
  EXPECT_THAT(parse_node_cidr_options("10.1.0.0/16,10.2.0.0/16", 24, 64).error().message, HasSubstr("one family"));
  EXPECT_THAT(parse_node_cidr_options("10.1.0.0/16", 8, 64).error().message,
              HasSubstr("--node-cidr-mask-size-ipv4: 8"));
  EXPECT_TRUE(parse_node_cidr_options("", 24, 64)->cluster_cidrs.empty());
}

json::object waiting(std::string_view name, std::string_view spec = "{}") {
  json::object pod{
      {"metadata", {{"namespace", "shop"}, {"name", name}, {"uid", std::string("uid-") + std::string(name)}}}};
  pod["spec"] = parse(spec);
  return pod;
}

TEST(Scheduler, replicas_spread_over_nodes_with_the_fewest_of_their_kind_first) {
  std::vector<ObjectPtr> pods{Pod{.name = "a", .owner_uid = "other", .node = "n2"}};
  for (const char* name : {"x1", "x2", "x3"}) {
    json::object p = waiting(name);
    p["metadata"].get_object()["ownerReferences"] =
        json::parse(R"([{"kind":"ReplicaSet","uid":"rs","controller":true}])");
    pods.push_back(obj(std::move(p)));
  }
  const auto placed = place_pods(pods, {Node{.name = "n1"}, Node{.name = "n2"}, Node{.name = "n3"}}, {});
  ASSERT_EQ(placed.size(), 3u);
  EXPECT_EQ(placed[0].node, "n1");
  EXPECT_EQ(placed[1].node, "n3");
  EXPECT_EQ(placed[2].node, "n2");
}

TEST(Scheduler, a_pod_goes_nowhere_else_than_its_selector_and_affinity_say) {
  const auto nodes = std::vector<ObjectPtr>{Node{.name = "n1"}, Node{.name = "n2", .labels = {{"disk", "ssd"}}}};
  EXPECT_EQ(place_pods({obj(waiting("a", R"({"nodeSelector":{"disk":"ssd"}})"))}, nodes, {})[0].node, "n2");
  const char* pinned = R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
      {"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}]}}}})";
  EXPECT_EQ(place_pods({obj(waiting("a", pinned))}, nodes, {})[0].node, "n1");
  const auto nowhere = place_pods({obj(waiting("a", R"({"nodeSelector":{"disk":"tape"}})"))}, nodes, {})[0];
  EXPECT_EQ(nowhere.node, "");
  EXPECT_EQ(nowhere.why, "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
}

TEST(Scheduler, taints_cordons_and_unready_nodes_keep_pods_away_unless_tolerated) {
  const json::array taint = json::parse(R"([{"key":"gpu","value":"a100","effect":"NoSchedule"}])").as_array();
  const std::vector<ObjectPtr> nodes{Node{.name = "n1", .taints = taint}, Node{.name = "n2", .cordoned = true},
                                     Node{.name = "n3", .ready = false}};
  const auto plain = place_pods({obj(waiting("a"))}, nodes, {})[0];
  EXPECT_EQ(plain.node, "");
  EXPECT_EQ(plain.why,
            "0/3 nodes are available: 1 node(s) had untolerated taint {gpu=a100}, 1 node(s) were not ready, 1 node(s) "
            "were unschedulable.");
  EXPECT_EQ(place_pods({obj(waiting("a", R"({"tolerations":[{"key":"gpu","value":"a100"}]})"))}, nodes, {})[0].node,
            "n1");
  EXPECT_EQ(
      place_pods({obj(waiting("a", R"({"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists"}]})"))},
                 nodes, {})[0]
          .node,
      "n3");
  EXPECT_NE(place_pods({obj(waiting("a", R"({"tolerations":[{"operator":"Exists"}]})"))}, nodes, {})[0].node, "");
}

TEST(Scheduler, two_pods_with_one_host_port_do_not_share_a_node) {
  const char* spec = R"({"hostNetwork":true,"containers":[{"ports":[{"containerPort":32379}]}]})";
  const auto placed = place_pods({obj(waiting("a", spec)), obj(waiting("b", spec)), obj(waiting("c", spec))},
                                 {Node{.name = "n1"}, Node{.name = "n2"}}, {});
  EXPECT_EQ(placed[0].node, "n1");
  EXPECT_EQ(placed[1].node, "n2");
  EXPECT_EQ(placed[2].node, "");
  EXPECT_THAT(placed[2].why, HasSubstr("2 node(s) didn't have free ports"));
}

TEST(Scheduler, pods_placed_a_moment_ago_are_not_placed_again) {
  EXPECT_TRUE(place_pods({obj(waiting("a"))}, {Node{.name = "n1"}}, {{"uid-a", "n1"}}).empty());
  EXPECT_TRUE(place_pods({obj(waiting("a", R"({"schedulerName":"mine"})"))}, {Node{.name = "n1"}}, {}).empty());
}

TEST(NodeHealth, taints_follow_conditions_and_others_stay) {
  const auto keys = [](const json::array& taints) {
    std::string out;
    for (const auto& t : taints) out += text(t.as_object(), "key") + " ";
    return out;
  };
  const json::array mine =
      json::parse(
          R"([{"key":"gpu","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}])")
          .as_array();
  EXPECT_EQ(keys(taints_by_condition(**ObjectPtr(Node{.name = "n", .taints = mine}))), "gpu ");
  EXPECT_EQ(keys(taints_by_condition(**ObjectPtr(Node{.name = "n", .taints = mine, .ready = false}))),
            "gpu node.kubernetes.io/not-ready ");
  EXPECT_EQ(keys(taints_by_condition(**ObjectPtr(Node{.name = "n", .cordoned = true}))),
            "node.kubernetes.io/unschedulable ");
  EXPECT_EQ(keys(taints_by_condition(parse(R"({"metadata":{"name":"new"}})"))), "node.kubernetes.io/not-ready ");
}

TEST(NodeHealth, a_silent_node_is_unknown_and_its_pods_are_not_ready) {
  json::object node = **ObjectPtr(Node{.name = "n"});
  node["status"].get_object()["conditions"] = conditions_unknown(node, kNow);
  EXPECT_EQ(text(*condition(node, "Ready"), "status"), "Unknown");
  EXPECT_EQ(text(taints_by_condition(node)[0].as_object(), "key"), "node.kubernetes.io/unreachable");
  json::object pod = **ObjectPtr(Pod{.name = "a"});
  const auto lost = pod_conditions_lost(pod, kNow);
  ASSERT_TRUE(lost);
  pod["status"].get_object()["conditions"] = *lost;
  EXPECT_EQ(text(*condition(pod, "Ready"), "status"), "False");
  EXPECT_FALSE(pod_conditions_lost(pod, kNow));
}

TEST(Selector, expressions_mean_what_kubernetes_says) {
  const auto holds = [](const char* selector, Labels labels) { return selects(parse(selector), labels); };
  EXPECT_TRUE(holds(R"({"matchLabels":{"a":"1"}})", {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(holds(R"({"matchLabels":{"a":"1"}})", {{"a", "2"}}));
  EXPECT_TRUE(holds(R"({"matchExpressions":[{"key":"a","operator":"In","values":["1","2"]}]})", {{"a", "2"}}));
  EXPECT_TRUE(holds(R"({"matchExpressions":[{"key":"a","operator":"NotIn","values":["1"]}]})", {}));
  EXPECT_FALSE(holds(R"({"matchExpressions":[{"key":"a","operator":"Exists"}]})", {}));
  EXPECT_TRUE(holds(R"({"matchExpressions":[{"key":"a","operator":"DoesNotExist"}]})", {}));
  EXPECT_FALSE(holds(R"({"matchExpressions":[{"key":"a","operator":"Whatever"}]})", {{"a", "1"}}));
  EXPECT_FALSE(selects_all_of({}, {{"a", "1"}}));
}

}  // namespace
}  // namespace weft::lab::testing
