#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

std::string afi(const std::string& prefix) { return is_v6(prefix) ? "ipv6" : "ipv4"; }

class Frr final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::frr; }

  void start(bool) override {
    host_.write("zebra.conf", "hostname " + host_.name() + "\nip nht resolve-via-default\n");
    host_.write("bgpd.conf", config());
    host_.must({"touch", "/etc/frr/vtysh.conf"});
    if (!zebra_.running()) run(zebra_, "zebra", {"-f", host_.dir() + "/zebra.conf"});
    if (std::ranges::any_of(spec_.peers, [](const PeerSpec& p) { return p.bfd.has_value(); })) start_bfd();
    run(daemon_, "bgpd", {"-f", host_.dir() + "/bgpd.conf"});
    if (const auto said = log(); said.find("No such command on config line") != std::string::npos)
      throw std::runtime_error("FRR does not take its configuration:\n" + said);
  }

  PeerView peer(const std::string& name) override {
    const auto& p = peer_spec(name);
    const std::string key = p.interface.empty() ? p.address : p.interface;
    PeerView out;
    out.raw = vtysh({fmt::format("show bgp neighbors {} json", key)});
    const auto all = parse_json(out.raw, "show bgp neighbors");
    const auto* v = at(all, {key});
    if (v == nullptr) return out;
    out.state = lower(text_at(*v, {"bgpState"}));
    for (const char* family : {"ipv4Unicast", "ipv6Unicast"})
      out.received += static_cast<unsigned>(number_at(*v, {"addressFamilyInfo", family, "acceptedPrefixCounter"}));
    const auto count = [&](std::initializer_list<std::string_view> path) {
      return static_cast<std::uint64_t>(number_at(*v, path));
    };
    out.updates_in = count({"messageStats", "updatesRecv"});
    out.updates_out = count({"messageStats", "updatesSent"});
    out.flaps = count({"connectionsDropped"});
    out.reason = text_at(*v, {"lastResetDueTo"});
    for (const char* more : {"lastNotificationReason", "lastShutdownDescription"})
      if (const auto text = text_at(*v, {more}); !text.empty()) out.reason += ", " + text;
    return out;
  }

  Routes routes() override {
    Routes out;
    for (const char* family : {"ipv4", "ipv6"}) {
      const auto all = parse_json(vtysh({fmt::format("show bgp {} unicast json detail", family)}), "show bgp");
      const auto* routes = at(all, {"routes"});
      if (routes == nullptr || !routes->is_object()) continue;
      for (const auto& entry : routes->get_object())
        for (const auto& path : entry.value().as_array())
          if (at(path, {"aspath"}) != nullptr && at(path, {"local"}) == nullptr) add(out, entry.key(), path);
    }
    return out;
  }

  void announce(const RouteSpec& route) override {
    // A route map of its own for each change: one that goes and comes again under the same name is looked at later,
    // and sometimes never.
    ++changes_;
    Argv lines = {"configure terminal"};
    for (const auto& line : route_map(route)) lines.push_back(line);
    lines.push_back(fmt::format("router bgp {}", spec_.asn));
    lines.push_back(fmt::format("address-family {} unicast", afi(route.prefix)));
    lines.push_back(fmt::format("network {} route-map {}", route.prefix, map_name(route.prefix)));
    vtysh(lines);
  }

  void withdraw(const std::string& prefix) override {
    vtysh({"configure terminal", fmt::format("router bgp {}", spec_.asn),
           fmt::format("address-family {} unicast", afi(prefix)), "no network " + prefix});
  }

  void refresh(const std::string& name) override { vtysh({fmt::format("clear bgp {} soft in", key(name))}); }

  void shut(const std::string& name, const std::string& message) override {
    vtysh({"configure terminal", fmt::format("router bgp {}", spec_.asn),
           fmt::format("neighbor {} shutdown message {}", key(name), message)});
  }
  void stop_bfd() override { bfdd_.stop(SIGTERM); }
  void start_bfd() override {
    if (bfdd_.running()) return;
    host_.write("bfdd.conf", bfd_config());
    run(bfdd_, "bfdd", {"-f", host_.dir() + "/bfdd.conf"});
  }
  void without_bfd(const std::string& name) override {
    vtysh(
        {"configure terminal", fmt::format("router bgp {}", spec_.asn), fmt::format("no neighbor {} bfd", key(name))});
  }

 private:
  std::string key(const std::string& name) const {
    const auto& p = peer_spec(name);
    return p.interface.empty() ? p.address : p.interface;
  }

  static void add(Routes& out, const std::string& prefix, const json::value& path) {
    RouteView r;
    r.prefix = prefix;
    r.as_path = as_numbers(text_at(path, {"aspath", "string"}));
    r.origin = lower(text_at(path, {"origin"}));
    if (const auto* hops = at(path, {"nexthops"}); hops != nullptr && hops->is_array())
      for (const auto& hop : hops->get_array()) r.next_hops.push_back(text_at(hop, {"ip"}));
    // What was absent on the wire is absent here (8.4); the table's short form shows defaults instead.
    if (at(path, {"metric"}) != nullptr) r.med = static_cast<std::uint32_t>(number_at(path, {"metric"}));
    if (at(path, {"locPrf"}) != nullptr) r.local_pref = static_cast<std::uint32_t>(number_at(path, {"locPrf"}));
    const auto list = [&](const char* key, std::vector<std::string>& to) {
      if (const auto* l = at(path, {key, "list"}); l != nullptr && l->is_array())
        for (const auto& c : l->get_array()) to.emplace_back(c.as_string());
    };
    list("community", r.communities);
    // Well-known ones are shown by name, and in the list by another one than in the string.
    for (auto& c : r.communities)
      if (lower(c) == "gracefulshutdown" || lower(c) == "graceful-shutdown") c = "65535:0";
    list("largeCommunity", r.large_communities);
    r.ext_communities = words(lower(text_at(path, {"extendedCommunity", "string"})));
    r.stale = at(path, {"stale"}) != nullptr;
    out[prefix] = std::move(r);
  }

  std::string map_name(const std::string& prefix) const {
    std::string out = "RM" + std::to_string(changes_) + "-" + prefix;
    std::ranges::replace(out, '/', '-');
    std::ranges::replace(out, ':', '-');
    return out;
  }

  std::vector<std::string> route_map(const RouteSpec& r) const {
    const std::string name = map_name(r.prefix);
    std::vector<std::string> out = {"route-map " + name + " permit 10"};
    out.push_back("set origin " + r.origin);
    if (r.med) out.push_back(fmt::format("set metric {}", *r.med));
    if (r.local_pref) out.push_back(fmt::format("set local-preference {}", *r.local_pref));
    if (!r.as_path.empty()) out.push_back(fmt::format("set as-path prepend {}", fmt::join(r.as_path, " ")));
    if (!r.communities.empty()) out.push_back(fmt::format("set community {}", fmt::join(r.communities, " ")));
    if (!r.large_communities.empty())
      out.push_back(fmt::format("set large-community {}", fmt::join(r.large_communities, " ")));
    for (const auto& c : r.ext_communities) out.push_back("set extcommunity rt " + c.substr(c.find(':') + 1));
    if (!r.next_hop.empty())
      out.push_back(is_v6(r.next_hop) ? "set ipv6 next-hop global " + r.next_hop : "set ip next-hop " + r.next_hop);
    out.push_back("exit");
    return out;
  }

  std::string neighbor(const PeerSpec& p) const {
    const std::string k = p.interface.empty() ? p.address : p.interface;
    const std::string asn = p.asn_text.empty() ? std::to_string(p.asn) : p.asn_text;
    std::string out = p.interface.empty() ? fmt::format(" neighbor {} remote-as {}\n", k, asn)
                                          : fmt::format(" neighbor {} interface remote-as {}\n", k, asn);
    const auto add = [&](const std::string& text) { out += fmt::format(" neighbor {} {}\n", k, text); };
    add(fmt::format("timers {} {}", p.keepalive, p.hold_time));
    add("timers connect 1");
    if (p.passive) add("passive");
    if (!p.password.empty()) add("password " + p.password);
    if (!p.local_address.empty() && p.interface.empty()) add("update-source " + p.local_address);
    if (p.ttl_security) add("ttl-security hops 1");
    if (p.multihop > 0 && p.asn != spec_.asn) add(fmt::format("ebgp-multihop {}", p.multihop));
    if (p.bfd) {
      add("bfd profile fast");
      if (p.bfd->check_control_plane_failure) add("bfd check-control-plane-failure");
    }
    if (p.extended_next_hop) add("capability extended-nexthop");
    if (p.graceful_restart) add("graceful-restart");
    return out;
  }

  std::string config() const {
    std::string out = "hostname " + host_.name() + "\n";
    for (const auto& r : spec_.routes)
      for (const auto& line : route_map(r)) out += line + "\n";
    out += fmt::format(
        "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp network import-check\n"
        " no bgp default ipv4-unicast\n bgp log-neighbor-changes\n",
        spec_.asn, spec_.router_id);
    // Left alone it is a helper: it keeps a dead peer's routes, and its peers keep those of a dead bgpd.
    if (std::ranges::none_of(spec_.peers, [](const PeerSpec& p) { return p.graceful_restart.has_value(); }))
      out += " bgp graceful-restart-disable\n";
    for (const auto& p : spec_.peers)
      if (p.graceful_restart)
        out += fmt::format(" bgp graceful-restart restart-time {}\n bgp graceful-restart preserve-fw-state\n",
                           *p.graceful_restart);
    for (const auto& p : spec_.peers) out += neighbor(p);
    for (const Family f : {Family::v4, Family::v6}) {
      out += fmt::format(" address-family {} unicast\n", f == Family::v4 ? "ipv4" : "ipv6");
      for (const auto& r : spec_.routes)
        if (is_v6(r.prefix) == (f == Family::v6))
          out += fmt::format("  network {} route-map {}\n", r.prefix, map_name(r.prefix));
      for (const auto& p : spec_.peers) {
        const std::string& k = p.interface.empty() ? p.address : p.interface;
        if (std::ranges::find(p.families, f) == p.families.end()) continue;
        out += fmt::format("  neighbor {0} activate\n  neighbor {0} send-community all\n", k);
      }
      out += " exit-address-family\n";
    }
    return out + "exit\n" + spec_.extra;
  }

  std::string bfd_config() const {
    std::string out = "bfd\n";
    for (const auto& p : spec_.peers)
      if (p.bfd)
        return out + fmt::format(
                         " profile fast\n  detect-multiplier {}\n  receive-interval {}\n  transmit-interval {}\n exit\n"
                         "exit\n",
                         p.bfd->multiplier, p.bfd->interval_ms, p.bfd->interval_ms);
    return out;
  }

  void run(Daemon& daemon, const std::string& program, const Argv& more) {
    // A killed daemon leaves its socket: what is waited for must be the new one.
    const std::string socket = host_.inside("/run/frr/" + program + ".vty");
    std::error_code ec;
    std::filesystem::remove(socket, ec);
    Argv argv = {"/usr/lib/frr/" + program, "--log", "stdout", "-A", "127.0.0.1"};
    argv.insert(argv.end(), more.begin(), more.end());
    daemon.start(host_, argv, log_path());
    wait_until(
        30s, program + " listens", [&] { return std::filesystem::exists(socket) || !daemon.running(); },
        [&] { return log(); });
    if (!daemon.running()) throw std::runtime_error(program + " ended at once:\n" + log());
  }

  std::string vtysh(const Argv& commands) {
    Argv argv = {"vtysh"};
    for (const auto& c : commands) argv.insert(argv.end(), {"-c", c});
    const Output output = host_.run(argv);
    if (!output.ok() || output.out.find("% ") != std::string::npos)
      throw std::runtime_error(host_.name() + ": " + output.describe());
    return output.out;
  }

  unsigned changes_ = 0;
  Daemon zebra_, bfdd_;
};

}  // namespace

std::unique_ptr<Speaker> make_frr(Host& host, SpeakerSpec spec) { return std::make_unique<Frr>(host, std::move(spec)); }

}  // namespace weft::interop
