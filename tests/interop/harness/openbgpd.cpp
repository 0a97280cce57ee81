#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr const char* kSocket = "/run/openbgpd/ctl";

class OpenBgpd final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::openbgpd; }

  void start(bool) override {
    // On a session over IPv4, the next hop of IPv6 routes is the first IPv6 address of the machine, which is ::1:
    // an address of wider scope on the same interface comes before it.
    for (const auto& p : spec_.peers)
      if (!p.local_address_v6.empty() && !is_v6(p.local_address))
        host_.ip("address replace " + p.local_address_v6 + "/128 dev lo nodad");
    std::error_code ec;
    std::filesystem::remove(host_.inside(kSocket), ec);
    host_.write("bgpd.conf", config());
    // It refuses a file that others may read: passwords are in there.
    ::chmod((host_.dir() + "/bgpd.conf").c_str(), 0600);
    daemon_.start(host_, {"bgpd", "-d", "-v", "-f", host_.dir() + "/bgpd.conf"}, log_path());
    wait_until(
        30s, "bgpd answers", [&] { return !daemon_.running() || host_.run(ctl({"show", "summary"})).ok(); },
        [&] { return log(); });
    if (!daemon_.running()) throw std::runtime_error("bgpd ended at once:\n" + log());
  }

  PeerView peer(const std::string& name) override {
    PeerView out;
    out.raw = host_.must(ctl({"-j", "show", "neighbor", peer_spec(name).address}));
    const auto all = parse_json(out.raw, "bgpctl show neighbor");
    const auto* list = at(all, {"neighbors"});
    if (list == nullptr || !list->is_array() || list->get_array().empty()) return out;
    const auto& v = list->get_array().front();
    out.state = lower(text_at(v, {"state"}));
    out.received = static_cast<unsigned>(number_at(v, {"stats", "prefixes", "received"}));
    out.updates_in = static_cast<std::uint64_t>(number_at(v, {"stats", "update", "received", "updates"}));
    for (const char* key : {"last_error", "last_error_received", "last_error_sent", "last_shutdown_reason"})
      if (const auto text = text_at(v, {key}); !text.empty()) out.reason += text + "; ";
    return out;
  }

  Routes routes() override {
    Routes out;
    const auto all = parse_json(host_.must(ctl({"-j", "show", "rib", "detail"})), "bgpctl show rib");
    const auto* rib = at(all, {"rib"});
    if (rib == nullptr || !rib->is_array()) return out;
    for (const auto& v : rib->get_array()) {
      if (at(v, {"announced"}) != nullptr) continue;  // its own
      RouteView r;
      r.prefix = text_at(v, {"prefix"});
      r.as_path = as_numbers(text_at(v, {"aspath"}));
      r.next_hops.push_back(text_at(v, {"exit_nexthop"}));
      r.origin = lower(text_at(v, {"origin"}));
      // It knows no absent MED: that is 0 here.
      r.med = static_cast<std::uint32_t>(number_at(v, {"metric"}));
      r.local_pref = static_cast<std::uint32_t>(number_at(v, {"localpref"}));
      const auto list = [&](const char* key, std::vector<std::string>& to) {
        if (const auto* l = at(v, {key}); l != nullptr && l->is_array())
          for (const auto& c : l->get_array()) to.emplace_back(c.as_string());
      };
      list("communities", r.communities);
      for (auto& c : r.communities)
        if (c == "GRACEFUL_SHUTDOWN") c = "65535:0";
      list("large_communities", r.large_communities);
      list("extended_communities", r.ext_communities);
      for (auto& c : r.ext_communities) std::ranges::replace(c, ' ', ':');
      r.stale = at(v, {"stale"}) != nullptr;
      out[r.prefix] = std::move(r);
    }
    return out;
  }

  void announce(const RouteSpec& route) override {
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == route.prefix; });
    spec_.routes.push_back(route);
    reload();
  }
  void withdraw(const std::string& prefix) override {
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == prefix; });
    reload();
  }
  void refresh(const std::string& name) override { host_.must(ctl({"neighbor", peer_spec(name).address, "refresh"})); }
  void shut(const std::string& name, const std::string& message) override {
    host_.must(ctl({"neighbor", peer_spec(name).address, "down", message}));
  }

 private:
  static Argv ctl(const Argv& command) {
    Argv argv = {"bgpctl", "-s", kSocket};
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }

  void reload() {
    host_.write("bgpd.conf", config());
    ::chmod((host_.dir() + "/bgpd.conf").c_str(), 0600);
    host_.must(ctl({"reload"}));
  }

  // What the language of `network … set` cannot say is set by filters on the way out.
  static std::string network(const RouteSpec& r) {
    std::string set;
    if (r.med) set += fmt::format(" med {}", *r.med);
    if (r.local_pref) set += fmt::format(" localpref {}", *r.local_pref);
    if (!r.origin.empty()) set += " origin " + r.origin;
    for (const auto& c : r.communities) set += " community " + c;
    for (const auto& c : r.large_communities) set += " large-community " + c;
    for (const auto& c : r.ext_communities) set += " ext-community rt " + c.substr(c.find(':') + 1);
    if (!r.next_hop.empty()) set += " nexthop " + r.next_hop;
    return fmt::format("network {} set {{{} }}\n", r.prefix, set);
  }

  std::string neighbor(const PeerSpec& p) const {
    std::string out = fmt::format("neighbor {} {{\n  descr \"{}\"\n  remote-as {}\n", p.address, p.name, p.asn);
    for (const Family f : {Family::v4, Family::v6})
      out += fmt::format("  announce {} {}\n", f == Family::v4 ? "IPv4" : "IPv6",
                         std::ranges::find(p.families, f) != p.families.end() ? "unicast" : "none");
    out += fmt::format("  holdtime {}\n  holdtime min 3\n", std::max(p.hold_time, 3u));
    if (!p.local_address.empty()) out += "  local-address " + p.local_address + "\n";
    if (p.passive) out += "  passive\n";
    if (!p.password.empty()) out += "  tcp md5sig password \"" + p.password + "\"\n";
    if (p.multihop > 0 && p.asn != spec_.asn) out += fmt::format("  multihop {}\n", p.multihop);
    if (p.ttl_security) out += "  ttl-security yes\n";
    if (!p.graceful_restart) out += "  announce restart no\n";
    return out + "}\n";
  }

  std::string config() const {
    std::string out = fmt::format("AS {}\nrouter-id {}\nfib-update no\nsocket \"{}\"\nlog updates\nconnect-retry 3\n",
                                  spec_.asn, spec_.router_id, kSocket);
    for (const auto& r : spec_.routes) out += network(r);
    for (const auto& p : spec_.peers) out += neighbor(p);
    out += "allow from any\nallow to any\n";
    for (const auto& r : spec_.routes) {
      // Prepending repeats a number, it does not take a list: of a longer path the first goes for all.
      if (!r.as_path.empty())
        out += fmt::format("match to any prefix {} set prepend-self {}\n", r.prefix, r.as_path.size());
    }
    return out + spec_.extra;
  }
};

}  // namespace

std::unique_ptr<Speaker> make_openbgpd(Host& host, SpeakerSpec spec) {
  return std::make_unique<OpenBgpd>(host, std::move(spec));
}

}  // namespace weft::interop
