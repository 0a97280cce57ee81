#include "bgp/rib/route.h"

#include "bgp/packet/keyed_hash.h"
#include "bgp/rib/attribute_pool.h"

namespace weft::bgp {

std::size_t hash_value(const RouteAttributes& a) {
  KeyedHash h;
  h.add(hash_value(a.path));
  h.add(a.prepend);
  if (a.next_hop) {
    h.add(a.next_hop->address);
    if (a.next_hop->link_local) h.add(*a.next_hop->link_local);
  }
  return h.value();
}

std::size_t footprint(const RouteAttributes& a) {
  constexpr std::size_t kAllocation = 16;
  const auto list = [](const auto& v) {
    return v.capacity() == 0 ? 0 : kAllocation + v.capacity() * sizeof(*v.data());
  };
  std::size_t bytes = kAllocation + sizeof a + list(a.path.as_path.segments) + list(a.path.communities) +
                      list(a.path.extended_communities) + list(a.path.large_communities) + list(a.path.cluster_list) +
                      list(a.path.unknown);
  for (const AsPathSegment& s : a.path.as_path.segments) bytes += list(s.asns);
  for (const UnknownAttribute& u : a.path.unknown) bytes += list(u.value);
  return bytes;
}

SharedAttributes::SharedAttributes() {
  static const SharedAttributes defaults{RouteAttributes{}};
  node_ = defaults.node_;
}

SharedAttributes::SharedAttributes(RouteAttributes attributes) {
  const std::size_t hash = hash_value(attributes);
  const std::size_t bytes = footprint(attributes);
  node_ = std::make_shared<const Node>(Node{std::move(attributes), hash, bytes});
}

SharedAttributes AttributePool::intern(RouteAttributes attributes) {
  if (known_.size() >= trim_at_ || bytes_ >= trim_at_bytes_) trim();
  const auto [at, fresh] = known_.insert(SharedAttributes(std::move(attributes)));
  if (fresh) bytes_ += at->bytes();
  return *at;
}

void AttributePool::trim() {
  std::erase_if(known_, [&](const SharedAttributes& a) {
    if (a.use_count() > 1) return false;
    bytes_ -= a.bytes();
    return true;
  });
  trim_at_ = std::max<std::size_t>(1024, known_.size() * 2);
  trim_at_bytes_ = std::max<std::size_t>(kLeastBytes, bytes_ * 2);
}

}  // namespace weft::bgp
