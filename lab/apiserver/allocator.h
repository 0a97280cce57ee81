// Addresses and ports for services: pure bookkeeping.
#pragma once

#include <functional>
#include <set>

#include "base/net.h"
#include "lab/apiserver/json.h"

namespace weft::lab::api {

using Random = std::function<std::uint64_t(std::uint64_t below)>;

/// ClusterIPs of one range. The network's own address and, for IPv4, the broadcast address are never given out;
/// addresses taken at random lie above a band at the start (up to 256) that is left to those who ask for one.
class IpAllocator {
 public:
  explicit IpAllocator(Prefix range);
  const Prefix& range() const { return range_; }
  /// Errors: exhausted.
  Result<Address> next(const Random& random);
  /// Errors: invalid (not in the range), exists (taken).
  Result<> take(const Address& a);
  void release(const Address& a) { used_.erase(a); }
  bool used(const Address& a) const { return used_.contains(a); }
  std::size_t count() const { return used_.size(); }

 private:
  Prefix range_;
  std::uint64_t size_ = 0;  // addresses that may be given out, at most 2^32
  std::set<Address> used_;
};

class PortAllocator {
 public:
  PortAllocator(Port first, Port last) : first_(first), last_(last) {}
  Result<Port> next(const Random& random);
  Result<> take(Port p);
  void release(Port p) { used_.erase(p); }
  bool used(Port p) const { return used_.contains(p); }

 private:
  Port first_, last_;
  std::set<Port> used_;
};

}  // namespace weft::lab::api
