#include "bgp/speaker/kernel_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace weft::bgp {

namespace {

std::vector<netlink::RouteHop> hops_of(const netlink::Route& r) {
  if (!r.hops.empty()) return r.hops;
  return r.via ? std::vector<netlink::RouteHop>{{r.via, r.ifindex}} : std::vector<netlink::RouteHop>{};
}

void set_hops(netlink::Route& r, std::vector<netlink::RouteHop> hops) {
  std::sort(hops.begin(), hops.end());
  r.via.reset();
  r.ifindex = 0;
  r.hops.clear();
  if (hops.size() == 1) {
    r.via = hops.front().via;
    r.ifindex = hops.front().ifindex;
  } else {
    r.hops = std::move(hops);
  }
}

/// Whether the kernel has what was asked for: it names the links of next hops that were given without.
bool is(const netlink::Route& made, const netlink::Route& found) {
  const auto a = hops_of(made), b = hops_of(found);
  return made.type == found.type &&
         std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& asked, const auto& has) {
           return asked.via == has.via && (asked.ifindex == 0 || asked.ifindex == has.ifindex);
         });
}

/// Whether such an error may be about the next hop: off the link, no link, a link that is down.
bool is_about_the_hop(const Error& e) {
  return e.code == Errc::invalid || e.code == Errc::not_found || e.code == Errc::unavailable ||
         e.code == Errc::unsupported || e.code == Errc::internal;
}

}  // namespace

std::vector<KernelRoutes::Way> KernelRoutes::ways(const KernelRoute& route, Pass& pass) {
  std::vector<Way> out;
  for (const KernelRoute::Hop& hop : route.hops) {
    if (out.size() == kMaxHops) break;
    Way way{hop, {hop.via, 0}};
    if (!hop.interface.empty()) {
      const auto [known, fresh] = pass.links.try_emplace(hop.interface, 0);
      if (fresh) {
        const auto link = kernel_.link(hop.interface);
        known->second = link ? Result<int>(link->index) : fail(link.error());
      }
      if (!known->second) {
        refused_.push_back({route.prefix, hop, known->second.error().message});
        continue;
      }
      way.at.ifindex = *known->second;
    }
    out.push_back(std::move(way));
  }
  return out;
}

Result<> KernelRoutes::read_existing() {
  if (known_) return {};
  auto routes = kernel_.routes({.table = std::nullopt, .protocol = netlink::kBgpRouteProtocol});
  if (!routes) return fail(std::move(routes).error());
  std::map<Place, netlink::Route> found;
  for (netlink::Route& r : *routes) found.emplace(place(r), std::move(r));
  std::erase_if(installed_, [&](const auto& made) {
    const auto there = found.find(made.first);
    if (there == found.end()) return true;
    if (!is(made.second, there->second)) return true;
    found.erase(there);
    return false;
  });
  left_over_ = std::move(found);
  known_ = true;
  return {};
}

// A place that is not ours yet is taken only when it is free.
Result<> KernelRoutes::put(const Place& at, const netlink::Route& route) {
  const bool ours = installed_.contains(at) || left_over_.contains(at);
  auto done = ours ? kernel_.replace_route(route) : kernel_.create_route(route);
  if (!done && !ours && done.error().code == Errc::exists)
    return fail(Errc::conflict,
                fmt::format("route {} table {} metric {} is there already, of another protocol than ours; import with "
                            "another metric",
                            route.destination.to_string(), route.table, route.metric));
  if (!done) return fail(done.error().in("route " + route.destination.to_string()));
  left_over_.erase(at);
  installed_[at] = route;
  return {};
}

Result<> KernelRoutes::put_what_goes(const Place& at, netlink::Route route, const std::vector<Way>& ways) {
  std::vector<netlink::RouteHop> hops;
  for (const Way& w : ways) hops.push_back(w.at);
  set_hops(route, hops);
  const auto before = installed_.find(at);
  if (before != installed_.end() && before->second == route) return {};
  auto all = put(at, route);
  if (all || !is_about_the_hop(all.error())) return all;
  const auto refuse = [&](const Way& w, const Error& e) { refused_.push_back({route.destination, w.hop, e.message}); };
  if (ways.size() == 1) {
    refuse(ways.front(), all.error());
    return all;
  }
  // Each replaces the one before: at no moment is there no route.
  hops.clear();
  for (const Way& w : ways) {
    set_hops(route, {w.at});
    if (auto one = put(at, route); one)
      hops.push_back(w.at);
    else if (is_about_the_hop(one.error()))
      refuse(w, one.error());
    else
      return one;
  }
  if (hops.empty()) return all;
  set_hops(route, hops);
  return put(at, route);
}

void KernelRoutes::set(const KernelRoute& route, Pass& pass) {
  const Place at = place(route);
  netlink::Route r;
  r.destination = route.prefix;
  r.table = route.table;
  r.protocol = netlink::kBgpRouteProtocol;
  r.metric = std::get<2>(at);
  if (route.hops.empty()) {
    r.type = netlink::RouteType::blackhole;
    const auto before = installed_.find(at);
    if (before != installed_.end() && before->second == r) return;
    if (auto done = put(at, r); !done) {
      missing_[route.prefix] = done.error().message;
      pass.errors.push_back(std::move(done).error());
    }
    return;
  }
  const std::size_t told = refused_.size();
  const std::vector<Way> these = ways(route, pass);
  Result<> done = these.empty() ? fail(Errc::not_found, refused_.back().why) : put_what_goes(at, std::move(r), these);
  if (done) return;
  missing_[route.prefix] = done.error().message;
  if (refused_.size() == told) pass.errors.push_back(std::move(done).error());
}

void KernelRoutes::remove(std::map<Place, netlink::Route>& from, const Place& at, Pass& pass) {
  const auto route = from.find(at);
  if (auto done = kernel_.delete_route(route->second); !done)
    pass.errors.push_back(std::move(done).error());
  else
    from.erase(route);
}

std::vector<Error> KernelRoutes::apply(const std::vector<KernelRoute>& routes, bool prune) {
  missing_.clear();
  refused_.clear();
  if (auto r = read_existing(); !r) {
    for (const KernelRoute& route : routes) missing_[route.prefix] = r.error().message;
    return {r.error()};
  }
  Pass pass;
  std::map<Place, const KernelRoute*> wanted;
  for (const KernelRoute& route : routes) wanted.emplace(place(route), &route);
  // What goes leaves first, so that a route that moves to another metric never stands twice.
  const auto leave = [&](std::map<Place, netlink::Route>& from) {
    std::vector<Place> gone;
    for (const auto& [at, route] : from)
      if (!wanted.contains(at)) gone.push_back(at);
    for (const Place& at : gone) remove(from, at, pass);
  };
  leave(installed_);
  if (prune) leave(left_over_);
  for (const auto& [at, route] : wanted) set(*route, pass);
  return std::move(pass.errors);
}

std::vector<Error> KernelRoutes::change(const std::map<Prefix, std::vector<KernelRoute>>& routes) {
  Pass pass;
  if (auto r = read_existing(); !r) {
    for (const auto& [prefix, some] : routes)
      if (!some.empty()) missing_[prefix] = r.error().message;
    return {r.error()};
  }
  for (const auto& [prefix, some] : routes) {
    missing_.erase(prefix);
    std::map<Place, const KernelRoute*> wanted;
    for (const KernelRoute& route : some) wanted.emplace(place(route), &route);
    std::vector<Place> gone;
    for (auto it = installed_.lower_bound({prefix, 0, 0}); it != installed_.end() && std::get<0>(it->first) == prefix;
         ++it)
      if (!wanted.contains(it->first)) gone.push_back(it->first);
    for (const Place& at : gone) remove(installed_, at, pass);
    for (const auto& [at, route] : wanted) set(*route, pass);
  }
  return std::move(pass.errors);
}

}  // namespace weft::bgp
