// The tables that the mesh writes: one for each kind, shared by all remotes (and, for nodes and identities, with the
// rows of this cluster).
#pragma once

#include <map>
#include <memory>

#include "mesh/node_cidrs.h"
#include "model/identity.h"
#include "model/node.h"
#include "model/remote_status.h"
#include "model/service.h"
#include "state/table.h"

namespace weft::mesh {

struct Tables {
  Table<Node>& nodes;
  Table<ClusterService>& services;
  Table<IpIdentity>& ips;
  Table<Identity>& identities;
  Table<RemoteStatus>& remotes;
  /// Of all nodes in the table; shared by all remotes.
  std::shared_ptr<NodeCidrs> pod_cidrs = std::make_shared<NodeCidrs>(nodes);
};

/// Which remote holds which cluster id; first come, first served.
using IdRegistry = std::map<ClusterId, std::string>;

}  // namespace weft::mesh
