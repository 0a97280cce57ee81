#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

using namespace std::chrono_literals;

// "(65000,7) (1, 2, 3)" → "65000:7", "1:2:3".
std::vector<std::string> tuples(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = text.find('(', at)) != std::string::npos; ++at) {
    const auto end = text.find(')', at);
    if (end == std::string::npos) break;
    out.push_back(fmt::format("{}", fmt::join(words(text.substr(at + 1, end - at - 1), ", "), ":")));
  }
  return out;
}

// The other way: "1:2:3" → "(1,2,3)".
std::string tuple(const std::string& text) { return fmt::format("({})", fmt::join(words(text, ":"), ",")); }

class Bird final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::bird; }

  void start(bool restarting) override {
    host_.write("bird.conf", config());
    std::error_code ec;
    std::filesystem::remove(host_.inside("/run/bird/bird.ctl"), ec);
    Argv argv = {"bird", "-f", "-c", host_.dir() + "/bird.conf", "-s", "/run/bird/bird.ctl"};
    if (restarting) argv.emplace_back("-R");
    daemon_.start(host_, argv, log_path());
    wait_until(
        30s, "bird answers", [&] { return !daemon_.running() || host_.run({"birdc", "show", "status"}).ok(); },
        [&] { return log(); });
    if (!daemon_.running()) throw std::runtime_error("bird ended at once:\n" + log());
  }

  PeerView peer(const std::string& name) override {
    PeerView out;
    out.raw = birdc({"show", "protocols", "all", name});
    for (const auto& line : words(out.raw, "\n")) {
      const auto value = [&](const char* label) -> std::optional<std::string> {
        const auto p = line.find(label);
        if (p == std::string::npos || line.find_first_not_of(' ') != p) return std::nullopt;
        const auto begin = line.find_first_not_of(' ', p + std::string_view(label).size());
        return begin == std::string::npos ? "" : line.substr(begin);
      };
      if (const auto v = value("BGP state:")) out.state = lower(*v);
      if (const auto v = value("Routes:")) out.received += static_cast<unsigned>(std::stoul(*v));
      if (const auto v = value("Import updates:")) out.updates_in += std::stoul(*v);
      if (const auto v = value("Last error:")) out.reason += *v;
      if (const auto v = value("Message:")) out.reason += "\"" + *v + "\" ";
    }
    if (out.state == "down") out.state = "idle";
    return out;
  }

  Routes routes() override {
    Routes out;
    RouteView* route = nullptr;
    const std::string text = birdc({"show", "route", "all", "where", "source", "=", "RTS_BGP"});
    for (const auto& line : words(text, "\n")) {
      const auto p = line.find(": ");
      if (!line.empty() && line[0] != '\t' && line[0] != ' ' && line.find('/') != std::string::npos) {
        const auto prefix = line.substr(0, line.find(' '));
        route = &out[prefix];
        route->prefix = prefix;
        route->stale = line.find("*s") != std::string::npos || line.find("(100s") != std::string::npos;
      } else if (route != nullptr && line.starts_with("\tBGP.") && p != std::string::npos) {
        attribute(*route, line.substr(5, p - 5), line.substr(p + 2));
      }
    }
    return out;
  }

  void announce(const RouteSpec& route) override {
    withdrawn(route.prefix);
    spec_.routes.push_back(route);
    configure();
  }

  void withdraw(const std::string& prefix) override {
    withdrawn(prefix);
    configure();
  }

  void refresh(const std::string& name) override { birdc({"reload", "in", name}); }
  void shut(const std::string& name, const std::string& message) override {
    birdc({"disable", name, "\"" + message + "\""});
  }

 private:
  void withdrawn(const std::string& prefix) {
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == prefix; });
  }

  void configure() {
    host_.write("bird.conf", config());
    const auto said = birdc({"configure"});
    if (said.find("Reconfigured") == std::string::npos && said.find("Reconfiguration in progress") == std::string::npos)
      throw std::runtime_error("bird does not take its configuration: " + said);
  }

  static void attribute(RouteView& r, const std::string& name, const std::string& value) {
    if (name == "origin") r.origin = lower(value);
    if (name == "as_path") r.as_path = as_numbers(value);
    if (name == "next_hop") r.next_hops = words(value);
    if (name == "med") r.med = static_cast<std::uint32_t>(std::stoul(value));
    if (name == "local_pref") r.local_pref = static_cast<std::uint32_t>(std::stoul(value));
    if (name == "community") r.communities = tuples(value);
    if (name == "large_community") r.large_communities = tuples(value);
    if (name == "ext_community") r.ext_communities = tuples(value);
  }

  // An attribute set where the route is made reaches every peer but one of another AS: there BIRD drops the MED, so
  // that the export filter sets it. The path is prepended there too, behind BIRD's own number.
  static std::string attributes(const RouteSpec& r) {
    std::string out = fmt::format("bgp_origin = {};", r.origin == "igp"   ? "ORIGIN_IGP"
                                                      : r.origin == "egp" ? "ORIGIN_EGP"
                                                                          : "ORIGIN_INCOMPLETE");
    if (r.med) out += fmt::format(" bgp_med = {};", *r.med);
    if (r.local_pref) out += fmt::format(" bgp_local_pref = {};", *r.local_pref);
    for (std::size_t i = r.as_path.size(); i-- > 0;) out += fmt::format(" bgp_path.prepend({});", r.as_path[i]);
    for (const auto& c : r.communities) out += " bgp_community.add(" + tuple(c) + ");";
    for (const auto& c : r.large_communities) out += " bgp_large_community.add(" + tuple(c) + ");";
    for (const auto& c : r.ext_communities) out += " bgp_ext_community.add(" + tuple(c) + ");";
    if (!r.next_hop.empty()) out += " bgp_next_hop = " + r.next_hop + ";";
    return out;
  }

  std::string channel(const PeerSpec& p, Family f) const {
    std::string out = fmt::format("  {} {{ import all; export filter {{\n", f == Family::v4 ? "ipv4" : "ipv6");
    for (const auto& r : spec_.routes)
      if (is_v6(r.prefix) == (f == Family::v6))
        out += fmt::format("    if net = {} then {{ {} accept; }}\n", r.prefix, attributes(r));
    out += "    if source = RTS_BGP then accept;\n    reject; };\n";
    if (f == Family::v6 && !p.local_address_v6.empty()) out += "    next hop address " + p.local_address_v6 + ";\n";
    if (p.extended_next_hop) out += "    extended next hop on;\n";
    if (p.graceful_restart) out += "    graceful restart on;\n";
    return out + "  };\n";
  }

  std::string protocol(const PeerSpec& p) const {
    std::string out = fmt::format("protocol bgp {} {{\n  local {} as {};\n", p.name, p.local_address, spec_.asn);
    out += p.asn_text.empty() ? fmt::format("  neighbor {} as {};\n", p.address, p.asn)
                              : fmt::format("  neighbor {} {};\n", p.address, p.asn_text);
    out += fmt::format("  hold time {}; keepalive time {}; startup hold time {};\n", p.hold_time, p.keepalive,
                       std::max(p.hold_time, 60u));
    out += "  connect delay time 1; connect retry time 1; error wait time 1, 2; error forget time 1;\n";
    if (p.passive) out += "  passive on;\n";
    if (!p.password.empty()) out += "  password \"" + p.password + "\";\n";
    if (p.multihop > 0) out += fmt::format("  multihop {};\n", p.multihop);
    if (p.ttl_security) out += "  ttl security on;\n";
    out += p.graceful_restart ? fmt::format("  graceful restart on; graceful restart time {};\n", *p.graceful_restart)
                              : "  graceful restart off; long lived graceful restart off;\n";
    if (p.bfd) out += "  bfd on;\n";
    for (const Family f : p.families) out += channel(p, f);
    return out + "}\n";
  }

  std::string config() const {
    std::string out = fmt::format(
        "log stderr all;\ndebug protocols {{ states, events }};\nrouter id {};\nprotocol device {{ }}\n"
        "protocol direct {{ ipv4; ipv6; }}\n"
        "graceful restart wait 20;\n",
        spec_.router_id);
    for (const auto& p : spec_.peers)
      if (p.bfd)
        out += fmt::format("protocol bfd {{ interface \"*\" {{ interval {} ms; multiplier {}; }}; }}\n",
                           p.bfd->interval_ms, p.bfd->multiplier);
    for (const Family f : {Family::v4, Family::v6}) {
      out += fmt::format("protocol static {} {{ {}; ", f == Family::v4 ? "own4" : "own6",
                         f == Family::v4 ? "ipv4" : "ipv6");
      for (const auto& r : spec_.routes)
        if (is_v6(r.prefix) == (f == Family::v6)) out += "route " + r.prefix + " unreachable; ";
      out += "}\n";
    }
    for (const auto& p : spec_.peers) out += protocol(p);
    return out + spec_.extra;
  }

  std::string birdc(const Argv& command) {
    Argv argv = {"birdc"};
    argv.insert(argv.end(), command.begin(), command.end());
    return host_.must(argv);
  }
};

}  // namespace

std::unique_ptr<Speaker> make_bird(Host& host, SpeakerSpec spec) {
  return std::make_unique<Bird>(host, std::move(spec));
}

}  // namespace weft::interop
