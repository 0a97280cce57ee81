#include "mesh/node_cidrs.h"

namespace weft::mesh {

const CidrIndex& NodeCidrs::index() {
  for (const auto& change : changes_.next()) {
    auto& cidrs = of_[change.key];
    for (const auto& c : cidrs) index_.remove(c);
    cidrs.clear();
    if (!change.row) {
      of_.erase(change.key);
      continue;
    }
    for (const auto& p : change.row->pod_cidrs) {
      cidrs.push_back({change.row->cluster, change.row->name, p});
      index_.add(cidrs.back());
    }
  }
  return index_;
}

}  // namespace weft::mesh
