#include "tests/interop/tool/views.h"

#include <boost/json.hpp>

#include "base/encoding.h"

namespace weft::bgp {

namespace {

namespace json = boost::json;

std::string hex(const std::vector<std::uint8_t>& bytes) {
  return hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

json::value to_json(const Capabilities& c) {
  json::object o;
  json::array families;
  for (const AfiSafi f : c.families) families.emplace_back(f.to_string());
  o["families"] = std::move(families);
  o["route_refresh"] = c.route_refresh;
  o["enhanced_route_refresh"] = c.enhanced_route_refresh;
  o["extended_message"] = c.extended_message;
  if (c.four_octet_asn) o["four_octet_asn"] = *c.four_octet_asn;
  if (c.graceful_restart) {
    const GracefulRestart& g = *c.graceful_restart;
    json::array tuples;
    for (const auto& t : g.families) tuples.push_back({{"family", t.family.to_string()}, {"forwarding", t.forwarding}});
    o["graceful_restart"] = {{"restarting", g.restarting},
                             {"notification", g.notification},
                             {"restart_time", g.restart_time},
                             {"families", std::move(tuples)}};
  }
  json::array next_hops;
  for (const ExtendedNextHop& e : c.extended_next_hop)
    next_hops.push_back({{"family", e.nlri.to_string()}, {"next_hop_afi", e.next_hop_afi}});
  o["extended_next_hop"] = std::move(next_hops);
  o["host_name"] = c.host_name;
  return o;
}

}  // namespace

json::value to_json(const PeerStatus& s) {
  json::object o;
  o["instance"] = s.instance;
  o["name"] = s.name;
  o["local_asn"] = s.local_as;
  o["router_id"] = s.router_id.to_string();
  o["peer_asn"] = s.peer_as;
  o["address"] = s.address ? json::value(s.address->to_string()) : json::value(nullptr);
  o["interface"] = s.interface;
  o["port"] = s.port;
  o["local_address"] = s.local_address ? json::value(s.local_address->to_string()) : json::value(nullptr);
  o["peer_router_id"] = s.peer_router_id.to_string();
  o["state"] = to_string(s.state);
  json::object down{{"kind", to_string(s.down.kind)}, {"words", s.down.words}, {"at", rfc3339(s.down.at)}};
  if (s.down.notification) {
    const Notification& n = *s.down.notification;
    down["notification"] = {{"code", static_cast<int>(n.code)},
                            {"subcode", n.subcode},
                            {"data", hex(n.data)},
                            {"text", n.shutdown_text()},
                            {"words", n.to_string()}};
  }
  o["down"] = std::move(down);
  o["reason"] = s.down.words;
  o["established_at"] = s.established_at ? json::value(rfc3339_micro(*s.established_at)) : json::value(nullptr);
  o["hold_time"] = s.hold_time.count();
  o["keepalive"] = s.keepalive.count();
  o["ours"] = to_json(s.ours);
  o["theirs"] = to_json(s.theirs);
  json::array families;
  for (const auto& [family, f] : s.families)
    families.push_back({{"family", family.to_string()},
                        {"negotiated", f.negotiated},
                        {"received", f.received},
                        {"imported", f.imported},
                        {"stale", f.stale},
                        {"advertised", f.advertised},
                        {"pending", f.pending},
                        {"end_of_rib_sent", f.end_of_rib_sent},
                        {"end_of_rib_received", f.end_of_rib_received}});
  o["families"] = std::move(families);
  o["bfd"] = s.bfd;
  o["messages_in"] = s.messages_in;
  o["messages_out"] = s.messages_out;
  o["updates_in"] = s.updates_in;
  o["updates_out"] = s.updates_out;
  o["flaps"] = s.flaps;
  o["attribute_faults"] = s.attribute_faults;
  o["last_fault"] = s.last_fault;
  return o;
}

json::value to_json(const RouteView& r) {
  json::object o;
  o["instance"] = r.instance;
  o["peer"] = r.peer;
  o["prefix"] = r.prefix.to_string();
  o["next_hop"] = r.next_hop.to_string();
  const PathAttributes& a = r.attributes;
  o["origin"] = a.origin == Origin::igp ? "igp" : a.origin == Origin::egp ? "egp" : "incomplete";
  o["as_path"] = a.as_path.to_string();
  if (a.med) o["med"] = *a.med;
  if (a.local_pref) o["local_pref"] = *a.local_pref;
  json::array communities, extended, large;
  for (const Community c : a.communities) communities.emplace_back(community_text(c));
  for (const ExtendedCommunity c : a.extended_communities) extended.emplace_back(extended_community_text(c));
  for (const LargeCommunity& c : a.large_communities) large.emplace_back(to_string(c));
  o["communities"] = std::move(communities);
  o["ext_communities"] = std::move(extended);
  o["large_communities"] = std::move(large);
  o["since"] = rfc3339(r.since);
  o["stale"] = r.stale;
  o["best"] = r.best;
  o["note"] = r.note;
  return o;
}

json::value to_json(const PrefixAnswer& a) {
  return {{"instance", a.instance}, {"peer", a.peer}, {"advertised", a.advertised}, {"why", a.why}};
}

json::value to_json(const ListenerStatus& l) { return {{"at", l.at.to_string()}, {"problem", l.problem}}; }

}  // namespace weft::bgp
