// Tells the cluster how this node stands with the remote clusters: a ConfigMap that `weft clustermesh status` reads
// (api/mesh_status.h is the contract), and the same on the socket.
#pragma once

#include "api/mesh_status.h"
#include "apps/agent/options.h"
#include "apps/agent/tables.h"
#include "kube/client.h"

namespace weft::agent {

/// Pure: the rows as the contract wants them.
api::MeshStatus mesh_status_of(const Options& options, const Table<RemoteStatus>& remotes, Wall::time_point now);

/// Publishes until cancelled: readiness at once, counts at most every 5 s, everything once a minute.
Task<> publish_mesh_status(kube::Client& client, const Options& options, Tables& tables);

}  // namespace weft::agent
