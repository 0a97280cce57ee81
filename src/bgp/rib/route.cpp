#include "bgp/rib/route.h"

#include <functional>

#include "bgp/rib/attribute_pool.h"

namespace weft::bgp {

namespace {

void mix(std::size_t& seed, std::size_t value) { seed ^= value + 0x9e3779b97f4a7c15ULL + (seed << 12) + (seed >> 4); }

}  // namespace

std::size_t hash_value(const RouteAttributes& a) {
  std::size_t seed = hash_value(a.path);
  mix(seed, a.prepend);
  if (a.next_hop) {
    mix(seed, std::hash<Address>{}(a.next_hop->address));
    if (a.next_hop->link_local) mix(seed, std::hash<Address>{}(*a.next_hop->link_local));
  }
  return seed;
}

SharedAttributes::SharedAttributes() {
  static const SharedAttributes defaults{RouteAttributes{}};
  node_ = defaults.node_;
}

SharedAttributes::SharedAttributes(RouteAttributes attributes) {
  const std::size_t hash = hash_value(attributes);
  node_ = std::make_shared<const Node>(Node{std::move(attributes), hash});
}

SharedAttributes AttributePool::intern(RouteAttributes attributes) {
  if (known_.size() >= trim_at_) trim();
  return *known_.insert(SharedAttributes(std::move(attributes))).first;
}

void AttributePool::trim() {
  std::erase_if(known_, [](const SharedAttributes& a) { return a.use_count() == 1; });
  trim_at_ = std::max<std::size_t>(1024, known_.size() * 2);
}

}  // namespace weft::bgp
