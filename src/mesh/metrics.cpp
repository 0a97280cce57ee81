#include "mesh/metrics.h"

namespace weft::mesh {
namespace {

double seconds(Wall::time_point t) { return std::chrono::duration<double>(t.time_since_epoch()).count(); }

}  // namespace

void collect_metrics(metrics::Samples& out, const Table<RemoteStatus>& remotes) {
  out.gauge("cilium_clustermesh_remote_clusters", "Remote clusters that are configured.", {},
            static_cast<double>(remotes.size()));
  remotes.for_each([&](const RemoteStatus& r) {
    const metrics::Labels of{{"target_cluster", r.name}};
    const auto count = [](std::uint64_t n) { return static_cast<double>(n); };
    out.gauge("cilium_clustermesh_remote_cluster_services", "Global services taken from the remote cluster.", of,
              count(r.services));
    out.gauge("cilium_clustermesh_remote_cluster_endpoints", "Endpoint addresses taken from the remote cluster.", of,
              count(r.endpoints));
    out.gauge("cilium_clustermesh_remote_cluster_nodes", "Nodes taken from the remote cluster.", of, count(r.nodes));
    out.gauge("cilium_clustermesh_remote_cluster_readiness_status",
              "1 when the remote cluster is connected and every kind is followed, 0 otherwise.", of, r.ready ? 1 : 0);
    out.gauge("cilium_clustermesh_remote_cluster_failures",
              "How often connecting to the remote cluster failed or its connection was given up.", of,
              count(r.failures));
    out.gauge("cilium_clustermesh_remote_cluster_last_failure_ts",
              "When that happened last, in seconds since 1970; 0 when it never did.", of, seconds(r.last_failure));
    out.counter("cilium_clustermesh_remote_cluster_cache_revocations",
                "How often the remote cluster's services were dropped because it stayed away longer than cacheTTL.", of,
                count(r.cache_revocations));
  });
}

}  // namespace weft::mesh
