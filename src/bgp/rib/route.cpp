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
