// Masquerade: pods speak to the mesh with their own addresses and to the rest of the world with the node's.
#pragma once

#include <string>
#include <vector>

#include "model/node.h"
#include "routing/plan.h"

namespace weft::routing {

/// What decides about the source address of a packet that leaves the node. Prefixes sorted, none inside another.
struct MasqueradeSets {
  std::vector<Prefix> pods4, pods6;      // this node's pods
  std::vector<Prefix> direct4, direct6;  // destinations that see the pod's own address
  bool operator==(const MasqueradeSets&) const = default;
};

/// Direct are: pod CIDRs of every known node of every cluster, configured native routing CIDRs, link-local and
/// multicast, and, natively routed, the addresses of known nodes. Over a tunnel a pod speaks to other nodes with its
/// node's address, because the underlay need not carry packets with pod addresses.
MasqueradeSets masquerade_sets(const Config&, const std::vector<std::shared_ptr<const Node>>& nodes);

/// The whole of table `inet weft_masquerade` as one nftables transaction: it replaces what was there in one step, and
/// packets see either the old rules or the new. With nothing to masquerade it leaves no table behind.
std::string masquerade_ruleset(const Config&, const MasqueradeSets&);

/// Commands that add the sets to a table that an earlier run left and take nothing out of it, a transaction a family.
/// One fails when the table is of another make, or holds a prefix that contains one of ours.
std::vector<std::string> masquerade_additions(const Config&, const MasqueradeSets&);

}  // namespace weft::routing
