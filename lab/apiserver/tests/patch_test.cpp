#include "lab/apiserver/patch.h"

#include <gmock/gmock.h>

#include "lab/apiserver/apply.h"
#include "lab/apiserver/kinds.h"
#include "lab/apiserver/tests/text_json.h"

namespace weft::lab::api {
namespace {

using ::testing::HasSubstr;

const Schema& type(const char* name) { return *builtin_type(name); }
const Schema& deployment() { return type("io.k8s.api.apps.v1.Deployment"); }

TEST(json_patch, adds_removes_replaces_moves_and_copies) {
  const auto r = json_patch(j(R"({"a":{"b":[1,2,3]},"x~y/z":1})"),
                            j(R"([{"op":"add","path":"/a/b/1","value":9},{"op":"remove","path":"/a/b/0"},
    {"op":"add","path":"/a/b/-","value":7},{"op":"replace","path":"/x~0y~1z","value":2},{"op":"copy","from":"/a/b","path":"/c"},{"op":"move","from":"/a","path":"/d"}])"));
  ASSERT_TRUE(r);
  EXPECT_TRUE(same(*r, j(R"({"c":[9,2,3,7],"d":{"b":[9,2,3,7]},"x~y/z":2})"))) << show(*r);
}

TEST(json_patch, a_failed_test_and_a_missing_path_are_refused) {
  const auto test = json_patch(j(R"({"a":1})"), j(R"([{"op":"test","path":"/a","value":2}])"));
  ASSERT_FALSE(test);
  EXPECT_EQ(test.error().code, 422);
  const auto missing = json_patch(j(R"({"a":1})"), j(R"([{"op":"remove","path":"/b"}])"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("/b"));
  EXPECT_EQ(json_patch(j("{}"), j(R"([{"op":"jump","path":"/b"}])")).error().code, 400);
}

TEST(merge_patch, null_removes_and_arrays_replace) {
  EXPECT_TRUE(same(merge_patch(j(R"({"a":{"b":1,"c":2},"l":[1,2]})"), j(R"({"a":{"b":null,"d":3},"l":[9]})")),
                   j(R"({"a":{"c":2,"d":3},"l":[9]})")));
}

json::value two_containers() {
  return j(
      R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"X","value":"1"}]},{"name":"b","image":"2"}]}}}})");
}

TEST(strategic_merge, containers_merge_by_name) {
  const auto r = strategic_merge_patch(
      deployment(), two_containers(),
      j(R"({"spec":{"template":{"spec":{"containers":[{"name":"b","image":"3"},{"name":"a","env":[{"name":"Y","value":"2"}]}]}}}})"));
  ASSERT_TRUE(r);
  EXPECT_TRUE(same(
      r->at("spec").at("template").at("spec").at("containers"),
      j(R"([{"name":"a","image":"1","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]},{"name":"b","image":"3"}])")))
      << show(*r);
}

TEST(strategic_merge, an_item_is_deleted_and_a_list_replaced_by_directive) {
  const auto r =
      strategic_merge_patch(deployment(), two_containers(),
                            j(R"({"spec":{"template":{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}}})"));
  EXPECT_TRUE(same(r->at("spec").at("template").at("spec").at("containers"), j(R"([{"name":"b","image":"2"}])")));
  const auto s =
      strategic_merge_patch(deployment(), two_containers(),
                            j(R"({"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}}}})"));
  EXPECT_TRUE(same(s->at("spec").at("template").at("spec").at("containers"), j(R"([{"name":"c"}])")));
}

TEST(strategic_merge, element_order_is_taken_up) {
  const auto r = strategic_merge_patch(
      deployment(), two_containers(),
      j(R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"c"},{"name":"a"}],"containers":[{"name":"c","image":"9"}]}}}})"));
  const auto& all = r->at("spec").at("template").at("spec").at("containers").as_array();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(text(all[0], {"name"}) + text(all[1], {"name"}) + text(all[2], {"name"}), "bca");
}

TEST(strategic_merge, retain_keys_drops_the_other_member_of_a_union) {
  const auto r = strategic_merge_patch(
      deployment(), j(R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})"),
      j(R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})"));
  EXPECT_TRUE(same(r->at("spec").at("strategy"), j(R"({"type":"Recreate"})")));
}

TEST(strategic_merge, finalizers_merge_by_value_and_are_deleted_by_directive) {
  const auto& pod = type("io.k8s.api.core.v1.Pod");
  auto r =
      strategic_merge_patch(pod, j(R"({"metadata":{"finalizers":["a"]}})"), j(R"({"metadata":{"finalizers":["b"]}})"));
  EXPECT_TRUE(same(r->at("metadata").at("finalizers"), j(R"(["a","b"])")));
  r = strategic_merge_patch(pod, *r, j(R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})"));
  EXPECT_TRUE(same(r->at("metadata").at("finalizers"), j(R"(["b"])")));
}

TEST(strategic_merge, service_ports_merge_by_port_and_selector_by_key) {
  const auto r = strategic_merge_patch(
      type("io.k8s.api.core.v1.Service"),
      j(R"({"spec":{"selector":{"a":"1"},"ports":[{"port":80,"protocol":"TCP","nodePort":30000}]}})"),
      j(R"({"spec":{"selector":{"b":"2"},"ports":[{"port":80,"targetPort":8080},{"port":443}]}})"));
  EXPECT_TRUE(same(
      r->at("spec"),
      j(R"({"selector":{"a":"1","b":"2"},"ports":[{"port":80,"protocol":"TCP","nodePort":30000,"targetPort":8080},{"port":443}]})")))
      << show(*r);
}

// ---- Server-side apply

json::value applied(const char* spec) {
  return j((R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":)" +
            std::string(spec) + "}")
               .c_str());
}

TEST(server_side_apply, two_managers_share_an_object_and_each_keeps_his_fields) {
  const auto first = apply_configuration(
      deployment(), nullptr, applied(R"({"replicas":2,"template":{"spec":{"containers":[{"name":"a","image":"1"}]}}})"),
      "one", "", false);
  ASSERT_TRUE(first);
  const auto second = apply_configuration(deployment(), &*first,
                                          applied(R"({"template":{"spec":{"containers":[{"name":"b","image":"2"}]}}})"),
                                          "two", "", false);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(list(*second, {"spec", "template", "spec", "containers"}).size(), 2u);
  EXPECT_EQ(number(*second, {"spec", "replicas"}), 2);
  EXPECT_EQ(list(*second, {"metadata", "managedFields"}).size(), 2u);
}

TEST(server_side_apply, a_field_that_is_no_longer_applied_goes_away) {
  const auto first = apply_configuration(
      deployment(), nullptr,
      applied(R"({"replicas":2,"minReadySeconds":5,"template":{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}})"),
      "one", "", false);
  const auto second = apply_configuration(
      deployment(), &*first, applied(R"({"replicas":2,"template":{"spec":{"containers":[{"name":"b"}]}}})"), "one", "",
      false);
  ASSERT_TRUE(second);
  EXPECT_EQ(find(*second, {"spec", "minReadySeconds"}), nullptr);
  EXPECT_TRUE(same(second->at("spec").at("template").at("spec").at("containers"), j(R"([{"name":"b"}])")))
      << show(*second);
}

TEST(server_side_apply, a_changed_field_of_another_manager_is_a_conflict_unless_forced) {
  const auto first = apply_configuration(deployment(), nullptr, applied(R"({"replicas":2})"), "one", "", false);
  const auto refused = apply_configuration(deployment(), &*first, applied(R"({"replicas":3})"), "two", "", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, 409);
  EXPECT_EQ(refused.error().message,
            "Apply failed with 1 conflict: conflict with \"one\" using apps/v1: .spec.replicas");
  const auto same_value = apply_configuration(deployment(), &*first, applied(R"({"replicas":2})"), "two", "", false);
  EXPECT_TRUE(same_value) << "an equal value is shared";
  const auto forced = apply_configuration(deployment(), &*first, applied(R"({"replicas":3})"), "two", "", true);
  ASSERT_TRUE(forced);
  EXPECT_EQ(number(*forced, {"spec", "replicas"}), 3);
  for (const auto& e : list(*forced, {"metadata", "managedFields"}))
    EXPECT_EQ(find(e, {"fieldsV1", "f:spec", "f:replicas"}) != nullptr, text(e, {"manager"}) == "two");
}

TEST(server_side_apply, an_update_takes_ownership_of_what_it_changes) {
  const auto first = apply_configuration(deployment(), nullptr, applied(R"({"replicas":2})"), "one", "", false);
  json::value scaled = *first;
  scaled.at("spec").as_object()["replicas"] = 5;
  track_update(deployment(), *first, scaled, "kubectl-scale", "");
  const auto again = apply_configuration(deployment(), &scaled, applied(R"({"replicas":2})"), "one", "", false);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("kubectl-scale"));
}

TEST(server_side_apply, the_same_configuration_twice_changes_nothing) {
  const auto first = apply_configuration(
      deployment(), nullptr,
      applied(R"({"replicas":2,"template":{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80}]}]}}})"),
      "one", "", false);
  json::value live = *first;
  apply_defaults(deployment(), live, false);
  const auto second = apply_configuration(
      deployment(), &live,
      applied(R"({"replicas":2,"template":{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80}]}]}}})"),
      "one", "", false);
  ASSERT_TRUE(second);
  EXPECT_TRUE(same(*second, live)) << show(*second) << "\n" << show(live);
}

}  // namespace
}  // namespace weft::lab::api
