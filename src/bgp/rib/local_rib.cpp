#include "bgp/rib/local_rib.h"

namespace weft::bgp {

bool LocalRib::replace(const RouteSet& next, Seconds now) {
  if (routes_.same(next)) return false;
  const bool stamped = next.size() <= kStamped;
  bool any = false;
  if (!stamped) {
    any = routes_ != next;
  } else {
    routes_.diff(next, [&](const RouteSet::Change& c) {
      any = true;
      if (c.after == nullptr)
        stamps_.erase(c.prefix);
      else
        stamps_[c.prefix] = now;
    });
  }
  routes_ = next;  // also when equal: from now on both share pages
  if (any) changed(now);
  return any;
}

bool LocalRib::set(const Route& route, Seconds now) {
  if (!routes_.set(route)) return false;
  stamps_[route.prefix] = now;
  changed(now);
  return true;
}

bool LocalRib::remove(const Prefix& prefix, Seconds now) {
  if (!routes_.remove(prefix)) return false;
  stamps_.erase(prefix);
  changed(now);
  return true;
}

void LocalRib::changed(Seconds now) {
  ++revision_;
  changed_at_ = now;
  if (routes_.size() > kStamped) stamps_ = {};
}

std::optional<Seconds> LocalRib::since(const Prefix& prefix) const {
  if (!routes_.contains(prefix)) return std::nullopt;
  const auto stamp = stamps_.find(prefix);
  return stamp == stamps_.end() ? changed_at_ : stamp->second;
}

}  // namespace weft::bgp
