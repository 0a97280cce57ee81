// Tells the cluster how this node stands with the remote clusters and what it cannot do: a ConfigMap that
// `weft clustermesh status` and `weft status` read (api/mesh_status.h is the contract), and the same on the socket.
#pragma once

#include <functional>
#include <vector>

#include "api/mesh_status.h"
#include "apps/agent/options.h"
#include "apps/agent/tables.h"
#include "kube/client.h"

namespace weft::agent {

/// What the node cannot do, as of now (Agent::problems).
using TellProblems = std::function<std::vector<api::Problem>()>;

/// Pure: the rows as the contract wants them; of the problems the first kProblemsReported.
api::MeshStatus mesh_status_of(const Options& options, const Table<RemoteStatus>& remotes,
                               std::vector<api::Problem> problems, Wall::time_point now);

/// Publishes until cancelled: readiness at once, counts and problems that last at most every 5 s, everything once a
/// minute.
Task<> publish_mesh_status(kube::Client& client, const Options& options, Tables& tables, TellProblems problems);

}  // namespace weft::agent
