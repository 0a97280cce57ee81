// Routes that go together to one or more peers, by prefix: a value. Copying one copies a pointer; changing a copy
// copies the few hundred routes around the change and leaves all others shared, so that comparing two sets costs what
// differs between them. A million IPv4 routes take about 8 MB.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <vector>

#include "bgp/rib/route.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

class RouteSet {
 public:
  RouteSet() = default;
  RouteSet(std::initializer_list<Route> routes);

  /// Adds the route or replaces the one of its prefix; false when exactly that was there. Ascending order is fastest.
  bool set(const Route& route) { return table(route.prefix.family()).set(route); }
  /// False when there was none.
  bool remove(const Prefix& prefix) { return table(prefix.family()).remove(prefix); }
  void clear() { *this = {}; }

  std::optional<SharedAttributes> find(const Prefix& prefix) const { return table(prefix.family()).find(prefix); }
  bool contains(const Prefix& prefix) const { return find(prefix).has_value(); }
  std::size_t size() const { return v4_.size() + v6_.size(); }
  bool empty() const { return size() == 0; }

  /// Every route: IPv4 before IPv6, by address, shorter prefix first (the order of Prefix).
  void for_each(const std::function<void(const Route&)>& visit) const;
  std::vector<Route> to_vector() const;

  /// How a prefix changes: `before` is null for a new one, `after` for one that goes.
  struct Change {
    Prefix prefix;
    const SharedAttributes* before = nullptr;
    const SharedAttributes* after = nullptr;
  };
  /// What must happen to make `*this` into `next`, in order. Skips what both share.
  void diff(const RouteSet& next, const std::function<void(const Change&)>& visit) const;
  /// True at once when one is an unchanged copy of the other.
  bool same(const RouteSet& other) const { return v4_.same(other.v4_) && v6_.same(other.v6_); }
  bool operator==(const RouteSet& other) const { return v4_ == other.v4_ && v6_ == other.v6_; }

  const RouteTable& table(Family f) const { return f == Family::v4 ? v4_ : v6_; }
  RouteTable& table(Family f) { return f == Family::v4 ? v4_ : v6_; }

 private:
  RouteTable v4_{Family::v4};
  RouteTable v6_{Family::v6};
};

}  // namespace weft::bgp
