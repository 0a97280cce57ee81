#include "tests/script/fake_speaker.h"

#include <fmt/format.h>

namespace weft::script {

namespace {

std::string as_text(const bgp::PeerAs& as) {
  switch (as.kind) {
    case bgp::PeerAs::Kind::exact: return std::to_string(as.asn);
    case bgp::PeerAs::Kind::any: return "any";
    case bgp::PeerAs::Kind::external: return "external";
    case bgp::PeerAs::Kind::internal: return "internal";
  }
  return "";
}

std::string route_text(const bgp::Route& r) {
  std::string out = "    " + r.prefix.to_string();
  const auto& path = r.attributes->path;
  for (const auto c : path.communities) out += " " + bgp::community_text(c);
  if (path.local_pref) out += fmt::format(" pref {}", *path.local_pref);
  if (path.med) out += fmt::format(" med {}", *path.med);
  if (r.attributes->prepend > 0) out += fmt::format(" prepend {}", r.attributes->prepend);
  if (r.attributes->next_hop) out += " via " + r.attributes->next_hop->address.to_string();
  return out + "\n";
}

}  // namespace

std::vector<bgp::PeerStatus> FakeSpeaker::peers() const {
  std::vector<bgp::PeerStatus> out;
  for (const auto& [name, instance] : routers_.told.instances)
    for (const auto& p : instance.config.peers) {
      bgp::PeerStatus s;
      s.instance = name;
      s.name = p.name;
      s.local_as = instance.config.local_as;
      s.peer_as = p.remote_as.asn;
      s.address = p.address;
      s.interface = p.interface;
      s.port = p.port;
      s.hold_time = p.hold_time;
      s.keepalive = p.keepalive;
      if (p.held_down.empty() && routers_.up.contains(p.name)) {
        s.state = bgp::SessionState::established;
        if (p.graceful_restart) s.ours.graceful_restart.emplace();
        if (!routers_.forgetful.contains(p.name)) s.theirs.graceful_restart.emplace();
        s.established_at = Wall::time_point(std::chrono::seconds(1'767'225'600));
        for (const auto family : p.families) {
          const auto set = p.routes.find(family);
          s.families[family].advertised = set == p.routes.end() ? 0 : instance.route_sets.at(set->second).size();
        }
      }
      out.push_back(std::move(s));
    }
  return out;
}

std::vector<bgp::PrefixAnswer> FakeSpeaker::why(const Prefix&) const {
  std::vector<bgp::PrefixAnswer> out;
  for (const bgp::PeerStatus& p : peers()) {
    const auto refused = routers_.refuse.find(p.name);
    const bool told = refused == routers_.refuse.end() && p.state == bgp::SessionState::established;
    out.push_back({p.instance, p.name, told,
                   told                               ? "it was told"
                   : refused == routers_.refuse.end() ? ""
                                                      : refused->second});
  }
  return out;
}

std::string wanted_text(const Routers& routers) {
  std::string out;
  if (routers.restarting) out += "restarting\n";
  if (!routers.told.complete) out += "incomplete\n";
  for (const auto& [name, instance] : routers.told.instances) {
    const auto& c = instance.config;
    out += fmt::format("instance {} AS {} id {}{}\n", name, c.local_as, c.router_id.to_string(),
                       c.listen_port ? fmt::format(" port {}", *c.listen_port) : "");
    for (const auto& p : c.peers) {
      out += fmt::format("  peer {} AS {}", p.name, as_text(p.remote_as));
      if (!p.interface.empty()) out += " on " + p.interface;
      if (p.graceful_restart) out += " graceful restart";
      if (p.password) out += " password";
      if (p.bfd) out += " bfd";
      if (p.graceful_shutdown) out += " graceful shutdown";
      if (!p.held_down.empty()) out += "; " + p.held_down;
      out += "\n";
      for (const auto& [family, set] : p.routes)
        instance.route_sets.at(set).for_each([&](const bgp::Route& r) { out += route_text(r); });
    }
    for (const auto& b : instance.blackholes) out += "  blackhole " + b.to_string() + "\n";
  }
  return out;
}

}  // namespace weft::script
