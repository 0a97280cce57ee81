#include "apps/cli/cleanup_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apps/cli/tests/objects.h"

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

json::object agents(int generation, int observed, int desired) {
  auto o = obj(R"({"metadata": {"name": "weft-agent", "namespace": "net", "annotations": {"weft.io/cleanup": "1"}},
    "spec": {"template": {"spec": {"containers": [
    {"name": "weft-agent", "image": "r/weft:1", "command": ["weft-agent"], "args": ["--config-dir=/etc/weft/config"],
     "volumeMounts": [{"name": "run", "mountPath": "/var/run/weft"}]}, {"name": "beside", "image": "x"}]}}}})");
  o["metadata"].as_object()["generation"] = generation;
  o["status"] = json::object{{"observedGeneration", observed}, {"desiredNumberScheduled", desired}};
  return o;
}

json::object pod(const std::string& node, bool cleaner, bool ready, const std::string& status = "{}") {
  auto o = obj(R"({"metadata": {"name": "weft-agent-)" + node + R"("}, "spec": {"nodeName": ")" + node +
               R"(", "containers": [{"name": "weft-agent", "args": [")" +
               (cleaner ? "--cleanup-and-wait" : "--config-dir=/c") + R"("]}]}, "status": )" + status + "}");
  o["status"].as_object()["conditions"] =
      json::array{json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}}};
  return o;
}

json::object node(const std::string& name, const std::string& ready) {
  return obj(R"({"metadata": {"name": ")" + name + R"("}, "status": {"conditions": [{"type": "Ready", "status": ")" +
             ready + R"("}]}})");
}

TEST(CleanupPatch, makes_agents_clean_up_and_keeps_all_they_run_with) {
  const auto patch = cleanup_patch(agents(1, 1, 3));
  ASSERT_TRUE(patch) << patch.error().message;
  EXPECT_EQ(patch->at("metadata"), json::value(obj(R"({"name": "weft-agent", "namespace": "net"})")));
  const auto& containers = patch->at("spec").at("template").at("spec").at("containers").as_array();
  ASSERT_EQ(containers.size(), 2u) << "a merge replaces the whole list";
  EXPECT_EQ(containers[0].at("args"), json::value(json::array{"--config-dir=/etc/weft/config", "--cleanup-and-wait"}));
  EXPECT_EQ(containers[0].at("image"), json::value("r/weft:1"));
  EXPECT_EQ(containers[0].at("volumeMounts").as_array().size(), 1u);
  EXPECT_EQ(patch->at("spec").at("updateStrategy").at("rollingUpdate").at("maxUnavailable"), json::value("100%"))
      << "an operator's OnDelete would never begin";
}

TEST(CleanupPatch, twice_is_once) {
  auto set = agents(1, 1, 3);
  set["spec"].as_object()["template"] = cleanup_patch(set)->at("spec").at("template");
  const auto again = cleanup_patch(set);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->at("spec").at("template"), set.at("spec").at("template"));
}

TEST(CleanupPatch, agents_that_do_not_know_the_flag_are_left_alone) {
  auto set = agents(1, 1, 3);
  set["metadata"].as_object().erase("annotations");
  const auto r = cleanup_patch(set);
  ASSERT_FALSE(r) << "each agent would end on an argument that it does not know";
  EXPECT_THAT(r.error().message, HasSubstr("run weft upgrade first, or uninstall with --keep-datapath"));
}

TEST(CleanupPatch, another_daemon_set_of_that_name_is_refused) {
  const auto r = cleanup_patch(obj(R"({"metadata": {"name": "weft-agent"}})"));
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, HasSubstr("DaemonSet weft-agent: has no container weft-agent"));
}

TEST(CleanupProgress, waits_for_the_controller_each_agent_and_each_cleanup) {
  // The node itself becomes not ready as its CNI configuration goes: that is no reason to give it up.
  const std::vector<json::object> nodes{node("n1", "False"), node("n2", "True"), node("n3", "True")};
  auto p = cleanup_progress(agents(2, 1, 3), {}, nodes);
  EXPECT_FALSE(p.done());
  EXPECT_THAT(p.missing(), HasSubstr("DaemonSet"));
  p = cleanup_progress(agents(2, 2, 3), {pod("n1", true, true), pod("n2", true, false), pod("n3", false, true)}, nodes);
  EXPECT_FALSE(p.done());
  EXPECT_EQ(p.missing(), "nodes to be cleaned, 1 of 3 are; n2: the cleanup; n3: its agent to end");
  p = cleanup_progress(agents(2, 2, 3), {pod("n1", true, true), pod("n2", true, true)}, nodes);
  EXPECT_FALSE(p.done()) << "the pod of n3 is not there yet";
  p = cleanup_progress(agents(2, 2, 3), {pod("n1", true, true), pod("n2", true, true), pod("n3", true, true)}, nodes);
  EXPECT_TRUE(p.done()) << p.missing();
  EXPECT_EQ(p.missing(), "");
  EXPECT_THAT(p.clean, ElementsAre("n1", "n2", "n3"));
}

TEST(CleanupProgress, an_agent_on_its_way_out_keeps_its_node_waiting) {
  auto leaving = pod("n1", false, true);
  leaving["metadata"].as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  const auto p = cleanup_progress(agents(2, 2, 1), {pod("n1", true, true), leaving}, {node("n1", "True")});
  EXPECT_EQ(p.missing(), "nodes to be cleaned, 0 of 1 are; n1: its agent to end");
}

TEST(CleanupProgress, a_node_that_is_silent_is_given_up_and_named) {
  const auto p = cleanup_progress(agents(2, 2, 2), {pod("n1", true, true), pod("n2", false, false)},
                                  {node("n1", "True"), node("n2", "Unknown")});
  EXPECT_TRUE(p.done()) << p.missing();
  EXPECT_THAT(p.lost, ElementsAre("n2"));
}

TEST(CleanupProgress, the_pod_of_a_node_that_is_gone_stands_for_no_other) {
  const std::vector<json::object> nodes{node("n1", "True"), node("n3", "True")};
  auto p = cleanup_progress(agents(2, 2, 2), {pod("n1", true, true), pod("n2", false, false)}, nodes);
  EXPECT_EQ(p.missing(), "nodes to be cleaned, 1 of 2 are") << "n3 has no pod yet";
  EXPECT_THAT(p.gone, ElementsAre("n2"));
  EXPECT_TRUE(p.lost.empty());
  p = cleanup_progress(agents(2, 2, 2), {pod("n1", true, true), pod("n2", true, true)}, nodes);
  EXPECT_FALSE(p.done()) << "n2 was cleaned before it was deleted, and n3 has no pod yet";
  p = cleanup_progress(agents(2, 2, 2), {pod("n1", true, true), pod("n2", false, false), pod("n3", true, true)}, nodes);
  EXPECT_TRUE(p.done()) << p.missing();
}

TEST(CleanupProgress, says_what_the_cleanup_said) {
  const auto failed = pod("n1", true, false, R"({"containerStatuses": [{"name": "weft-agent", "state": {"waiting":
      {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1,
      "message": "device weft_vxlan: stays: busy\n"}}}]})");
  const auto p = cleanup_progress(agents(2, 2, 1), {failed}, {node("n1", "True")});
  EXPECT_EQ(p.missing(), "nodes to be cleaned, 0 of 1 are; n1: device weft_vxlan: stays: busy");
}

}  // namespace
}  // namespace weft::cli
