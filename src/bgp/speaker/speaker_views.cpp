// What the speaker shows.
#include <fmt/format.h>

#include "bgp/speaker/speaker.h"

namespace weft::bgp {

void Speaker::each_peer(const RouteQuery& filter, const std::function<void(const Peer&)>& visit) const {
  for (const auto& [name, running] : running_) {
    if (!filter.instance.empty() && filter.instance != name) continue;
    for (const auto& [peer_name, peer] : running.peers)
      if (filter.peer.empty() || filter.peer == peer_name) visit(*peer);
  }
}

std::vector<PeerStatus> Speaker::peers() const {
  std::vector<PeerStatus> out;
  each_peer({}, [&](const Peer& p) { out.push_back(p.status()); });
  return out;
}

std::optional<PeerStatus> Speaker::peer(const std::string& instance, const std::string& name) const {
  const auto p = find(instance, name);
  return p ? std::optional((*p)->status()) : std::nullopt;
}

std::vector<RouteView> Speaker::routes_available(const RouteQuery& filter) const {
  std::vector<RouteView> out;
  for (const auto& [name, running] : running_) {
    if (!filter.instance.empty() && filter.instance != name) continue;
    for (const auto& [set, rib] : running.instance->sets()) {
      const auto show = [&](const Prefix& prefix, const SharedAttributes& attributes) {
        if (out.size() >= filter.limit || (filter.family && *filter.family != prefix.family())) return;
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

std::vector<RouteView> Speaker::routes_advertised(const RouteQuery& filter) const {
  std::vector<RouteView> out;
  each_peer(filter, [&](const Peer& p) {
    p.advertised(filter, [&](RouteView v) {
      if (out.size() < filter.limit) out.push_back(std::move(v));
    });
  });
  return out;
}

std::vector<RouteView> Speaker::routes_received(const RouteQuery& filter) const {
  std::vector<RouteView> out;
  each_peer(filter, [&](const Peer& p) {
    p.received(filter, [&](RouteView v) {
      if (out.size() < filter.limit) out.push_back(std::move(v));
    });
  });
  return out;
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
