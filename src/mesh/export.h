// What this cluster says of itself: rows from Kubernetes to the rows of the mesh store. Pure.
// Source: cilium-compat sections 1.3 to 1.6 and 3.2.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/types/cilium.h"
#include "mesh/values/local_cluster.h"
#include "model/identity.h"
#include "model/node.h"
#include "model/service.h"

namespace weft::mesh {

/// What other clusters learn of a Service, or nothing if it is not global or not shared. `slices` are the service's
/// own, in any order. An endpoint is exported when it is ready or serving; its state goes along unless it is plainly
/// ready. Of several slices with the same address the last by name counts.
std::optional<ClusterService> export_service(const Service& service,
                                             std::vector<std::shared_ptr<const EndpointSlice>> slices,
                                             const LocalCluster& local);

/// One row for each address of an endpoint; none while it has no identity or no node.
std::vector<IpIdentity> export_endpoint(const kube::CiliumEndpoint& endpoint, const LocalCluster& local);

/// The node under this cluster's name and id.
Node export_node(Node node, const LocalCluster& local);

}  // namespace weft::mesh
