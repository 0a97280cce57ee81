#include "mesh/values/cidr_index.h"

#include <tuple>

namespace weft::mesh {

bool CidrIndex::Less::operator()(const PodCidr& a, const PodCidr& b) const {
  return std::tie(a.prefix, a.cluster, a.node) < std::tie(b.prefix, b.cluster, b.node);
}

void CidrIndex::add(PodCidr cidr) {
  const std::pair kind{cidr.prefix.family(), cidr.prefix.length()};
  if (cidrs_.insert(std::move(cidr)).second) ++lengths_[kind];
}

void CidrIndex::remove(const PodCidr& cidr) {
  if (cidrs_.erase(cidr) == 0) return;
  const auto it = lengths_.find({cidr.prefix.family(), cidr.prefix.length()});
  if (--it->second == 0) lengths_.erase(it);
}

const PodCidr* CidrIndex::overlapping(const Prefix& prefix, const std::string& cluster) const {
  for (auto kind = lengths_.lower_bound({prefix.family(), 0});
       kind != lengths_.end() && kind->first.first == prefix.family() && kind->first.second < prefix.length(); ++kind) {
    const Prefix wider(prefix.address(), kind->first.second);
    for (auto [it, end] = cidrs_.equal_range(wider); it != end; ++it)
      if (it->cluster != cluster) return &*it;
  }
  for (auto it = cidrs_.lower_bound(prefix); it != cidrs_.end() && prefix.contains(it->prefix); ++it)
    if (it->cluster != cluster) return &*it;
  return nullptr;
}

}  // namespace weft::mesh
