#include "lab/apiserver/allocator.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::lab::api {

IpAllocator::IpAllocator(Prefix range) : range_(range) {
  const unsigned host_bits = range.address().bits() - range.length();
  const std::uint64_t all = std::uint64_t{1} << std::min(host_bits, 32u);
  const std::uint64_t unusable = range.family() == Family::v4 ? 2 : 1;
  size_ = all > unusable ? all - unusable : 0;
}

Result<Address> IpAllocator::next(const Random& random) {
  const std::uint64_t band =
      size_ <= 16 ? 0 : std::min<std::uint64_t>({std::max<std::uint64_t>(16, size_ / 16), 256, size_ - 1});
  const auto pick = [&](std::uint64_t low, std::uint64_t high) -> std::optional<Address> {
    if (high <= low) return std::nullopt;
    const std::uint64_t n = high - low, start = random(n);
    // More than the addresses in use need never be looked at.
    for (std::uint64_t i = 0; i < n && i <= used_.size(); ++i) {
      const Address a = range_.address().plus(1 + low + (start + i) % n);
      if (used_.insert(a).second) return a;
    }
    return std::nullopt;
  };
  if (const auto a = pick(band, size_)) return *a;
  if (const auto a = pick(0, band)) return *a;
  return fail(Errc::exhausted, fmt::format("range {} is full", range_.to_string()));
}

Result<> IpAllocator::take(const Address& a) {
  if (!range_.contains(a) || a == range_.address() || (a.is_v4() && a == range_.address().plus(size_ + 1)))
    return fail(Errc::invalid,
                fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}",
                            a.to_string(), range_.to_string()));
  if (!used_.insert(a).second) return fail(Errc::exists, "provided IP is already allocated");
  return {};
}

Result<Port> PortAllocator::next(const Random& random) {
  const std::uint64_t n = static_cast<std::uint64_t>(last_ - first_) + 1, start = random(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto p = static_cast<Port>(first_ + (start + i) % n);
    if (used_.insert(p).second) return p;
  }
  return fail(Errc::exhausted, fmt::format("ports {}-{} are all in use", first_, last_));
}

Result<> PortAllocator::take(Port p) {
  if (p < first_ || p > last_)
    return fail(Errc::invalid, fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                                           first_, last_));
  if (!used_.insert(p).second) return fail(Errc::exists, "provided port is already allocated");
  return {};
}

}  // namespace weft::lab::api
