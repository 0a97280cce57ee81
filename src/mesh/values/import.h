// What may come in: values of a remote cluster's store checked against their keys and the cluster they claim to be
// from (cilium-compat section 1.11, "Value validation"), and the remote's configuration checked against ours. Pure.
// Every refusal names both sides, the field and the mend.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mesh/values/cidr_index.h"
#include "mesh/values/codec.h"
#include "mesh/values/local_cluster.h"

namespace weft::mesh {

/// A remote as its configuration describes it.
struct RemoteIdentity {
  std::string name;
  ClusterId id = 0;
  ClusterId max_connected_clusters = 255;
};

// `key` is what follows the kind's prefix. An error means: keep what was there before.
Result<Node> import_node(const RemoteIdentity& remote, const std::string& key, std::string_view value);
/// No value: not shared any more, which is a deletion.
Result<std::optional<ClusterService>> import_service(const RemoteIdentity& remote, const std::string& key,
                                                     std::string_view value);
Result<IpIdentity> import_ip(const RemoteIdentity& remote, const std::string& key, std::string_view value);
Result<Identity> import_identity(const RemoteIdentity& remote, const std::string& key, std::string_view value);

/// "cluster.id 1 …": the remote's id, maximum and name against ours. `id_taken_by` is the name of another remote that
/// has this id already, empty if none.
Result<> check_config(const LocalCluster& local, const std::string& remote, const ClusterConfig& config,
                      const std::string& id_taken_by);
/// The name under which a remote is configured here, before anything is asked of it.
Result<> check_name(const LocalCluster& local, const std::string& remote);
/// Whether two clusters of one name are two (their ids differ), or this cluster seen through its own store.
Result<> check_same_name(const LocalCluster& local, const ClusterConfig& config);

/// The first overlap of a remote's CIDRs with those that others hold.
Result<> check_pod_cidrs(const std::vector<PodCidr>& remote, const CidrIndex& others);

}  // namespace weft::mesh
