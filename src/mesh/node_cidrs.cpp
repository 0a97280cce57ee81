#include "mesh/node_cidrs.h"

#include <algorithm>

namespace weft::mesh {

const CidrIndex& NodeCidrs::index() {
  for (const auto& change : changes_.next()) {
    std::vector<PodCidr> now;
    if (change.row)
      for (const auto& p : change.row->pod_cidrs) now.push_back({change.row->cluster, change.row->name, p});
    auto& cidrs = of_[change.key];
    const bool same = std::equal(cidrs.begin(), cidrs.end(), now.begin(), now.end(),
                                 [](const PodCidr& a, const PodCidr& b) { return a.prefix == b.prefix; });
    if (!same) {
      ++count_;
      for (const auto& c : cidrs) index_.remove(c);
      for (const auto& c : now) index_.add(c);
      cidrs = std::move(now);
    }
    if (!change.row) of_.erase(change.key);
  }
  return index_;
}

}  // namespace weft::mesh
