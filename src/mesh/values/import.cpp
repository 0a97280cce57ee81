#include "mesh/values/import.h"

#include <fmt/format.h>

namespace weft::mesh {
namespace {

std::unexpected<Error> disagrees(std::string_view what, std::string_view field, const auto& found, const auto& wanted) {
  return fail(Errc::invalid,
              fmt::format("{}: field {} is \"{}\" where its key and cluster say \"{}\"", what, field, found, wanted));
}

Result<> in_range(std::string_view what, NumericIdentity id, const RemoteIdentity& remote) {
  const auto range = identity_range(remote.id, remote.max_connected_clusters);
  if (range.contains(id)) return {};
  return fail(Errc::invalid, fmt::format("{}: identity {} is outside the range {} to {} of cluster {} (id {})", what,
                                         id, range.first, range.last, remote.name, remote.id));
}

}  // namespace

Result<Node> import_node(const RemoteIdentity& remote, const std::string& key, std::string_view value) {
  const std::string what = fmt::format("node {} of cluster {}", key, remote.name);
  auto node = decode_node(value);
  if (!node) return std::unexpected(node.error().in(what));
  if (node->name != key) return disagrees(what, "Name", node->name, key);
  if (node->cluster != remote.name) return disagrees(what, "Cluster", node->cluster, remote.name);
  if (node->cluster_id != remote.id) return disagrees(what, "ClusterID", node->cluster_id, remote.id);
  node->source = "clustermesh";
  return node;
}

Result<std::optional<ClusterService>> import_service(const RemoteIdentity& remote, const std::string& key,
                                                     std::string_view value) {
  const std::string what = fmt::format("service {} of cluster {}", key, remote.name);
  auto service = decode_service(value);
  if (!service) return std::unexpected(service.error().in(what));
  if (service->name.ns.empty() || service->name.name.empty())
    return fail(Errc::invalid, what + ": field namespace or name is empty");
  if (service->name.to_string() != key) return disagrees(what, "namespace/name", service->name.to_string(), key);
  if (service->cluster != remote.name) return disagrees(what, "cluster", service->cluster, remote.name);
  if (service->cluster_id != remote.id) return disagrees(what, "clusterID", service->cluster_id, remote.id);
  if (!service->shared) return std::optional<ClusterService>();
  return std::optional<ClusterService>(std::move(*service));
}

Result<IpIdentity> import_ip(const RemoteIdentity& remote, const std::string& key, std::string_view value) {
  const std::string what = fmt::format("ip {} of cluster {}", key, remote.name);
  auto row = decode_ip(value);
  if (!row) return std::unexpected(row.error().in(what));
  // Compared as addresses: a writer may spell an IPv6 address differently. A host prefix may come with its mask.
  const auto wanted = Prefix::parse(key);
  if (!wanted || *wanted != row->prefix) return disagrees(what, "IP", ip_key(row->prefix), key);
  if (row->id >= kIdentityMinimumAllocated) {
    if (auto r = in_range(what, row->id, remote); !r) return std::unexpected(r.error());
  }
  if (row->id == kIdentityHost) row->id = kIdentityRemoteNode;  // the remote's host is not ours
  row->cluster = remote.name;
  return row;
}

Result<Identity> import_identity(const RemoteIdentity& remote, const std::string& key, std::string_view value) {
  const std::string what = fmt::format("identity {} of cluster {}", key, remote.name);
  if (key.empty() || key.size() > 9 || key.find_first_not_of("0123456789") != std::string::npos)
    return fail(Errc::invalid, what + ": the key is not a number");
  Identity out;
  out.id = static_cast<NumericIdentity>(std::stoul(key));
  out.cluster = remote.name;
  auto labels = decode_identity(value);
  if (!labels) return std::unexpected(labels.error().in(what));
  if (auto r = in_range(what, out.id, remote); !r) return std::unexpected(r.error());
  static const std::string kClusterLabel = "k8s:io.cilium.k8s.policy.cluster";
  const auto label = labels->find(kClusterLabel);
  if (label == labels->end()) return fail(Errc::invalid, fmt::format("{}: it has no label {}", what, kClusterLabel));
  if (label->second != remote.name) return disagrees(what, kClusterLabel, label->second, remote.name);
  out.labels = std::move(*labels);
  return out;
}

Result<> check_name(const LocalCluster& local, const std::string& remote) {
  // Id 1: any id that is not 0, for which alone "default" is allowed.
  auto r = validate_cluster_name(remote, 1);
  if (r) return {};
  return std::unexpected(
      r.error().in(fmt::format("cluster {} cannot mesh with the remote \"{}\"", local.name, remote)));
}

Result<> check_same_name(const LocalCluster& local, const ClusterConfig& config) {
  if (config.id == local.id) return {};
  return fail(
      Errc::invalid,
      fmt::format("cluster.name \"{}\" is used by two clusters: this one (id {}) and a remote one (id {}); give one of "
                  "them another cluster.name",
                  local.name, local.id, config.id));
}

Result<> check_config(const LocalCluster& local, const std::string& remote, const ClusterConfig& config,
                      const std::string& id_taken_by) {
  const ClusterId max = config.max_connected_clusters == 0 ? 255 : config.max_connected_clusters;
  if (max != local.max_connected_clusters)
    return fail(Errc::invalid,
                fmt::format("maxConnectedClusters is {} in cluster {} (this one) and {} in cluster {}: set the same "
                            "clustermesh.maxConnectedClusters in both",
                            local.max_connected_clusters, local.name, max, remote));
  if (auto r = validate_cluster_id(config.id, local.max_connected_clusters); !r)
    return std::unexpected(
        r.error().in(fmt::format("cluster {} cannot mesh with cluster {}: its configuration", local.name, remote)));
  if (config.id == local.id)
    return fail(
        Errc::invalid,
        fmt::format(
            "cluster.id {} is used by cluster {} (this one) and cluster {}: give one of them another cluster.id",
            config.id, local.name, remote));
  if (!id_taken_by.empty())
    return fail(
        Errc::invalid,
        fmt::format(
            "cluster.id {} is used by the remote clusters {} and {}: give one of them another cluster.id; {} stays "
            "connected",
            config.id, id_taken_by, remote, id_taken_by));
  return {};
}

Result<> check_pod_cidrs(const std::vector<PodCidr>& remote, const CidrIndex& others) {
  const auto holder = [](const PodCidr& c) {
    return c.node.empty() ? "cluster " + c.cluster : fmt::format("node {} of cluster {}", c.node, c.cluster);
  };
  for (const auto& r : remote) {
    const PodCidr* o = others.overlapping(r.prefix, r.cluster);
    if (!o) continue;
    return fail(
        Errc::invalid,
        fmt::format("pod CIDR {} of {} overlaps pod CIDR {} of {}: the clusters of a mesh need pod CIDRs of their own; "
                    "give one of them another range (kube-controller-manager --cluster-cidr, from which its nodes get "
                    "theirs) and register its nodes anew",
                    r.prefix.to_string(), holder(r), o->prefix.to_string(), holder(*o)));
  }
  return {};
}

}  // namespace weft::mesh
