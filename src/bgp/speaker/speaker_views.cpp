// What the speaker shows.
#include <fmt/format.h>

#include "bgp/speaker/speaker.h"

namespace weft::bgp {

namespace {

constexpr std::size_t kMostRanked = 500'000;

void add_note(RouteView& v, const std::string& note) {
  if (note.empty() || v.note == note) return;
  v.note += (v.note.empty() ? "" : "; ") + note;
}

}  // namespace

void Speaker::each_peer(const RouteQuery& filter, const std::function<void(const Peer&)>& visit) const {
  for (const auto& [name, running] : running_) {
    if (!filter.instance.empty() && filter.instance != name) continue;
    for (const auto& [peer_name, peer] : running.peers)
      if (filter.peer.empty() || filter.peer == peer_name) visit(*peer);
  }
}

std::vector<PeerStatus> Speaker::peers() const {
  std::vector<PeerStatus> out;
  each_peer({}, [&](const Peer& p) { out.push_back(status_of(p)); });
  return out;
}

// An imported route that the kernel refused is not imported.
PeerStatus Speaker::status_of(const Peer& peer) const {
  PeerStatus s = peer.status();
  for (const auto& [prefix, why] : missing_in_kernel_) {
    const auto family = s.families.find(unicast(prefix.family()));
    if (family != s.families.end() && family->second.imported > 0 &&
        !peer.instance().in().why_not_imported(peer.name(), prefix))
      --family->second.imported;
  }
  return s;
}

std::optional<PeerStatus> Speaker::peer(const std::string& instance, const std::string& name) const {
  const auto p = find(instance, name);
  return p ? std::optional(status_of(**p)) : std::nullopt;
}

RouteViews Speaker::routes_available(const RouteQuery& filter) const {
  RouteViews out;
  for (const auto& [name, running] : running_) {
    if (!filter.instance.empty() && filter.instance != name) continue;
    for (const auto& [set, rib] : running.instance->sets()) {
      const auto show = [&](const Prefix& prefix, const SharedAttributes& attributes) {
        if (filter.family && *filter.family != prefix.family()) return;
        if (out.size() >= filter.limit) {
          ++out.more;
          return;
        }
        RouteView v;
        v.instance = name;
        v.prefix = prefix;
        v.attributes = attributes->path;
        v.next_hop = attributes->next_hop.value_or(NextHop{Address::any(prefix.family()), std::nullopt});
        if (const auto since = rib.since(prefix)) v.since = shared_->wall(*since);
        v.best = true;
        v.note = set;
        out.push_back(std::move(v));
      };
      if (!filter.prefix)
        rib.routes().for_each([&](const Route& route) { show(route.prefix, route.attributes); });
      else if (const auto attributes = rib.routes().find(*filter.prefix))
        show(*filter.prefix, *attributes);
    }
  }
  return out;
}

RouteViews Speaker::routes_advertised(const RouteQuery& filter) const {
  RouteViews out;
  each_peer(filter, [&](const Peer& p) { p.advertised(filter, out); });
  return out;
}

RouteViews Speaker::routes_received(const RouteQuery& filter) const {
  RouteViews out;
  each_peer(filter, [&](const Peer& p) {
    const Running& running = running_.at(p.instance().name());
    std::size_t shown = out.size();
    p.received(filter, out);
    for (; shown < out.size(); ++shown) {
      RouteView& v = out[shown];
      // Each place is a look into every peer's table. Who shows whole tables waits for nobody's sessions.
      if (shown * running.peers.size() < kMostRanked)
        show_place(running, p, v);
      else
        add_note(v, "not ranked: ask for less");
      if (const auto missing = missing_in_kernel_.find(v.prefix);
          missing != missing_in_kernel_.end() && !p.instance().in().why_not_imported(p.name(), v.prefix))
        add_note(v, "not in the kernel: " + missing->second);
      if (const auto& refused = p.instance().in().refused(); !refused.empty())
        if (const auto hops = refused.find(v.prefix); hops != refused.end())
          if (const auto hop = hops->second.find(imported_hop(v.next_hop, p.config().interface));
              hop != hops->second.end())
            add_note(v, hop->second);
    }
  });
  return out;
}

void Speaker::show_place(const Running& running, const Peer& peer, RouteView& v) {
  std::optional<SharedAttributes> ours;
  for (const auto& [set, rib] : running.instance->sets())
    if (!ours) ours = rib.routes().find(v.prefix);
  for (const InRib::Ranked& r : running.instance->in().rank(v.prefix, ours)) {
    if (r.peer != peer.name()) continue;
    v.best = r.best;
    if (!r.best) add_note(v, r.note);
  }
}

std::vector<PrefixAnswer> Speaker::why(const Prefix& prefix) const {
  std::vector<PrefixAnswer> out;
  each_peer({}, [&](const Peer& p) {
    Peer::Answer a = p.why(prefix);
    out.push_back({p.instance().name(), p.name(), a.advertised, std::move(a.why)});
  });
  return out;
}

std::vector<ListenerStatus> Speaker::listeners() const {
  std::vector<ListenerStatus> out;
  for (const auto& [at, listener] : listeners_) out.push_back({at, listener->problem()});
  return out;
}

}  // namespace weft::bgp
