#include "bgp/control/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kube/json.h"

namespace weft::bgp::control {

namespace {

const PeerConfig* config_of(const Plan& plan, const std::string& instance, const std::string& peer) {
  const auto it = plan.instances.find(instance);
  if (it == plan.instances.end()) return nullptr;
  for (const PeerConfig& p : it->second.config.peers)
    if (p.name == peer) return &p;
  return nullptr;
}

Asn local_as(const Plan& plan, const std::string& instance) {
  const auto it = plan.instances.find(instance);
  return it == plan.instances.end() ? 0 : it->second.config.local_as;
}

std::string address_text(const PeerStatus& p) {
  if (!p.address) return p.interface;
  return p.address->is_link_local() && !p.interface.empty() ? p.address->to_string() + "%" + p.interface : p.address->to_string();
}

json::object families_names(AfiSafi family) {
  return {{"afi", family == kIpv6Unicast ? "ipv6" : "ipv4"}, {"safi", "unicast"}};
}

std::int64_t seconds_since(Wall::time_point then, Wall::time_point now) {
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - then).count());
}

json::array capabilities_view(const Capabilities& c) {
  json::array out;
  const auto add = [&](std::string text) { out.push_back(json::string(text)); };
  for (const AfiSafi f : c.families) add("multiprotocol " + f.to_string());
  if (c.route_refresh) add("route refresh");
  if (c.enhanced_route_refresh) add("enhanced route refresh");
  if (c.extended_message) add("extended message");
  if (c.four_octet_asn) add("four-octet ASN");
  for (const auto& e : c.extended_next_hop)
    add(fmt::format("extended next hop {} over AFI {}", e.nlri.to_string(), e.next_hop_afi));
  if (c.graceful_restart)
    add(fmt::format("graceful restart {} s{}", c.graceful_restart->restart_time,
                    c.graceful_restart->notification ? " with notification" : ""));
  if (!c.host_name.empty()) add("host name " + c.host_name);
  for (const auto& u : c.unknown) add(fmt::format("code {}", u.code));
  return out;
}

}  // namespace

json::array peers_view(const std::vector<PeerStatus>& peers, const Plan& plan, Wall::time_point now) {
  json::array out;
  for (const PeerStatus& p : peers) {
    json::array families;
    for (const auto& [family, s] : p.families) {
      json::object f = families_names(family);
      f["negotiated"] = s.negotiated;
      f["received"] = s.received;
      f["imported"] = s.imported;
      f["stale"] = s.stale;
      f["advertised"] = s.advertised;
      f["pending"] = s.pending;
      f["endOfRibSent"] = s.end_of_rib_sent;
      f["endOfRibReceived"] = s.end_of_rib_received;
      families.push_back(std::move(f));
    }
    json::object o;
    o["instance"] = p.instance;
    o["name"] = p.name;
    o["localASN"] = p.local_as;
    o["peerASN"] = p.peer_as;
    o["peerAddress"] = address_text(p);
    o["peerPort"] = p.port;
    o["localAddress"] = p.local_address ? p.local_address->to_string() : "";
    o["routerID"] = p.router_id.to_string();
    o["peerRouterID"] = p.peer_router_id.value == 0 ? "" : p.peer_router_id.to_string();
    o["sessionState"] = to_string(p.state);
    if (p.state == SessionState::established && p.established_at) {
      o["establishedTime"] = rfc3339(*p.established_at);
      o["uptimeSeconds"] = seconds_since(*p.established_at, now);
      o["holdTimeSeconds"] = p.hold_time.count();
      o["keepAliveSeconds"] = p.keepalive.count();
    }
    json::object down{{"kind", to_string(p.down.kind)}, {"words", p.down.words}};
    if (p.down.at != Wall::time_point{}) down["at"] = rfc3339(p.down.at);
    const auto* config = config_of(plan, p.instance, p.name);
    if (config && !config->held_down.empty()) {
      down["kind"] = "held_down";
      down["words"] = config->held_down;
    }
    o["down"] = std::move(down);
    o["draining"] = config && config->graceful_shutdown;
    o["bfd"] = p.bfd;
    o["flaps"] = p.flaps;
    o["messages"] = {{"in", p.messages_in}, {"out", p.messages_out}};
    o["updates"] = {{"in", p.updates_in}, {"out", p.updates_out}};
    o["attributeFaults"] = p.attribute_faults;
    o["lastFault"] = p.last_fault;
    o["families"] = std::move(families);
    o["capabilities"] = {{"local", capabilities_view(p.ours)}, {"remote", capabilities_view(p.theirs)}};
    out.push_back(std::move(o));
  }
  return out;
}

std::string attributes_text(const PathAttributes& a, const NextHop& next_hop) {
  static constexpr const char* kOrigin[] = {"i", "e", "?"};
  std::string out = fmt::format("[{{Origin: {}}}", kOrigin[static_cast<std::size_t>(a.origin) % 3]);
  if (!a.as_path.segments.empty()) out += fmt::format(" {{AsPath: {}}}", a.as_path.to_string());
  out += fmt::format(" {{Nexthop: {}}}", next_hop.to_string());
  if (a.med) out += fmt::format(" {{Med: {}}}", *a.med);
  if (a.local_pref) out += fmt::format(" {{LocalPref: {}}}", *a.local_pref);
  const auto join = [](const auto& list, const auto& text) {
    std::string all;
    for (const auto& c : list) all += (all.empty() ? "" : ", ") + text(c);
    return all;
  };
  if (!a.communities.empty()) out += " {Communities: " + join(a.communities, community_text) + "}";
  if (!a.large_communities.empty())
    out +=
        " {LargeCommunities: " + join(a.large_communities, [](const LargeCommunity& c) { return to_string(c); }) + "}";
  if (!a.extended_communities.empty())
    out += " {ExtendedCommunities: " + join(a.extended_communities, extended_community_text) + "}";
  return out + "]";
}

json::array routes_view(const std::vector<RouteView>& routes, const Plan& plan, Wall::time_point now) {
  json::array out;
  for (const RouteView& r : routes) {
    json::object o;
    o["instance"] = r.instance;
    o["localASN"] = local_as(plan, r.instance);
    o["peer"] = r.peer;
    if (const auto* c = config_of(plan, r.instance, r.peer))
      o["peerAddress"] = c->address ? c->address->to_string() : c->interface;
    o["prefix"] = r.prefix.to_string();
    o["nextHop"] = r.next_hop.to_string();
    if (r.since != Wall::time_point{}) o["ageSeconds"] = seconds_since(r.since, now);
    o["attributes"] = attributes_text(r.attributes, r.next_hop);
    o["stale"] = r.stale;
    o["best"] = r.best;
    o["note"] = r.note;
    out.push_back(std::move(o));
  }
  return out;
}

json::array available_view(const std::vector<RouteView>& routes, const Plan& plan, Wall::time_point now) {
  json::array out;
  std::map<std::string, std::size_t> places;  // what is shown → where
  const auto peers_of = [&](const RouteView& r, json::array& into) {
    const auto instance = plan.instances.find(r.instance);
    if (instance == plan.instances.end()) return;
    for (const PeerConfig& p : instance->second.config.peers)
      if (const auto set = p.routes.find(unicast(r.prefix.family())); set != p.routes.end() && set->second == r.note)
        into.emplace_back(p.name);
  };
  json::array all = routes_view(routes, plan, now);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    json::object o = std::move(all[i].get_object());
    for (const char* key : {"peer", "note", "best", "stale"}) o.erase(key);
    const auto [place, fresh] = places.try_emplace(
        fmt::format("{}\n{}\n{}", routes[i].instance, kube::text_at(o, "prefix"), kube::text_at(o, "attributes")),
        out.size());
    if (fresh) {
      o["peers"] = json::array();
      out.emplace_back(std::move(o));
    }
    peers_of(routes[i], out[place->second].get_object()["peers"].get_array());
  }
  return out;
}

json::array with_more(json::array routes, std::size_t more) {
  if (more > 0) routes.push_back(json::object{{"more", more}});
  return routes;
}

json::array why_view(const Reasons& reasons, const Delivery& delivery) {
  json::array out;
  std::map<Prefix, std::vector<PrefixAnswer>> answers;
  const auto of = [](const Reason& r, const auto& list, auto name) {
    return std::find_if(list.begin(), list.end(),
                        [&](const auto& e) { return e.instance == r.instance && e.*name == r.peer; });
  };
  const auto refusal = [&](const Reason& r) -> std::string {
    for (const PeerFault& f : delivery.faults)
      if (f.instance == r.instance && (f.peer == r.peer || f.peer.empty())) return f.why;
    return {};
  };
  for (const Reason& r : reasons) {
    json::object o;
    o["instance"] = r.instance;
    o["peer"] = r.peer;
    o["service"] = r.service;
    o["type"] = r.type;
    o["prefix"] = r.prefix ? r.prefix->to_string() : "";
    o["advertised"] = r.advertised;
    o["announced"] = r.announced ? r.announced->to_string() : "";
    o["because"] = r.because;
    o["attributes"] = r.attributes;
    std::string session, unsent, refused;
    if (r.advertised) {
      refused = refusal(r);
      const auto peer = of(r, delivery.peers, &PeerStatus::name);
      if (peer == delivery.peers.end()) {
        unsent = refused.empty() ? "the speaker has not taken this peer over yet" : "the speaker refuses the peer";
      } else if (peer->state != SessionState::established) {
        session = fmt::format("the session is {}{}", to_string(peer->state),
                              peer->down.words.empty() ? "" : ": " + peer->down.words);
      } else {
        const auto [asked, fresh] = answers.try_emplace(*r.announced);
        if (fresh) asked->second = delivery.why(*r.announced);
        const auto answer = of(r, asked->second, &PrefixAnswer::peer);
        if (answer == asked->second.end()) {
          unsent = "the speaker knows nothing of it yet";
        } else if (!answer->advertised) {
          unsent = answer->why;
        }
      }
    }
    o["session"] = std::move(session);
    o["unsent"] = std::move(unsent);
    o["refused"] = std::move(refused);
    out.push_back(std::move(o));
  }
  return out;
}

json::object plan_view(const Plan& plan, const Findings& findings, const std::vector<PeerFault>& faults,
                       const std::string& waiting_for) {
  json::object out;
  out["source"] = plan.source;
  out["waitingFor"] = waiting_for;
  json::array ignored, found, wrong;
  for (const auto& text : plan.ignored) ignored.push_back(json::string(text));
  for (const Finding& f : findings)
    found.push_back({{"severity", f.severity == Finding::Severity::error ? "error" : "warning"},
                     {"object", f.object.to_string()},
                     {"text", f.to_string()}});
  for (const PeerFault& f : faults) wrong.push_back({{"instance", f.instance}, {"peer", f.peer}, {"why", f.why}});
  out["ignored"] = std::move(ignored);
  out["findings"] = std::move(found);
  out["faults"] = std::move(wrong);
  return out;
}

json::array status_instances(const std::vector<PeerStatus>& peers, const Plan& plan) {
  json::array out;
  for (const auto& [name, instance] : plan.instances) {
    json::array list;
    for (const PeerStatus& p : peers) {
      if (p.instance != name) continue;
      json::object o{{"name", p.name},
                     {"peerAddress", address_text(p)},
                     {"peerASN", p.peer_as},
                     {"peeringState", to_string(p.state)}};
      if (p.state == SessionState::established) {
        o["timers"] = {{"appliedHoldTimeSeconds", p.hold_time.count()},
                       {"appliedKeepaliveSeconds", p.keepalive.count()}};
        if (p.established_at) o["establishedTime"] = rfc3339(*p.established_at);
        json::array counts;
        for (const auto& [family, s] : p.families) {
          json::object count = families_names(family);
          count["received"] = s.received;
          count["advertised"] = s.advertised;
          counts.push_back(std::move(count));
        }
        o["routeCount"] = std::move(counts);
      }
      list.push_back(std::move(o));
    }
    out.push_back({{"name", name}, {"localASN", instance.config.local_as}, {"peers", std::move(list)}});
  }
  return out;
}

Result<std::size_t> parse_route_limit(const std::string& text) {
  if (text.empty()) return kRoutesShown;
  std::size_t limit = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (ec != std::errc{} || end != text.data() + text.size() || limit == 0 || limit > kMostRoutesShown)
    return fail(Errc::invalid,
                fmt::format("limit \"{}\" is not a number of routes: use 1 to {}", text, kMostRoutesShown));
  return limit;
}

std::vector<RouteQuery> queries(const RouteWords& words, const Plan& plan) {
  std::vector<RouteQuery> out;
  const auto address = Address::parse(words.peer);
  for (const auto& [name, instance] : plan.instances) {
    if (words.vrouter && instance.config.local_as != *words.vrouter) continue;
    RouteQuery q;
    q.instance = name;
    q.family = words.family;
    if (words.peer.empty()) {
      out.push_back(q);
      continue;
    }
    for (const PeerConfig& p : instance.config.peers)
      if (p.name == words.peer || (address && p.address == *address) || p.interface == words.peer) {
        q.peer = p.name;
        out.push_back(q);
      }
  }
  return out;
}

}  // namespace weft::bgp::control
