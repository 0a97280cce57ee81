// CidrIndex: which pod CIDRs of other clusters overlap a given one, without looking at all of them.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/net.h"

namespace weft::mesh {

/// A pod CIDR and whose it is; no node: the whole cluster's.
struct PodCidr {
  std::string cluster, node;
  Prefix prefix;
};

class CidrIndex {
 public:
  CidrIndex() = default;
  CidrIndex(std::initializer_list<PodCidr> cidrs) {
    for (const auto& c : cidrs) add(c);
  }
  void add(PodCidr cidr);
  void remove(const PodCidr& cidr);
  std::size_t size() const { return cidrs_.size(); }
  /// One that overlaps `prefix` and is of another cluster than `cluster`: first those that contain it, then those that
  /// it contains. Null when there is none. Takes as many look-ups as there are shorter prefix lengths.
  const PodCidr* overlapping(const Prefix& prefix, const std::string& cluster) const;

 private:
  struct Less {
    using is_transparent = void;
    bool operator()(const PodCidr& a, const PodCidr& b) const;
    bool operator()(const PodCidr& a, const Prefix& b) const { return a.prefix < b; }
    bool operator()(const Prefix& a, const PodCidr& b) const { return a < b.prefix; }
  };
  // By address, then by length: what a prefix contains stands right behind it.
  std::set<PodCidr, Less> cidrs_;
  std::map<std::pair<Family, unsigned>, std::size_t> lengths_;  // how many of each
};

}  // namespace weft::mesh
