#include "pods/ipam.h"

#include <algorithm>

namespace weft::pods {

namespace {

Address last_of(const Prefix& p) {
  auto bytes = p.address().raw();
  for (unsigned bit = p.length(); bit < p.address().bits(); ++bit)
    bytes[bit / 8] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
  if (p.family() == Family::v6) return Address::v6(bytes);
  return Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

Address before(const Address& a) {
  auto bytes = a.raw();
  for (std::size_t i = a.bytes().size(); i-- > 0;)
    if (bytes[i]-- != 0) break;
  if (a.is_v6()) return Address::v6(bytes);
  return Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

// last - first + 1, capped.
std::uint64_t count(const Address& first, const Address& last) {
  constexpr std::uint64_t cap = std::uint64_t{1} << 63;
  std::uint64_t n = 0;
  const auto a = first.bytes();
  const auto b = last.bytes();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (n >= (cap >> 8)) return cap;
    n = n * 256 + b[i] - a[i];  // wraps below zero inside, comes out right
  }
  return std::min(n + 1, cap);
}

}  // namespace

// Prefixes of one or two addresses (/31, /32, /127, /128) have no room for anything but themselves.
std::optional<AddressPool::Range> AddressPool::usable(const Prefix& cidr, bool with_gateway) {
  if (cidr.address().bits() - cidr.length() < 2) return std::nullopt;
  Range r{cidr.address().plus(with_gateway ? 2 : 1), last_of(cidr)};
  if (cidr.family() == Family::v4) r.last = before(r.last);
  if (r.last < r.first) return std::nullopt;
  return r;
}

void AddressPool::set_cidrs(const std::vector<Prefix>& cidrs) {
  cidrs_.clear();
  ranges_.clear();
  for (const auto& c : cidrs) {
    if (c.family() != family_) continue;
    const bool first = cidrs_.empty();
    cidrs_.push_back(c);
    if (auto r = usable(c, first)) ranges_.push_back(*r);
  }
}

std::optional<Address> AddressPool::gateway() const {
  if (cidrs_.empty()) return std::nullopt;
  const auto& c = cidrs_.front();
  return c.address().bits() - c.length() < 2 ? c.address() : c.address().plus(1);
}

std::uint64_t AddressPool::capacity() const {
  std::uint64_t n = 0;
  for (const auto& r : ranges_) n = std::min(n + count(r.first, r.last), std::uint64_t{1} << 63);
  return n;
}

Result<Address> AddressPool::allocate(const std::string& owner, Steady::time_point now) {
  std::erase_if(resting_, [&](const auto& e) { return now - e.second >= reuse_delay_; });
  for (const auto& range : ranges_) {
    // Leases and resting addresses are few beside the range: walk the taken ones to the first gap.
    Address candidate = range.first;
    auto lease = leases_.lower_bound(candidate);
    auto rest = resting_.lower_bound(candidate);
    for (;;) {
      if (lease != leases_.end() && lease->first == candidate) {
        ++lease;
      } else if (rest != resting_.end() && rest->first == candidate) {
        ++rest;
      } else {
        leases_.emplace(candidate, owner);
        return candidate;
      }
      if (candidate == range.last) break;
      candidate = candidate.plus(1);
    }
  }
  const auto inside = [&](const Address& a) {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& r) { return r.first <= a && a <= r.last; });
  };
  auto oldest = resting_.end();
  for (auto it = resting_.begin(); it != resting_.end(); ++it)
    if (inside(it->first) && (oldest == resting_.end() || it->second < oldest->second)) oldest = it;
  if (oldest != resting_.end()) {
    const Address a = oldest->first;
    resting_.erase(oldest);
    leases_.emplace(a, owner);
    return a;
  }
  std::string names;
  for (const auto& c : cidrs_) names += (names.empty() ? "" : ", ") + c.to_string();
  if (cidrs_.empty())
    return fail(Errc::unavailable, std::string("node has no ") + std::string(to_string(family_)) +
                                       " pod CIDR yet: wait for the cluster to assign one (Node spec.podCIDRs)");
  return fail(Errc::exhausted,
              "pod CIDR " + names + ": all " + std::to_string(capacity()) +
                  " addresses are in use; give the node a further pod CIDR or move pods to other nodes");
}

Result<> AddressPool::claim(const Address& address, const std::string& owner) {
  if (address.family() != family_)
    return fail(Errc::invalid, "address " + address.to_string() + ": not of family " + std::string(to_string(family_)));
  const auto [it, fresh] = leases_.emplace(address, owner);
  if (!fresh && it->second != owner)
    return fail(Errc::conflict,
                "address " + address.to_string() + ": wanted for " + owner + " but held by " + it->second);
  resting_.erase(address);
  return {};
}

void AddressPool::release(const Address& address, Steady::time_point now) {
  if (leases_.erase(address) > 0) resting_[address] = now;
}

void AddressPool::withdraw(const Address& address) { leases_.erase(address); }

void NodeIpam::set_cidrs(const std::vector<Prefix>& cidrs) {
  v4_.set_cidrs(cidrs);
  v6_.set_cidrs(cidrs);
}

std::vector<Prefix> NodeIpam::cidrs() const {
  auto out = v4_.cidrs();
  out.insert(out.end(), v6_.cidrs().begin(), v6_.cidrs().end());
  return out;
}

std::vector<Address> NodeIpam::gateways() const {
  std::vector<Address> out;
  if (const auto a = v4_.gateway()) out.push_back(*a);
  if (const auto a = v6_.gateway()) out.push_back(*a);
  return out;
}

Result<std::vector<Address>> NodeIpam::allocate(const std::string& owner, Steady::time_point now) {
  if (!ready())
    return fail(Errc::unavailable, "node has no pod CIDR yet: wait for the cluster to assign one (Node spec.podCIDRs)");
  std::vector<Address> out;
  for (AddressPool* pool : {&v4_, &v6_}) {
    if (pool->cidrs().empty()) continue;
    auto a = pool->allocate(owner, now);
    if (!a) {
      for (const auto& taken : out) pool_of(taken).withdraw(taken);
      return fail(std::move(a).error());
    }
    out.push_back(*a);
  }
  return out;
}

Result<> NodeIpam::claim(const std::vector<Address>& addresses, const std::string& owner) {
  for (const auto& a : addresses) WEFT_TRY(pool_of(a).claim(a, owner));
  return {};
}

void NodeIpam::release(const std::vector<Address>& addresses, Steady::time_point now) {
  for (const auto& a : addresses) pool_of(a).release(a, now);
}

}  // namespace weft::pods
