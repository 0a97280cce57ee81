#include "mesh/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Scrape {
  Scrape() {
    registry.collect([this](metrics::Samples& out) { collect_metrics(out, remotes); });
  }
  asio::io_context io;
  Table<RemoteStatus> remotes{io, "remote clusters"};
  metrics::Registry registry;
};

TEST(MeshMetrics, without_remotes_only_their_number_is_told) {
  Scrape s;
  EXPECT_THAT(s.registry.text(), HasSubstr("\ncilium_clustermesh_remote_clusters 0\n"));
  EXPECT_THAT(s.registry.text(), Not(HasSubstr("target_cluster")));
}

TEST(MeshMetrics, each_remote_says_what_it_gave_and_how_it_stands) {
  Scrape s;
  s.remotes.upsert({.name = "west",
                    .ready = true,
                    .nodes = 3,
                    .services = 12,
                    .endpoints = 40,
                    .failures = 2,
                    .last_failure = Wall::time_point(std::chrono::seconds(1'700'000'000)),
                    .cache_revocations = 1});
  s.remotes.upsert({.name = "south", .refused = true, .failures = 9});
  const auto text = s.registry.text();
  for (const char* line :
       {"cilium_clustermesh_remote_clusters 2", "cilium_clustermesh_remote_cluster_nodes{target_cluster=\"west\"} 3",
        "cilium_clustermesh_remote_cluster_services{target_cluster=\"west\"} 12",
        "cilium_clustermesh_remote_cluster_endpoints{target_cluster=\"west\"} 40",
        "cilium_clustermesh_remote_cluster_readiness_status{target_cluster=\"west\"} 1",
        "cilium_clustermesh_remote_cluster_readiness_status{target_cluster=\"south\"} 0",
        "cilium_clustermesh_remote_cluster_failures{target_cluster=\"west\"} 2",
        "cilium_clustermesh_remote_cluster_last_failure_ts{target_cluster=\"west\"} 1700000000",
        "cilium_clustermesh_remote_cluster_last_failure_ts{target_cluster=\"south\"} 0",
        "cilium_clustermesh_remote_cluster_cache_revocations{target_cluster=\"west\"} 1"})
    EXPECT_THAT(text, HasSubstr("\n" + std::string(line) + "\n"));
}

TEST(MeshMetrics, a_removed_remote_is_told_of_no_more) {
  Scrape s;
  s.remotes.upsert({.name = "west"});
  EXPECT_THAT(s.registry.text(), HasSubstr("west"));
  s.remotes.remove("west");
  EXPECT_THAT(s.registry.text(), Not(HasSubstr("west")));
}

}  // namespace
}  // namespace weft::mesh
