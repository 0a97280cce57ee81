#include <gmock/gmock.h>

#include <map>

#include "lab/controllers/daemonset.h"
#include "lab/controllers/deployment.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/replicaset.h"
#include "lab/controllers/tests/build.h"

namespace weft::lab::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// ---- ReplicaSet

json::object replica_set(int replicas) {
  json::object o = parse(R"({"metadata":{"namespace":"shop","name":"web","uid":"rs","generation":3},
    "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}}})");
  o["spec"].get_object()["replicas"] = replicas;
  return o;
}

TEST(ReplicaSet, missing_pods_are_created_and_dead_or_leaving_ones_do_not_count) {
  const auto plan =
      plan_replicaset(replica_set(3),
                      {Pod{.name = "a", .owner_uid = "rs"}, Pod{.name = "b", .owner_uid = "rs", .phase = "Failed"},
                       Pod{.name = "c", .owner_uid = "rs", .deleting = true}},
                      kNow);
  EXPECT_EQ(plan.create, 2u);
  EXPECT_THAT(plan.remove, IsEmpty());
  EXPECT_EQ(number(plan.status, "replicas"), 1);
  EXPECT_EQ(number(plan.status, "readyReplicas"), 1);
  EXPECT_EQ(number(plan.status, "observedGeneration"), 3);
}

TEST(ReplicaSet, pods_that_serve_nobody_go_first) {
  const auto plan =
      plan_replicaset(replica_set(2),
                      {Pod{.name = "old", .owner_uid = "rs", .age = 900},
                       Pod{.name = "young", .owner_uid = "rs", .node = "n2", .age = 10},
                       Pod{.name = "broken", .owner_uid = "rs", .node = "n3", .ready = false, .age = 500},
                       Pod{.name = "waiting", .owner_uid = "rs", .node = "", .ready = false, .phase = "Pending"}},
                      kNow);
  EXPECT_THAT(names(plan.remove), UnorderedElementsAre("waiting", "broken"));
}

TEST(ReplicaSet, of_healthy_pods_the_doubled_then_the_youngest_goes) {
  std::vector<ObjectPtr> pods{Pod{.name = "a", .node = "n1", .age = 900}, Pod{.name = "b", .node = "n2", .age = 100},
                              Pod{.name = "c", .node = "n1", .age = 800}};
  EXPECT_THAT(names(pods_to_delete(pods, 1)), ElementsAre("c"));
}

TEST(ReplicaSet, an_orphan_that_matches_is_adopted_and_counted) {
  const auto plan =
      plan_replicaset(replica_set(1), {Pod{.name = "stray"}, Pod{.name = "other", .labels = {{"app", "db"}}}}, kNow);
  EXPECT_THAT(names(plan.adopt), ElementsAre("stray"));
  EXPECT_EQ(plan.create, 0u);
}

TEST(ReplicaSet, a_pod_is_available_only_after_its_time) {
  json::object set = replica_set(1);
  set["spec"].get_object()["minReadySeconds"] = 30;
  auto plan = plan_replicaset(set, {Pod{.name = "a", .owner_uid = "rs", .ready_for = 10}}, kNow);
  EXPECT_EQ(number(plan.status, "availableReplicas"), 0);
  EXPECT_TRUE(plan.recheck);
  plan = plan_replicaset(set, {Pod{.name = "a", .owner_uid = "rs", .ready_for = 31}}, kNow);
  EXPECT_EQ(number(plan.status, "availableReplicas"), 1);
  EXPECT_FALSE(plan.recheck);
}

// ---- Deployment: a small world in which ReplicaSets do at once what they are told.

struct World {
  json::object deployment = parse(R"({"metadata":{"namespace":"shop","name":"web","uid":"d","generation":1},
    "spec":{"replicas":4,"selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":1}},
    "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"v1"}]}}}})");
  std::map<std::string, json::object> sets;
  Wall::time_point now = kNow;
  std::int64_t least_available = 1000, most_total = 0;
  bool pods_become_ready = true;

  json::object& spec() { return deployment["spec"].get_object(); }
  void image(std::string_view v) {
    spec()["template"].at_pointer("/spec/containers/0/image") = v;
    auto& g = deployment["metadata"].get_object()["generation"];
    g = g.as_int64() + 1;
  }

  // One look of the deployment controller; true when it did something to sets.
  bool step() {
    std::vector<ObjectPtr> known;
    for (auto& [n, s] : sets) known.push_back(obj(s));
    DeploymentPlan plan = plan_deployment(deployment, known, {}, now);
    if (plan.create) {
      json::object s = *plan.create;
      s["metadata"].get_object()["uid"] = "uid-" + text(s, "metadata/name");
      s["metadata"].get_object()["creationTimestamp"] = rfc3339(now);
      sets[text(s, "metadata/name")] = s;
    }
    for (auto& c : plan.changes) {
      json::object& s = sets.at(c.set.name);
      if (const auto* r = find(c.patch, "spec/replicas")) s["spec"].get_object()["replicas"] = *r;
      for (const auto& [k, v] : sub(c.patch, "metadata/annotations")) {
        if (!sub(s, "metadata").contains("annotations")) s["metadata"].get_object()["annotations"] = json::object{};
        s["metadata"].get_object()["annotations"].get_object()[k] = v;
      }
    }
    for (const auto& o : plan.remove) sets.erase(o->name.name);
    for (const auto& [k, v] : plan.annotations) {
      if (!sub(deployment, "metadata").contains("annotations"))
        deployment["metadata"].get_object()["annotations"] = json::object{};
      deployment["metadata"].get_object()["annotations"].get_object()[k] = v;
    }
    if (!plan.status.empty()) deployment["status"] = plan.status;
    return plan.create || !plan.changes.empty() || !plan.remove.empty();
  }

  // ReplicaSets get one pod nearer to what they should have. True when something changed.
  bool pods() {
    bool changed = false;
    std::int64_t available = 0, total = 0;
    for (auto& [n, s] : sets) {
      if (!s.contains("status"))
        s["status"] = json::object{{"replicas", 0}, {"readyReplicas", 0}, {"availableReplicas", 0}};
      json::object& status = s["status"].get_object();
      const auto want = number(s, "spec/replicas");
      auto have = number(status, "replicas"), ready = number(status, "readyReplicas");
      const bool may = pods_become_ready || n != newest();
      if (have != want) {
        have = want;
        ready = std::min(ready, have);
        changed = true;
      } else if (may && ready < have) {
        ++ready;
        changed = true;
      }
      for (const char* f : {"readyReplicas", "availableReplicas"}) status[f] = ready;
      status["replicas"] = have;
      status["observedGeneration"] = number(s, "metadata/generation");
      available += ready;
      total += have;
    }
    least_available = std::min(least_available, available);
    most_total = std::max(most_total, total);
    return changed;
  }
  std::string newest() const {
    std::string best;
    long highest = -1;
    for (const auto& [n, s] : sets) {
      const long r = std::atol(annotation(s, "deployment.kubernetes.io/revision").c_str());
      if (r > highest) highest = r, best = n;
    }
    return best;
  }

  bool settle() {
    for (int i = 0; i < 200; ++i) {
      const bool a = step(), b = pods();
      if (!a && !b && !step()) return true;
      now += std::chrono::seconds(1);
    }
    return false;
  }
  std::map<std::string, std::int64_t> by_image() const {
    std::map<std::string, std::int64_t> out;
    for (const auto& [n, s] : sets)
      out[std::string(s.at("spec").at_pointer("/template/spec/containers/0/image").as_string())] +=
          number(s, "spec/replicas");
    return out;
  }
  // What kubectl rollout status asks.
  bool rolled_out() const {
    const auto* p = condition(deployment, "Progressing");
    return number(deployment, "status/observedGeneration") >= number(deployment, "metadata/generation") &&
           number(deployment, "status/updatedReplicas") == number(deployment, "spec/replicas") &&
           number(deployment, "status/replicas") == number(deployment, "status/updatedReplicas") &&
           number(deployment, "status/availableReplicas") == number(deployment, "status/updatedReplicas") && p &&
           text(*p, "reason") == "NewReplicaSetAvailable";
  }
};

TEST(Deployment, a_new_one_gets_a_set_with_its_hash_and_rolls_out) {
  World w;
  ASSERT_TRUE(w.settle());
  ASSERT_EQ(w.sets.size(), 1u);
  const auto& [name, set] = *w.sets.begin();
  const std::string hash = label(set, "pod-template-hash");
  EXPECT_EQ(name, "web-" + hash);
  EXPECT_EQ(text(set, "spec/selector/matchLabels/pod-template-hash"), hash);
  EXPECT_EQ(text(set, "spec/template/metadata/labels/pod-template-hash"), hash);
  EXPECT_EQ(annotation(w.deployment, "deployment.kubernetes.io/revision"), "1");
  EXPECT_TRUE(w.rolled_out());
  EXPECT_EQ(text(*condition(w.deployment, "Available"), "status"), "True");
}

TEST(Deployment, an_update_keeps_within_surge_and_unavailability) {
  World w;
  ASSERT_TRUE(w.settle());
  w.least_available = 1000, w.most_total = 0;
  w.image("v2");
  w.step();
  EXPECT_FALSE(w.rolled_out());
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image(), (std::map<std::string, std::int64_t>{{"v1", 0}, {"v2", 4}}));
  EXPECT_GE(w.least_available, 3);
  EXPECT_LE(w.most_total, 5);
  EXPECT_TRUE(w.rolled_out());
  EXPECT_EQ(annotation(w.deployment, "deployment.kubernetes.io/revision"), "2");
}

TEST(Deployment, a_template_that_never_gets_ready_stops_with_enough_old_pods_and_says_so) {
  World w;
  w.spec()["progressDeadlineSeconds"] = 60;
  ASSERT_TRUE(w.settle());
  w.image("broken");
  w.pods_become_ready = false;
  w.least_available = 1000;
  ASSERT_TRUE(w.settle());
  EXPECT_GE(w.least_available, 3);
  EXPECT_EQ(w.by_image(), (std::map<std::string, std::int64_t>{{"v1", 3}, {"broken", 2}}));
  w.now += std::chrono::seconds(61);
  w.step();
  EXPECT_EQ(text(*condition(w.deployment, "Progressing"), "reason"), "ProgressDeadlineExceeded");
  // Undo: the template of before comes back as a new revision of the same set.
  w.pods_become_ready = true;
  w.image("v1");
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image(), (std::map<std::string, std::int64_t>{{"v1", 4}, {"broken", 0}}));
  EXPECT_EQ(w.sets.size(), 2u);
  EXPECT_EQ(annotation(w.deployment, "deployment.kubernetes.io/revision"), "3");
  EXPECT_TRUE(w.rolled_out());
}

TEST(Deployment, no_surge_and_no_unavailability_still_moves) {
  World w;
  w.spec()["strategy"] = json::parse(R"({"rollingUpdate":{"maxSurge":0,"maxUnavailable":"10%"}})");
  ASSERT_TRUE(w.settle());
  w.image("v2");
  w.most_total = 0, w.least_available = 1000;
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image()["v2"], 4);
  EXPECT_EQ(w.most_total, 4);
  EXPECT_EQ(w.least_available, 3);
}

TEST(Deployment, recreate_ends_the_old_before_it_starts_the_new) {
  World w;
  w.spec()["strategy"] = json::parse(R"({"type":"Recreate"})");
  ASSERT_TRUE(w.settle());
  w.image("v2");
  w.most_total = 0, w.least_available = 1000;
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image()["v2"], 4);
  EXPECT_EQ(w.least_available, 0);
  EXPECT_LE(w.most_total, 4);
}

TEST(Deployment, scaling_is_no_rollout) {
  World w;
  ASSERT_TRUE(w.settle());
  for (const int replicas : {7, 2, 0}) {
    w.spec()["replicas"] = replicas;
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.by_image()["v1"], replicas);
    EXPECT_EQ(w.sets.size(), 1u);
    EXPECT_TRUE(w.rolled_out()) << json::serialize(w.deployment);
  }
}

TEST(Deployment, while_paused_a_new_template_waits_and_scaling_works) {
  World w;
  ASSERT_TRUE(w.settle());
  w.spec()["paused"] = true;
  w.image("v2");
  w.spec()["replicas"] = 6;
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image(), (std::map<std::string, std::int64_t>{{"v1", 6}}));
  w.spec().erase("paused");
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.by_image()["v2"], 6);
}

TEST(Deployment, history_is_kept_to_its_limit) {
  World w;
  w.spec()["revisionHistoryLimit"] = 2;
  for (int v = 1; v <= 6; ++v) {
    w.image("v" + std::to_string(v));
    ASSERT_TRUE(w.settle());
  }
  EXPECT_EQ(w.by_image(), (std::map<std::string, std::int64_t>{{"v4", 0}, {"v5", 0}, {"v6", 4}}));
}

TEST(Deployment, a_settled_one_is_left_alone) {
  World w;
  ASSERT_TRUE(w.settle());
  std::vector<ObjectPtr> known;
  for (auto& [n, s] : w.sets) known.push_back(obj(s));
  const auto plan = plan_deployment(w.deployment, known, {}, w.now + std::chrono::hours(1));
  EXPECT_FALSE(plan.create);
  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_TRUE(plan.status.empty()) << json::serialize(plan.status);
  EXPECT_TRUE(plan.annotations.empty());
}

TEST(Deployment, counts_are_numbers_or_percentages) {
  const json::value half("50%"), three(3), bad("half");
  EXPECT_EQ(resolve_count(&half, 5, true, 0), 3);
  EXPECT_EQ(resolve_count(&half, 5, false, 0), 2);
  EXPECT_EQ(resolve_count(&three, 5, true, 0), 3);
  EXPECT_EQ(resolve_count(&bad, 5, true, 9), 9);
  EXPECT_EQ(resolve_count(nullptr, 5, true, 9), 9);
}

// ---- DaemonSet

json::object daemon_set(std::string_view image = "v1", std::string_view spec = "{}") {
  json::object o = parse(R"({"metadata":{"namespace":"shop","name":"agent","uid":"ds","generation":1},
    "spec":{"selector":{"matchLabels":{"app":"agent"}},"template":{"metadata":{"labels":{"app":"agent"}},"spec":{"containers":[{"name":"c"}]}}}})");
  o["spec"].at_pointer("/template/spec/containers/0").as_object()["image"] = image;
  for (const auto& [k, v] : parse(spec)) o["spec"].at_pointer("/template/spec").as_object()[k] = v;
  return o;
}

Pod daemon(std::string name, std::string node, const json::object& set) {
  return Pod{.name = name,
             .owner_uid = "ds",
             .owner_kind = "DaemonSet",
             .node = node,
             .labels = {{"app", "agent"}, {"controller-revision-hash", daemon_revision(set)}}};
}

TEST(DaemonSet, every_node_that_qualifies_gets_one_pod) {
  const auto set = daemon_set();
  const json::array taint = json::parse(R"([{"key":"gpu","effect":"NoSchedule"}])").as_array();
  const auto plan = plan_daemonset(
      set,
      {Node{.name = "n1"}, Node{.name = "n2", .taints = taint}, Node{.name = "n3", .ready = false, .cordoned = true}},
      {daemon("a", "n1", set)}, kNow);
  EXPECT_THAT(plan.create, ElementsAre("n3"));
  EXPECT_EQ(number(plan.status, "desiredNumberScheduled"), 2);
  EXPECT_EQ(number(plan.status, "currentNumberScheduled"), 1);
  EXPECT_EQ(number(plan.status, "numberAvailable"), 1);
  EXPECT_EQ(number(plan.status, "numberUnavailable"), 1);
}

TEST(DaemonSet, its_pods_are_pinned_to_their_node_and_tolerate_what_daemons_must) {
  const json::object pod = daemon_pod(daemon_set("v1", R"({"hostNetwork":true})"), "n7");
  const std::string s = json::serialize(pod);
  EXPECT_NE(s.find(R"("matchFields":[{"key":"metadata.name","operator":"In","values":["n7"]}])"), std::string::npos)
      << s;
  EXPECT_NE(s.find("node.kubernetes.io/network-unavailable"), std::string::npos) << s;
  EXPECT_EQ(text(pod, "metadata/generateName"), "agent-");
}

TEST(DaemonSet, pods_leave_nodes_that_qualify_no_more_and_doubles_go) {
  const auto set = daemon_set("v1", R"({"nodeSelector":{"edge":"yes"}})");
  const auto plan = plan_daemonset(
      set, {Node{.name = "n1", .labels = {{"edge", "yes"}}}, Node{.name = "n2"}},
      {daemon("a", "n1", set), daemon("b", "n1", set), daemon("c", "n2", set), daemon("d", "gone", set)}, kNow);
  EXPECT_THAT(names(plan.remove), UnorderedElementsAre("b", "c", "d"));
  EXPECT_THAT(plan.create, IsEmpty());
}

TEST(DaemonSet, an_update_replaces_one_at_a_time_and_broken_ones_at_once) {
  const auto old = daemon_set("v1"), set = daemon_set("v2");
  const std::vector<ObjectPtr> nodes{Node{.name = "n1"}, Node{.name = "n2"}, Node{.name = "n3"}};
  auto plan =
      plan_daemonset(set, nodes, {daemon("a", "n1", old), daemon("b", "n2", old), daemon("c", "n3", old)}, kNow);
  EXPECT_THAT(names(plan.remove), ElementsAre("a"));
  // While the first is on its way nobody else goes.
  Pod leaving = daemon("a", "n1", old);
  leaving.deleting = true;
  plan = plan_daemonset(set, nodes, {leaving, daemon("b", "n2", old), daemon("c", "n3", old)}, kNow);
  EXPECT_THAT(plan.remove, IsEmpty());
  EXPECT_THAT(plan.create, IsEmpty());
  plan = plan_daemonset(set, nodes, {daemon("b", "n2", old), daemon("c", "n3", old)}, kNow);
  EXPECT_THAT(plan.create, ElementsAre("n1"));
  EXPECT_THAT(plan.remove, IsEmpty());
  Pod broken = daemon("b", "n2", old);
  broken.ready = false;
  plan = plan_daemonset(set, nodes, {daemon("a2", "n1", set), broken, daemon("c", "n3", old)}, kNow);
  EXPECT_THAT(names(plan.remove), ElementsAre("b"));
  EXPECT_EQ(number(plan.status, "updatedNumberScheduled"), 1);
}

TEST(DaemonSet, with_surge_the_new_pod_comes_before_the_old_one_goes) {
  const auto old = daemon_set("v1");
  auto set = daemon_set("v2");
  set["spec"].get_object()["updateStrategy"] =
      json::parse(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})");
  const std::vector<ObjectPtr> nodes{Node{.name = "n1"}, Node{.name = "n2"}};
  auto plan = plan_daemonset(set, nodes, {daemon("a", "n1", old), daemon("b", "n2", old)}, kNow);
  EXPECT_THAT(plan.create, ElementsAre("n1"));
  EXPECT_THAT(plan.remove, IsEmpty());
  Pod fresh = daemon("a2", "n1", set);
  fresh.ready = false;
  plan = plan_daemonset(set, nodes, {daemon("a", "n1", old), fresh, daemon("b", "n2", old)}, kNow);
  EXPECT_THAT(plan.create, IsEmpty());
  EXPECT_THAT(plan.remove, IsEmpty());
  fresh.ready = true;
  plan = plan_daemonset(set, nodes, {daemon("a", "n1", old), fresh, daemon("b", "n2", old)}, kNow);
  EXPECT_THAT(names(plan.remove), ElementsAre("a"));
}

TEST(DaemonSet, a_failed_pod_is_replaced_but_not_in_a_hot_loop) {
  const auto set = daemon_set();
  Pod failed = daemon("a", "n1", set);
  failed.phase = "Failed";
  failed.age = 0;
  auto plan = plan_daemonset(set, {Node{.name = "n1"}}, {failed}, kNow);
  EXPECT_THAT(plan.remove, IsEmpty());
  EXPECT_TRUE(plan.recheck);
  failed.age = 2;
  plan = plan_daemonset(set, {Node{.name = "n1"}}, {failed}, kNow);
  EXPECT_THAT(names(plan.remove), ElementsAre("a"));
  EXPECT_THAT(plan.create, IsEmpty());
}

}  // namespace
}  // namespace weft::lab::testing
