// Pod CIDRs for nodes: each node gets one subnet of each family out of the cluster's. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/net.h"
#include "lab/controllers/object.h"

namespace weft::lab {

struct NodeCidrOptions {
  std::vector<Prefix> cluster_cidrs;  // at most one a family; the first is the primary
  unsigned mask_v4 = 24;
  unsigned mask_v6 = 64;
};

/// --cluster-cidr: "10.1.0.0/16,fd00:1::/48". The error names the value and the mend.
Result<NodeCidrOptions> parse_node_cidr_options(const std::string& cluster_cidr, unsigned mask_v4, unsigned mask_v6);

struct NodeCidrs {
  std::string node;
  std::vector<std::string> cidrs;
};
struct NodeCidrPlan {
  std::vector<NodeCidrs> assign;
  std::vector<std::string> exhausted;  // nodes that there is no subnet left for
};

/// What nodes without podCIDRs get, by name: the lowest subnet that no node has, in every family the same number
/// where it is free. A node that has podCIDRs keeps them, wherever they come from.
NodeCidrPlan plan_node_cidrs(const NodeCidrOptions& options, const std::vector<ObjectPtr>& nodes);

}  // namespace weft::lab
