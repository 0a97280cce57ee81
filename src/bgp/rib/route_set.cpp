#include "bgp/rib/route_set.h"

namespace weft::bgp {

RouteSet::RouteSet(std::initializer_list<Route> routes) {
  for (const Route& r : routes) set(r);
}

void RouteSet::for_each(const std::function<void(const Route&)>& visit) const {
  for (const Family family : {Family::v4, Family::v6})
    table(family).for_each(
        [&](const PrefixKey& key, const SharedAttributes& attributes) { visit({key.prefix(family), attributes}); });
}

std::vector<Route> RouteSet::to_vector() const {
  std::vector<Route> out;
  out.reserve(size());
  for_each([&](const Route& r) { out.push_back(r); });
  return out;
}

void RouteSet::diff(const RouteSet& next, const std::function<void(const Change&)>& visit) const {
  for (const Family family : {Family::v4, Family::v6})
    table(family).diff(next.table(family),
                       [&](const RouteTable::Change& c) { visit({c.key.prefix(family), c.before, c.after}); });
}

}  // namespace weft::bgp
