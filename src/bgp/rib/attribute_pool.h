// Equal attributes kept once (hash consing): routes received from many peers, or wanted by many services, then point
// to one object, and comparing two of them is comparing two pointers.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "bgp/rib/route.h"

namespace weft::bgp {

/// Forgets attributes that nobody else holds when it has grown, in number or in octets, to twice what was in use: no
/// size limit is needed, and memory follows the routes that are there.
class AttributePool {
 public:
  SharedAttributes intern(RouteAttributes attributes);
  std::size_t size() const { return known_.size(); }
  /// Octets of what it knows, see footprint().
  std::size_t bytes() const { return bytes_; }
  /// Drops what nobody else holds; done by intern() now and then.
  void trim();

  /// Octets below which it does not look for what can go.
  static constexpr std::size_t kLeastBytes = 4 << 20;

 private:
  std::unordered_set<SharedAttributes, SharedAttributesHash> known_;
  std::size_t bytes_ = 0;
  std::size_t trim_at_ = 1024;
  std::size_t trim_at_bytes_ = kLeastBytes;
};

}  // namespace weft::bgp
