#include "bgp/speaker/kernel_routes.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::bgp {

Result<netlink::Route> KernelRoutes::to_netlink(const KernelRoute& route) {
  netlink::Route r;
  r.destination = route.prefix;
  r.table = route.table;
  r.protocol = netlink::kBgpRouteProtocol;
  r.metric = route.metric;
  if (route.hops.empty()) {
    r.type = netlink::RouteType::blackhole;
    r.metric = kBlackholeMetric;
    return r;
  }
  std::vector<netlink::RouteHop> hops;
  for (const KernelRoute::Hop& hop : route.hops) {
    if (hops.size() == kMaxHops) break;
    netlink::RouteHop h{hop.via, 0};
    if (!hop.interface.empty()) {
      const auto link = kernel_.link(hop.interface);
      if (!link) return fail(link.error().in("route " + route.prefix.to_string()));
      h.ifindex = link->index;
    }
    hops.push_back(h);
  }
  std::sort(hops.begin(), hops.end());
  if (hops.size() == 1) {
    r.via = hops.front().via;
    r.ifindex = hops.front().ifindex;
  } else {
    r.hops = std::move(hops);
  }
  return r;
}

Result<> KernelRoutes::read_existing() {
  if (known_) return {};
  auto routes = kernel_.routes({.table = std::nullopt, .protocol = netlink::kBgpRouteProtocol});
  if (!routes) return fail(std::move(routes).error());
  for (netlink::Route& r : *routes) left_over_.emplace(place(r), std::move(r));
  known_ = true;
  return {};
}

Result<> KernelRoutes::check_free(const netlink::Route& route,
                                  std::map<std::uint32_t, std::map<Place, std::uint8_t>>& foreign) {
  auto [table, fresh] = foreign.try_emplace(route.table);
  if (fresh) {
    const auto all = kernel_.routes({.table = route.table, .protocol = std::nullopt});
    if (!all) return fail(all.error());
    for (const netlink::Route& r : *all)
      if (r.protocol != netlink::kBgpRouteProtocol) table->second.emplace(place(r), r.protocol);
  }
  const auto taken = table->second.find(place(route));
  if (taken == table->second.end()) return {};
  return fail(Errc::conflict,
              fmt::format("route {} table {} metric {} is held by protocol {}; import with another metric",
                          route.destination.to_string(), route.table, route.metric, taken->second));
}

std::vector<Error> KernelRoutes::apply(const std::vector<KernelRoute>& routes, bool prune) {
  std::vector<Error> errors;
  missing_.clear();
  const auto failed = [&](const Prefix& prefix, Error error) {
    missing_[prefix] = error.message;
    errors.push_back(std::move(error));
  };
  if (auto r = read_existing(); !r) {
    for (const KernelRoute& route : routes) missing_[route.prefix] = r.error().message;
    return {r.error()};
  }
  std::map<Place, netlink::Route> wanted;
  for (const KernelRoute& route : routes) {
    auto r = to_netlink(route);
    if (r)
      wanted.emplace(place(*r), std::move(*r));
    else
      failed(route.prefix, r.error());
  }
  // What goes leaves first, so that a route that moves to another metric never stands twice.
  const auto remove = [&](std::map<Place, netlink::Route>& from) {
    for (auto it = from.begin(); it != from.end();) {
      if (wanted.contains(it->first)) {
        ++it;
        continue;
      }
      if (auto r = kernel_.delete_route(it->second); !r) {
        errors.push_back(r.error());
        ++it;
      } else {
        it = from.erase(it);
      }
    }
  };
  remove(installed_);
  if (prune) remove(left_over_);
  std::map<std::uint32_t, std::map<Place, std::uint8_t>> foreign;
  for (auto& [at, route] : wanted) {
    const auto before = installed_.find(at);
    if (before != installed_.end() && before->second == route) continue;
    const bool inherited = left_over_.contains(at);
    if (before == installed_.end() && !inherited)
      if (auto free = check_free(route, foreign); !free) {
        failed(route.destination, free.error());
        continue;
      }
    if (auto r = kernel_.replace_route(route); !r) {
      failed(route.destination, r.error().in("route " + route.destination.to_string()));
      continue;
    }
    left_over_.erase(at);
    installed_[at] = std::move(route);
  }
  return errors;
}

}  // namespace weft::bgp
