#include "api/mesh_status.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace weft::api {
namespace {

using namespace std::chrono_literals;

MeshStatus sample() {
  MeshStatus s;
  s.node = "cluster1-node1";
  s.cluster = "cluster1";
  s.cluster_id = 1;
  s.version = "0.1.0";
  s.updated = parse_rfc3339("2026-03-01T10:00:00.25Z");
  RemoteStatus r;
  r.name = "cluster2";
  r.ready = true;
  r.cluster_id = 2;
  r.nodes = 3;
  r.services = 1;
  r.endpoints = 14;
  r.identities = 5;
  r.last_sync = parse_rfc3339("2026-03-01T09:59:59Z");
  r.rtt_ms = 0.75;
  r.reconnections = 1;
  r.failures = 2;
  r.warnings = {"endpoint 172.18.2.19 is no node of cluster2"};
  r.endpoints_urls = {"https://172.18.2.11:32379"};
  r.config = {.retrieved = true,
              .cluster_id = 2,
              .synced_canaries = true,
              .max_connected_clusters = 255,
              .service_exports = false};
  r.synced_nodes = r.synced_services = r.synced_endpoints = r.synced_identities = true;
  s.remotes = {r};
  s.problems = {{"Service", "shop/cart", "map lb_frontends is full"}, {"", "", "no pod CIDR yet"}};
  s.problem_count = 2;
  return s;
}

TEST(MeshStatus, survives_its_json_and_its_config_map) {
  const auto s = sample();
  EXPECT_EQ(mesh_status_from_json(to_json(s)), s);
  const auto object = mesh_status_object(s, "kube-system", "uid-1");
  EXPECT_EQ(mesh_status_of_object(object), s);
  EXPECT_EQ(object.at("metadata").at("name").as_string(), "weft-mesh-status-cluster1-node1");
  EXPECT_EQ(object.at("metadata").at("ownerReferences").at(0).at("uid").as_string(), "uid-1");
}

TEST(MeshStatus, what_never_happened_is_null) {
  const auto o = to_json(RemoteStatus{.name = "x"});
  EXPECT_TRUE(o.at("lastSync").is_null());
  EXPECT_TRUE(o.at("rttMs").is_null());
  EXPECT_TRUE(o.at("config").at("serviceExports").is_null());
}

TEST(MeshStatus, a_report_of_another_release_is_read_as_far_as_it_goes) {
  const auto s = mesh_status_from_json(json::parse(
      R"({"node": "n", "cluster": "c", "new": [1], "remotes": [{"name": "b"}, {"name": "a", "ready": true, "more": {}}]})"));
  ASSERT_TRUE(s);
  ASSERT_EQ(s->remotes.size(), 2u);
  EXPECT_EQ(s->remotes[0].name, "a");
  EXPECT_FALSE(s->remotes[1].ready);
}

TEST(MeshStatus, wrong_types_are_named_and_never_throw) {
  const auto message = [](const char* text) { return mesh_status_from_json(json::parse(text)).error().message; };
  EXPECT_EQ(message("[]"), "mesh status: not a JSON object");
  EXPECT_EQ(message("{}"), "mesh status: node is missing");
  EXPECT_EQ(message(R"({"node": 1, "cluster": "c"})"), "mesh status: node is not a string");
  EXPECT_EQ(message(R"({"node": "n", "cluster": "c", "remotes": [{"nodes": -1}]})"),
            "mesh status: remotes[0].nodes is not a whole number");
  EXPECT_EQ(message(R"({"node": "n", "cluster": "c", "remotes": [{"config": {"retrieved": "yes"}}]})"),
            "mesh status: remotes[0].config.retrieved is not true or false");
  EXPECT_EQ(message(R"({"node": "n", "cluster": "c", "remotes": 5})"), "mesh status: remotes is not a list");
  EXPECT_FALSE(mesh_status_of_object(json::object{{"data", json::object{{"mesh.json", "{"}}}}));
  EXPECT_FALSE(mesh_status_of_object(json::object{}));
}

TEST(MeshStatus, readiness_is_published_fast_counts_slowly_and_times_rarely) {
  const auto old = sample();
  auto now = old;
  EXPECT_EQ(publish_delay(nullptr, now), 0ms);
  now.remotes[0].rtt_ms = 3;
  now.remotes[0].last_sync += 10s;
  now.updated += 10s;
  EXPECT_EQ(publish_delay(&old, now), kReportEvery);
  now.remotes[0].failures = 3;
  EXPECT_EQ(publish_delay(&old, now), 5s);
  now.remotes[0].warnings.clear();
  EXPECT_EQ(publish_delay(&old, now), 500ms);
  now.remotes[0].warnings = old.remotes[0].warnings;
  now.remotes[0].services = 9;
  EXPECT_EQ(publish_delay(&old, now), 5s);
  now.remotes[0].ready = false;
  EXPECT_EQ(publish_delay(&old, now), 500ms);
  now = old;
  now.remotes.clear();
  EXPECT_EQ(publish_delay(&old, now), 500ms);
}

}  // namespace
}  // namespace weft::api
