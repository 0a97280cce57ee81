#include <gmock/gmock.h>

#include "lab/controllers/endpointslices.h"
#include "lab/controllers/tests/build.h"

namespace weft::lab::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

json::object service(std::string_view spec) {
  json::object o = parse(R"({"metadata":{"namespace":"shop","name":"web","uid":"svc","labels":{"team":"a"}}})");
  o["spec"] = parse(spec);
  return o;
}
const char* kPlain =
    R"({"clusterIP":"10.96.0.1","ipFamilies":["IPv4"],"selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP"}]})";

std::string endpoints(const json::object& slice) { return json::serialize(list(slice, "endpoints")); }

// What the server makes of a slice that was created.
ObjectPtr stored(json::object slice, std::string_view name) {
  slice["metadata"].get_object()["name"] = name;
  slice["metadata"].get_object()["uid"] = std::string("uid-") + std::string(name);
  slice["metadata"].get_object()["resourceVersion"] = "7";
  return obj(std::move(slice));
}

TEST(Slices, pods_become_endpoints_with_their_conditions) {
  const auto plan = plan_slices(service(kPlain),
                                {Pod{.name = "a", .ip = "10.1.0.1"}, Pod{.name = "other", .labels = {{"app", "db"}}}},
                                {Node{.name = "n1", .labels = {{"topology.kubernetes.io/zone", "z1"}}}}, {});
  ASSERT_EQ(plan.create.size(), 1u);
  const auto& s = plan.create[0];
  EXPECT_EQ(
      endpoints(s),
      R"([{"addresses":["10.1.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false},"nodeName":"n1","zone":"z1",)"
      R"("targetRef":{"kind":"Pod","namespace":"shop","name":"a","uid":"uid-a"}}])");
  EXPECT_EQ(json::serialize(list(s, "ports")), R"([{"name":"http","protocol":"TCP","port":8080}])");
  EXPECT_EQ(text(s, "addressType"), "IPv4");
  EXPECT_EQ(text(s, "metadata/generateName"), "web-");
  EXPECT_EQ(label(s, "kubernetes.io/service-name"), "web");
  EXPECT_EQ(label(s, "endpointslice.kubernetes.io/managed-by"), kSliceManager);
  EXPECT_EQ(label(s, "team"), "a");
  EXPECT_TRUE(controlled_by(s, "svc"));
}

struct Conditions {
  bool pod_ready, pod_leaving, publish_all;
  const char* expected;
};
TEST(Slices, ready_serving_and_terminating_follow_the_pod) {
  for (const auto& c : {Conditions{true, false, false, R"({"ready":true,"serving":true,"terminating":false})"},
                        Conditions{false, false, false, R"({"ready":false,"serving":false,"terminating":false})"},
                        Conditions{true, true, false, R"({"ready":false,"serving":true,"terminating":true})"},
                        Conditions{false, true, false, R"({"ready":false,"serving":false,"terminating":true})"},
                        Conditions{false, false, true, R"({"ready":true,"serving":false,"terminating":false})"},
                        Conditions{true, true, true, R"({"ready":true,"serving":true,"terminating":true})"}}) {
    json::object svc = service(kPlain);
    if (c.publish_all) svc["spec"].get_object()["publishNotReadyAddresses"] = true;
    const auto plan = plan_slices(svc, {Pod{.name = "a", .ready = c.pod_ready, .deleting = c.pod_leaving}}, {}, {});
    ASSERT_EQ(plan.create.size(), 1u);
    EXPECT_EQ(json::serialize(sub(list(plan.create[0], "endpoints")[0].as_object(), "conditions")), c.expected);
  }
}

TEST(Slices, a_dual_stack_service_gets_a_slice_a_family) {
  json::object svc = service(kPlain);
  svc["spec"].get_object()["ipFamilies"] = json::parse(R"(["IPv4","IPv6"])");
  const auto plan = plan_slices(
      svc, {Pod{.name = "a", .ip = "10.1.0.1", .ip6 = "fd00:1::1"}, Pod{.name = "b", .ip = "10.1.0.2"}}, {}, {});
  ASSERT_EQ(plan.create.size(), 2u);
  EXPECT_EQ(list(plan.create[0], "endpoints").size(), 2u);
  EXPECT_EQ(text(plan.create[1], "addressType"), "IPv6");
  EXPECT_EQ(list(plan.create[1], "endpoints").size(), 1u);
}

TEST(Slices, named_target_ports_are_looked_up_in_each_pod) {
  const auto svc = service(
      R"({"clusterIP":"10.96.0.1","ipFamilies":["IPv4"],"selector":{"app":"web"},"ports":[{"port":80,"targetPort":"http"}]})");
  const auto at = [](int port) { return json::array{json::object{{"name", "http"}, {"containerPort", port}}}; };
  const auto plan = plan_slices(
      svc,
      {Pod{.name = "a", .container_ports = at(8080)}, Pod{.name = "b", .ip = "10.1.0.2", .container_ports = at(9090)},
       Pod{.name = "c", .ip = "10.1.0.3", .container_ports = at(8080)}},
      {}, {});
  ASSERT_EQ(plan.create.size(), 2u);
  EXPECT_EQ(json::serialize(list(plan.create[0], "ports")), R"([{"name":"","protocol":"TCP","port":8080}])");
  EXPECT_EQ(list(plan.create[0], "endpoints").size(), 2u);
  EXPECT_EQ(json::serialize(list(plan.create[1], "ports")), R"([{"name":"","protocol":"TCP","port":9090}])");
}

TEST(Slices, a_headless_service_says_so_and_carries_host_names) {
  json::object svc = service(R"({"clusterIP":"None","ipFamilies":["IPv4"],"selector":{"app":"web"}})");
  json::object pod = **ObjectPtr(Pod{.name = "a"});
  pod["spec"].get_object()["hostname"] = "db-0";
  pod["spec"].get_object()["subdomain"] = "web";
  const auto plan = plan_slices(svc, {obj(pod)}, {}, {});
  ASSERT_EQ(plan.create.size(), 1u);
  EXPECT_TRUE(sub(plan.create[0], "metadata/labels").contains("service.kubernetes.io/headless"));
  EXPECT_EQ(text(list(plan.create[0], "endpoints")[0].as_object(), "hostname"), "db-0");
}

TEST(Slices, nothing_to_do_means_no_write) {
  const std::vector<ObjectPtr> pods{Pod{.name = "a"}, Pod{.name = "b", .ip = "10.1.0.2"}};
  const auto first = plan_slices(service(kPlain), pods, {}, {});
  const auto again = plan_slices(service(kPlain), pods, {}, {stored(first.create[0], "web-x")});
  EXPECT_THAT(again.create, IsEmpty());
  EXPECT_THAT(again.update, IsEmpty());
  EXPECT_THAT(again.remove, IsEmpty());
}

TEST(Slices, without_pods_an_empty_slice_says_so_and_is_used_when_one_comes) {
  const auto first = plan_slices(service(kPlain), {}, {}, {});
  ASSERT_EQ(first.create.size(), 1u);
  const auto empty = stored(first.create[0], "web-x");
  EXPECT_EQ(endpoints(**empty), "[]");
  const auto same = plan_slices(service(kPlain), {}, {}, {empty});
  EXPECT_TRUE(same.create.empty() && same.update.empty() && same.remove.empty());
  const auto filled = plan_slices(service(kPlain), {Pod{.name = "a"}}, {}, {empty});
  EXPECT_THAT(filled.create, IsEmpty());
  EXPECT_THAT(filled.remove, IsEmpty());
  ASSERT_EQ(filled.update.size(), 1u);
  EXPECT_EQ(text(filled.update[0], "metadata/resourceVersion"), "7");
  EXPECT_EQ(json::serialize(list(filled.update[0], "ports")), R"([{"name":"http","protocol":"TCP","port":8080}])");
  const auto emptied = plan_slices(service(kPlain), {}, {}, {obj(filled.update[0])});
  ASSERT_EQ(emptied.update.size(), 1u);
  EXPECT_EQ(endpoints(emptied.update[0]), "[]");
  EXPECT_THAT(emptied.remove, IsEmpty());
}

TEST(Slices, slices_hold_a_hundred_and_a_change_touches_only_its_own) {
  std::vector<ObjectPtr> pods;
  for (int i = 0; i < 250; ++i)
    pods.push_back(Pod{.name = "p" + std::to_string(1000 + i),
                       .ip = "10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1)});
  const auto first = plan_slices(service(kPlain), pods, {}, {});
  ASSERT_EQ(first.create.size(), 3u);
  std::vector<ObjectPtr> slices;
  std::size_t total = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(list(first.create[i], "endpoints").size(), kMaxEndpointsPerSlice);
    total += list(first.create[i], "endpoints").size();
    slices.push_back(stored(first.create[i], "web-" + std::to_string(i)));
  }
  EXPECT_EQ(total, 250u);
  pods[7] = Pod{.name = "p1007", .ip = "10.1.0.8", .ready = false};
  auto plan = plan_slices(service(kPlain), pods, {}, slices);
  EXPECT_EQ(plan.update.size(), 1u);
  EXPECT_TRUE(plan.create.empty() && plan.remove.empty());
  // One more pod goes where there is room.
  pods[7] = Pod{.name = "p1007", .ip = "10.1.0.8"};
  pods.push_back(Pod{.name = "q", .ip = "10.1.3.1"});
  plan = plan_slices(service(kPlain), pods, {}, slices);
  EXPECT_TRUE(plan.create.empty() && plan.remove.empty());
  ASSERT_EQ(plan.update.size(), 1u);
  EXPECT_EQ(list(plan.update[0], "endpoints").size(), 51u);
}

TEST(Slices, finished_pods_and_those_without_an_address_are_none) {
  const auto plan =
      plan_slices(service(kPlain), {Pod{.name = "a", .phase = "Succeeded"}, Pod{.name = "b", .ip = ""}}, {}, {});
  ASSERT_EQ(plan.create.size(), 1u);
  EXPECT_EQ(endpoints(plan.create[0]), "[]");
}

TEST(Slices, services_without_selector_and_slices_of_others_are_left_alone) {
  EXPECT_FALSE(wants_slices(service(R"({"clusterIP":"10.96.0.1"})")));
  EXPECT_FALSE(wants_slices(service(R"({"type":"ExternalName","selector":{"app":"web"}})")));
  auto foreign = obj(
      R"({"metadata":{"namespace":"shop","name":"mine","labels":{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"me"}},"addressType":"IPv4"})");
  const auto plan = plan_slices(service(kPlain), {Pod{.name = "a"}}, {}, {foreign});
  EXPECT_EQ(plan.create.size(), 1u);
  EXPECT_TRUE(plan.update.empty() && plan.remove.empty());
}

}  // namespace
}  // namespace weft::lab::testing
