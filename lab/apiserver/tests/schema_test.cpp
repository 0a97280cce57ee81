#include "lab/apiserver/schema.h"

#include <gmock/gmock.h>

#include "lab/apiserver/crd.h"
#include "lab/apiserver/kinds.h"
#include "lab/apiserver/tests/text_json.h"

namespace weft::lab::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Custom {
  CrdSchema schema;
  FieldErrors parse_errors;
  explicit Custom(const char* properties) {
    parse_errors = parse_crd_schema(j((R"({"type":"object","properties":)" + std::string(properties) + "}").c_str()),
                                    "schema", schema);
  }
  std::vector<std::string> problems(const char* object) const {
    const auto v = j(object);
    auto errors = wrong_types(*schema.root, v);
    if (errors.empty()) validate(*schema.root, v, "", errors, true);
    std::vector<std::string> out;
    for (const auto& e : errors) out.push_back(e.field + ": " + e.message);
    return out;
  }
};

TEST(schema, builtin_types_parse_and_every_kind_has_a_schema_and_columns) {
  const Kinds kinds;
  EXPECT_GT(kinds.all().size(), 25u);
  for (const auto& k : kinds.all()) {
    ASSERT_NE(k->schema, nullptr) << k->kind;
    EXPECT_NE(k->schema->property("metadata"), nullptr) << k->kind;
    EXPECT_FALSE(k->singular.empty()) << k->kind;
    EXPECT_GE(k->columns.size(), 2u) << k->kind;
  }
}

TEST(schema, unknown_fields_of_a_pod_are_found_and_dropped) {
  const auto* pod = builtin_type("io.k8s.api.core.v1.Pod");
  auto v = j(
      R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","imag":"x","ports":[{"containerPort":1,"x":2}]}],"hostNetwrk":true}})");
  EXPECT_THAT(prune(*pod, v, false),
              ElementsAre("spec.containers[0].imag", "spec.containers[0].ports[0].x", "spec.hostNetwrk"));
  EXPECT_EQ(
      v, j(R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","ports":[{"containerPort":1}]}]}})"));
}

TEST(schema, null_in_a_builtin_kind_is_as_if_absent) {
  const auto* pod = builtin_type("io.k8s.api.core.v1.Pod");
  auto v = j(R"({"metadata":{"labels":{"a":null},"annotations":null},"spec":{"nodeName":null}})");
  prune(*pod, v, false);
  EXPECT_EQ(v, j(R"({"metadata":{"labels":{"a":""}},"spec":{}})"));
}

TEST(schema, defaults_of_a_pod_are_those_of_upstream) {
  auto v = j(
      R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80}],"readinessProbe":{"httpGet":{"port":80}}}],"volumes":[{"name":"s","secret":{"secretName":"x"}}]}})");
  apply_defaults(*builtin_type("io.k8s.api.core.v1.Pod"), v, false);
  EXPECT_EQ(text(v, {"spec", "restartPolicy"}), "Always");
  EXPECT_EQ(number(v, {"spec", "terminationGracePeriodSeconds"}), 30);
  const auto& c = list(v, {"spec", "containers"})[0];
  EXPECT_EQ(text(list(c, {"ports"})[0], {"protocol"}), "TCP");
  EXPECT_EQ(number(c, {"readinessProbe", "failureThreshold"}), 3);
  EXPECT_EQ(text(c, {"readinessProbe", "httpGet", "scheme"}), "HTTP");
  EXPECT_EQ(number(list(v, {"spec", "volumes"})[0], {"secret", "defaultMode"}), 420);
}

TEST(schema, wrong_json_types_of_builtin_kinds_are_found) {
  const auto errors =
      wrong_types(*builtin_type("io.k8s.api.apps.v1.Deployment"), j(R"({"spec":{"replicas":"three"}})"));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].field, "spec.replicas");
  EXPECT_THAT(errors[0].message, HasSubstr("must be of type integer"));
}

TEST(crd_schema, types_ranges_lengths_patterns_enums_and_required_are_checked) {
  const Custom s(
      R"({"size":{"type":"integer","minimum":1,"maximum":9},"name":{"type":"string","pattern":"^[a-z]+$","maxLength":3},
    "mode":{"type":"string","enum":["fast","slow"]},"deep":{"type":"object","required":["x"],"properties":{"x":{"type":"boolean"}}}})");
  ASSERT_THAT(s.parse_errors, IsEmpty());
  EXPECT_THAT(s.problems(R"({"size":3,"name":"abc","mode":"fast","deep":{"x":true}})"), IsEmpty());
  EXPECT_THAT(s.problems(R"({"size":0})"),
              ElementsAre("size: Invalid value: 0: size in body should be greater than or equal to 1"));
  EXPECT_THAT(s.problems(R"({"size":"3"})"),
              ElementsAre("size: Invalid value: \"string\": size in body must be of type integer: \"string\""));
  EXPECT_EQ(s.problems(R"({"name":"ABCD"})").size(), 2u);
  EXPECT_THAT(s.problems(R"({"mode":"other"})"),
              ElementsAre("mode: Unsupported value: \"other\": supported values: \"fast\", \"slow\""));
  EXPECT_THAT(s.problems(R"({"deep":{}})"), ElementsAre("deep.x: Required value"));
}

TEST(crd_schema, formats_of_addresses_and_times_are_checked) {
  const Custom s(
      R"({"cidr":{"type":"string","format":"cidr"},"v4":{"type":"string","format":"ipv4"},"t":{"type":"string","format":"date-time"}})");
  EXPECT_THAT(s.problems(R"({"cidr":"10.0.0.0/8","v4":"10.0.0.1","t":"2026-03-01T10:00:00Z"})"), IsEmpty());
  EXPECT_THAT(s.problems(R"({"cidr":"fd00::/64"})"), IsEmpty());
  EXPECT_EQ(s.problems(R"({"cidr":"10.0.0.0","v4":"fd00::1","t":"yesterday"})").size(), 3u);
}

TEST(crd_schema, items_of_a_map_list_are_unique_by_their_keys) {
  const Custom s(R"({"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
    "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"n":{"type":"integer"}}}}})");
  EXPECT_THAT(s.problems(R"({"l":[{"name":"a"},{"name":"b"}]})"), IsEmpty());
  EXPECT_THAT(s.problems(R"({"l":[{"name":"a","n":1},{"name":"a","n":2}]})"),
              ElementsAre("l[1]: Duplicate value: {\"name\":\"a\"}"));
}

TEST(crd_schema, int_or_string_nullable_and_preserved_fields) {
  const Custom s(
      R"({"port":{"x-kubernetes-int-or-string":true},"maybe":{"type":"string","nullable":true},"any":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
    "labels":{"type":"object","additionalProperties":{"type":"string"}}})");
  ASSERT_THAT(s.parse_errors, IsEmpty());
  EXPECT_THAT(s.problems(R"({"port":1,"maybe":null,"any":{"x":[1]},"labels":{"a":"b"}})"), IsEmpty());
  EXPECT_EQ(s.problems(R"({"port":true,"labels":{"a":1}})").size(), 2u);
  auto v = j(R"({"port":"http","any":{"x":{"y":1}},"labels":{"q":"r"},"gone":1})");
  EXPECT_THAT(prune(*s.schema.root, v, true), ElementsAre("gone"));
  EXPECT_EQ(v, j(R"({"port":"http","any":{"x":{"y":1}},"labels":{"q":"r"}})"));
}

TEST(crd_schema, defaults_fill_present_objects_and_replace_nulls) {
  const Custom s(
      R"({"spec":{"type":"object","default":{},"properties":{"size":{"type":"integer","default":3},"note":{"type":"string"}}}})");
  auto v = j("{}");
  apply_defaults(*s.schema.root, v, true);
  EXPECT_EQ(v, j(R"({"spec":{"size":3}})"));
  v = j(R"({"spec":{"size":null,"note":null}})");
  apply_defaults(*s.schema.root, v, true);
  EXPECT_EQ(v, j(R"({"spec":{"size":3}})"));
}

TEST(crd_schema, any_of_one_of_and_not_are_checked) {
  const Custom s(
      R"({"a":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"oneOf":[{"required":["x"]},{"required":["y"]}]},
    "b":{"type":"string","not":{"enum":["no"]}}})");
  EXPECT_THAT(s.problems(R"({"a":{"x":1},"b":"yes"})"), IsEmpty());
  EXPECT_EQ(s.problems(R"({"a":{"x":1,"y":2}})").size(), 1u);
  EXPECT_EQ(s.problems(R"({"b":"no"})").size(), 1u);
}

TEST(crd_schema, schemas_that_are_not_structural_are_refused_with_their_path) {
  const Custom untyped(R"({"a":{"properties":{"x":{"type":"string"}}}})");
  ASSERT_EQ(untyped.parse_errors.size(), 1u);
  EXPECT_EQ(untyped.parse_errors[0].field, "schema.properties[a].type");
  const Custom pattern(R"({"a":{"type":"string","pattern":"["}})");
  ASSERT_EQ(pattern.parse_errors.size(), 1u);
  EXPECT_EQ(pattern.parse_errors[0].field, "schema.properties[a].pattern");
}

TEST(crd, versions_are_ordered_as_kubernetes_orders_them) {
  EXPECT_TRUE(version_before("v1", "v2beta1"));
  EXPECT_TRUE(version_before("v2", "v1"));
  EXPECT_TRUE(version_before("v1beta2", "v1beta1"));
  EXPECT_TRUE(version_before("v1beta1", "v2alpha1"));
  EXPECT_FALSE(version_before("v2alpha1", "v2alpha2"));
}

TEST(crd, a_name_that_does_not_fit_and_two_storage_versions_are_refused) {
  const auto crd =
      j(R"({"metadata":{"name":"wrong"},"spec":{"group":"a.b","names":{"plural":"xs","kind":"X"},"versions":[
    {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}},
    {"name":"v2","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})");
  FieldErrors errors;
  check_crd(crd, nullptr, errors);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].field, "metadata.name");
  EXPECT_THAT(errors[1].message, HasSubstr("exactly one version marked as storage"));
}

}  // namespace
}  // namespace weft::lab::api
