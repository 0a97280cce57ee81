// What a remote's nodes say of the endpoints that are configured for it. Pure.
//
// `connect` writes down the addresses that the nodes of a NodePort mesh have that day. Nodes go and come, and a mesh
// store in the host network moves with its pod: so where a configured endpoint is a node's address, the remote's other
// nodes are asked too, at the same port, and who is no node any more is named.
#pragma once

#include <string>
#include <vector>

#include "model/node.h"

namespace weft::mesh {

struct NodeEndpoints {
  std::vector<std::string> others;  // URLs of nodes that are not configured, in the order of `nodes`
  std::vector<std::string> gone;    // configured addresses that no node has
};

/// `configured`: URLs. Both lists are empty unless an endpoint of `configured` is the InternalIP of one of `nodes`, or
/// was (`were_nodes`, which this sets): a load balancer's address or a name stands for all nodes at all times. Others
/// are told in the families that are configured.
NodeEndpoints node_endpoints(const std::vector<std::string>& configured, const std::vector<Node>& nodes,
                             bool& were_nodes);

/// One sentence for an operator, with the mend; empty when every configured address is a node's.
std::string node_endpoints_warning(const std::string& cluster, const NodeEndpoints& endpoints);

}  // namespace weft::mesh
