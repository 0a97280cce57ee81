// One route set as the speaker holds it: what it is now, since when, and how often it changed.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "bgp/rib/route_set.h"

namespace weft::bgp {

/// Seconds on whatever clock the caller reads; kept with routes so that their age can be shown.
using Seconds = std::uint32_t;

class LocalRib {
 public:
  /// The whole set, as it shall be. True when anything differs.
  bool replace(const RouteSet& next, Seconds now);
  /// One route. True when it changed anything.
  bool set(const Route& route, Seconds now);
  bool remove(const Prefix& prefix, Seconds now);

  const RouteSet& routes() const { return routes_; }
  /// Grows with every change, one a call.
  std::uint64_t revision() const { return revision_; }
  /// When this route came or last changed. Sets of more than kStamped routes know only when the set last changed.
  std::optional<Seconds> since(const Prefix& prefix) const;

  static constexpr std::size_t kStamped = 65536;

 private:
  void changed(Seconds now);

  RouteSet routes_;
  std::uint64_t revision_ = 0;
  Seconds changed_at_ = 0;
  std::unordered_map<Prefix, Seconds> stamps_;
};

}  // namespace weft::bgp
