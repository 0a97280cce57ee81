// The node towards the API server: its Node object, its Lease, its conditions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "async/scope.h"
#include "lab/node/worker.h"

namespace weft::lab {

struct NodeIdentity {
  std::string name;
  std::vector<std::string> addresses;
  std::vector<std::string>
      pod_cidrs;  // set at registration, so that the fabric's static routes are right; may be empty
  std::map<std::string, std::string> labels;
};

/// The Node object to create. Pure but for the machine's own facts (kernel, memory, processors).
json::object node_object(const NodeIdentity& identity);
/// status.conditions: Ready as the CNI configuration says. Pure.
json::array node_conditions(const Result<CniNetwork>& cni, const json::object& current, Wall::time_point now);

/// Registers, then keeps conditions and Lease fresh until cancelled.
Task<> keep_node(kube::Client& client, NodeIdentity identity, std::string cni_conf_dir);
Task<> keep_lease(kube::Client& client, std::string name);

/// Watches the pods of this node and gives each a worker, adopting what an earlier process left. Until cancelled.
Task<> keep_pods(NodeContext& context, Scope& scope);

}  // namespace weft::lab
