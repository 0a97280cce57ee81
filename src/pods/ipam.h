// Node IPAM: which pod has which address of the node's podCIDRs. Pure: no clock, no kernel, no file.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/net.h"

namespace weft::pods {

/// The addresses of one family's CIDRs. Never given out: the network address (for IPv6 the subnet-router anycast
/// address, RFC 4291 section 2.6.1), the gateway (the first usable address of the first CIDR, which is the node's
/// own on the pod network) and IPv4's broadcast address.
///
/// The next address is the lowest free one; one that was just released rests for `reuse_delay`, so that late
/// packets to a dead pod do not meet a new one. When only resting addresses are left, the one that rested longest
/// is given out: a pod with a warm address beats a pod without one.
class AddressPool {
 public:
  explicit AddressPool(Family family, Duration reuse_delay = std::chrono::seconds(30))
      : family_(family), reuse_delay_(reuse_delay) {}

  /// Replaces the CIDRs (those of other families are ignored). Leases outside the new ones stay until released.
  void set_cidrs(const std::vector<Prefix>& cidrs);
  const std::vector<Prefix>& cidrs() const { return cidrs_; }
  /// The node's own address on the pod network; none before set_cidrs().
  std::optional<Address> gateway() const;

  Result<Address> allocate(const std::string& owner, Steady::time_point now);
  /// Takes exactly this address (a restored lease). Success if `owner` has it already; conflict names the holder.
  Result<> claim(const Address& address, const std::string& owner);
  /// Unknown addresses are ignored.
  void release(const Address& address, Steady::time_point now);

  /// Takes back an allocation that nobody has seen yet: no rest needed.
  void withdraw(const Address& address);

  std::size_t used() const { return leases_.size(); }
  /// How many addresses could be leased at most, at most 2^63.
  std::uint64_t capacity() const;
  const std::map<Address, std::string>& leases() const { return leases_; }

 private:
  struct Range {
    Address first, last;
  };  // usable addresses, inclusive
  static std::optional<Range> usable(const Prefix& cidr, bool with_gateway);

  Family family_;
  Duration reuse_delay_;
  std::vector<Prefix> cidrs_;
  std::vector<Range> ranges_;
  std::map<Address, std::string> leases_;
  std::map<Address, Steady::time_point> resting_;  // released at
};

/// Both families together: a pod gets one address of each that the node has CIDRs for, or none at all.
class NodeIpam {
 public:
  explicit NodeIpam(Duration reuse_delay = std::chrono::seconds(30))
      : v4_(Family::v4, reuse_delay), v6_(Family::v6, reuse_delay) {}

  void set_cidrs(const std::vector<Prefix>& cidrs);
  std::vector<Prefix> cidrs() const;
  std::vector<Address> gateways() const;  // v4 first
  bool ready() const { return !v4_.cidrs().empty() || !v6_.cidrs().empty(); }

  Result<std::vector<Address>> allocate(const std::string& owner, Steady::time_point now);
  Result<> claim(const std::vector<Address>& addresses, const std::string& owner);
  void release(const std::vector<Address>& addresses, Steady::time_point now);

  const AddressPool& pool(Family f) const { return f == Family::v4 ? v4_ : v6_; }

 private:
  AddressPool& pool_of(const Address& a) { return a.is_v4() ? v4_ : v6_; }
  AddressPool v4_;
  AddressPool v6_;
};

}  // namespace weft::pods
