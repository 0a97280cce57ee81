// NodeCidrs: the pod CIDRs of all nodes in the table, to be looked up by overlap.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "mesh/values/cidr_index.h"
#include "model/node.h"
#include "state/table.h"

namespace weft::mesh {

class NodeCidrs {
 public:
  explicit NodeCidrs(Table<Node>& nodes) : changes_(nodes) {}
  /// As the table is now. Ask now and then: the table remembers removals until we have seen them.
  const CidrIndex& index();
  /// Counts up whenever the index changes.
  std::uint64_t changes() const { return count_; }

 private:
  Table<Node>::Stream changes_;
  std::map<Node::Key, std::vector<PodCidr>> of_;
  CidrIndex index_;
  std::uint64_t count_ = 0;
};

}  // namespace weft::mesh
