#include "apps/cli/values.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apps/cli/tests/objects.h"

namespace weft::cli {
namespace {

TEST(Values, merge_as_helm_does) {
  EXPECT_EQ(merge_values(obj(R"({"a": {"b": 1, "c": [1, 2], "d": "x"}, "e": 1})"),
                         obj(R"({"a": {"c": [3], "d": null}, "f": {"g": 2}})")),
            obj(R"({"a": {"b": 1, "c": [3]}, "e": 1, "f": {"g": 2}})"));
}

TEST(Values, paths_are_read_and_made) {
  json::object v;
  set_path(v, "clustermesh.config.enabled", true);
  EXPECT_EQ(v, obj(R"({"clustermesh": {"config": {"enabled": true}}})"));
  EXPECT_TRUE(at_path(v, "clustermesh.config.enabled")->as_bool());
  EXPECT_EQ(at_path(v, "clustermesh.config.enabled.more"), nullptr);
  EXPECT_EQ(at_path(v, "cluster.name"), nullptr);
}

TEST(Values, set_texts_are_searched_for_a_path) {
  EXPECT_TRUE(sets_path({"cluster.name=a,cluster.id=1"}, "cluster.id"));
  EXPECT_TRUE(sets_path({"x={1,2},cluster.id=1"}, "cluster"));
  EXPECT_TRUE(sets_path({"hosts[0]=a"}, "hosts"));
  EXPECT_FALSE(sets_path({"a=b\\,cluster.id=1"}, "cluster.id"));
  EXPECT_FALSE(sets_path({"cluster.identity=1"}, "cluster.id"));
  EXPECT_FALSE(sets_path({"a={cluster.id=1,b}"}, "cluster.id"));
}

TEST(Values, the_last_set_text_of_a_path_counts) {
  EXPECT_EQ(set_text({"tls.secretName=a,x=1", "tls.secretName=b"}, "tls.secretName"), "b");
  EXPECT_EQ(set_text({"tls.secretNames=a", "tls=b"}, "tls.secretName"), std::nullopt);
  EXPECT_EQ(set_text({"tls.secretName="}, "tls.secretName"), "");
}

TEST(Values, a_cluster_is_added_to_a_list_and_replaced_by_name) {
  auto v = with_cluster({}, {"west", {"192.0.2.1", "2001:db8::1"}, "", 32379});
  EXPECT_EQ(v, obj(R"({"clustermesh": {"config": {"enabled": true, "clusters":
      [{"name": "west", "ips": ["192.0.2.1", "2001:db8::1"], "port": 32379}]}}})"));
  v = with_cluster(std::move(v), {"south", {}, "mesh.south.example", 2379});
  v = with_cluster(std::move(v), {"west", {"192.0.2.9"}, "", 32379});
  const auto clusters = mesh_clusters(v);
  ASSERT_TRUE(clusters);
  EXPECT_EQ(*clusters,
            (std::vector<MeshCluster>{{"west", {"192.0.2.9"}, "", 32379}, {"south", {}, "mesh.south.example", 2379}}));
}

TEST(Values, the_map_form_and_certificates_in_it_stay) {
  auto v = obj(R"({"clustermesh": {"config": {"enabled": true, "clusters":
      {"west": {"ips": ["192.0.2.1"], "port": 1, "tls": {"cert": "Yw=="}}, "off": {"enabled": false, "ips": ["192.0.2.7"]}}}}})");
  EXPECT_EQ(mesh_clusters(v)->size(), 1u);
  v = with_cluster(std::move(v), {"west", {"192.0.2.2"}, "", 32379});
  EXPECT_EQ(*at_path(v, "clustermesh.config.clusters.west"),
            obj(R"({"ips": ["192.0.2.2"], "port": 32379, "tls": {"cert": "Yw=="}})"));
}

TEST(Values, the_last_cluster_taken_away_disables_the_configuration) {
  auto v = with_cluster(with_cluster({}, {"a", {"192.0.2.1"}, "", 1}), {"b", {"192.0.2.2"}, "", 2});
  v = without_cluster(std::move(v), "a");
  EXPECT_TRUE(at_path(v, "clustermesh.config.enabled")->as_bool());
  v = without_cluster(std::move(v), "b");
  EXPECT_FALSE(at_path(v, "clustermesh.config.enabled")->as_bool());
  EXPECT_TRUE(mesh_clusters(v)->empty());
  EXPECT_EQ(without_cluster({}, "x"), json::object());
}

TEST(Values, wrong_entries_are_named) {
  EXPECT_EQ(mesh_clusters(obj(R"({"clustermesh": {"config": {"clusters": [{"ips": []}]}}})")).error().message,
            "clustermesh.config.clusters[0]: has no name");
  EXPECT_EQ(mesh_clusters(obj(R"({"clustermesh": {"config": {"clusters": [{"name": "w", "port": 70000}]}}})"))
                .error()
                .message,
            "clustermesh.config.clusters: w: port 70000: use a number from 1 to 65535");
  EXPECT_FALSE(mesh_clusters(obj(R"({"clustermesh": {"config": {"clusters": "x"}}})")));
}

}  // namespace
}  // namespace weft::cli
