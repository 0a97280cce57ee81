#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr const char* kStates[] = {"unknown", "idle", "connect", "active", "opensent", "openconfirm", "established"};

class GoBgp final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::gobgp; }

  void start(bool restarting) override {
    host_.write("gobgpd.toml", config());
    // Its end is where the answers to "why" of this run begin.
    log_from_ = log().size();
    Argv argv = {"gobgpd",      "-f",   host_.dir() + "/gobgpd.toml", "--api-hosts", "127.0.0.1:50051", "--log-plain",
                 "--log-level", "debug"};
    if (restarting) argv.emplace_back("--graceful-restart");
    daemon_.start(host_, argv, log_path());
    wait_until(
        30s, "gobgpd answers", [&] { return !daemon_.running() || host_.run({"gobgp", "global"}).ok(); },
        [&] { return log(); });
    if (!daemon_.running()) throw std::runtime_error("gobgpd ended at once:\n" + log());
    for (const auto& r : spec_.routes) add(r);
  }

  PeerView peer(const std::string& name) override {
    PeerView out;
    out.raw = host_.must({"gobgp", "neighbor", key(name), "-j"});
    const auto v = parse_json(out.raw, "gobgp neighbor");
    const auto state = static_cast<std::size_t>(number_at(v, {"state", "session_state"}));
    out.state = state < std::size(kStates) ? kStates[state] : "unknown";
    if (const auto* families = at(v, {"afi_safis"}); families != nullptr && families->is_array())
      for (const auto& f : families->get_array())
        out.received += static_cast<unsigned>(number_at(f, {"state", "received"}));
    // Only the log says why.
    const std::string said = log().substr(log_from_);
    for (const char* mark : {"received notification", "sent notification", "Peer Down"})
      if (const auto p = said.rfind(mark); p != std::string::npos) {
        const auto begin = said.rfind('\n', p), end = said.find('\n', p);
        out.reason += said.substr(begin + 1, end - begin - 1) + "; ";
      }
    return out;
  }

  Routes routes() override {
    Routes out;
    for (const auto& p : spec_.peers)
      for (const Family f : p.families) {
        // Of a session that is not up it has nothing to show, and says so with an error.
        const Output said =
            host_.run({"gobgp", "neighbor", key(p.name), "adj-in", "-a", f == Family::v4 ? "ipv4" : "ipv6", "-j"});
        if (said.out.find("is not established") != std::string::npos) continue;
        if (!said.ok()) throw std::runtime_error(host_.name() + ": " + said.describe());
        const auto all = parse_json(said.out, "gobgp adj-in");
        if (!all.is_object()) continue;
        for (const auto& entry : all.get_object())
          for (const auto& path : entry.value().as_array()) {
            RouteView r;
            r.prefix = entry.key();
            if (const auto* attributes = at(path, {"attrs"}); attributes != nullptr)
              for (const auto& a : attributes->as_array()) attribute(r, a);
            const auto* stale = at(path, {"stale"});
            r.stale = stale != nullptr && stale->is_bool() && stale->get_bool();
            out[r.prefix] = std::move(r);
          }
      }
    return out;
  }

  void announce(const RouteSpec& route) override { add(route); }
  void withdraw(const std::string& prefix) override {
    host_.must({"gobgp", "global", "rib", "del", "-a", is_v6(prefix) ? "ipv6" : "ipv4", prefix});
  }
  void refresh(const std::string& name) override { host_.must({"gobgp", "neighbor", key(name), "softresetin"}); }
  void shut(const std::string& name, const std::string& message) override {
    host_.must({"gobgp", "neighbor", key(name), "shutdown", "--reason", message});
  }

 private:
  // A neighbour found by its interface is known by the address that it turned out to have.
  std::string key(const std::string& name) const {
    const auto& p = peer_spec(name);
    return p.interface.empty() ? p.address : p.interface;
  }

  // The types are those of the attributes on the wire (RFC 4271 and its followers).
  static void attribute(RouteView& r, const json::value& a) {
    const auto number = [&](const char* key) { return static_cast<std::uint32_t>(number_at(a, {key})); };
    switch (number_at(a, {"type"})) {
      case 1: r.origin = std::vector<std::string>{"igp", "egp", "incomplete"}.at(number("value")); break;
      case 2:
        for (const auto& segment : a.at("as_paths").as_array())
          for (const auto& n : segment.at("asns").as_array()) r.as_path.push_back(n.to_number<std::uint32_t>());
        break;
      case 3:
      case 14: r.next_hops.push_back(text_at(a, {"nexthop"})); break;
      case 4: r.med = number("metric"); break;
      case 5: r.local_pref = number("value"); break;
      case 8:
        for (const auto& c : a.at("communities").as_array()) {
          const auto n = c.to_number<std::uint32_t>();
          r.communities.push_back(fmt::format("{}:{}", n >> 16, n & 0xffff));
        }
        break;
      case 16:
        for (const auto& c : a.at("value").as_array())
          r.ext_communities.push_back((number_at(c, {"subtype"}) == 2 ? "rt:" : "?:") + text_at(c, {"value"}));
        break;
      case 32:
        for (const auto& c : a.at("value").as_array())
          r.large_communities.push_back(fmt::format("{}:{}:{}", number_at(c, {"ASN"}), number_at(c, {"LocalData1"}),
                                                    number_at(c, {"LocalData2"})));
        break;
      default: break;
    }
  }

  void add(const RouteSpec& r) {
    const bool v6 = is_v6(r.prefix);
    const auto& first = spec_.peers.front();
    const std::string own = v6 && !is_v6(first.local_address) ? first.local_address_v6 : first.local_address;
    Argv argv = {"gobgp",  "global",  "rib",
                 "add",    "-a",      v6 ? "ipv6" : "ipv4",
                 r.prefix, "nexthop", r.next_hop.empty() ? own : r.next_hop,
                 "origin", r.origin};
    const auto option = [&](const char* name, const std::string& value) { argv.insert(argv.end(), {name, value}); };
    if (!r.as_path.empty()) option("aspath", fmt::format("{}", fmt::join(r.as_path, ",")));
    if (r.med) option("med", std::to_string(*r.med));
    if (r.local_pref) option("local-pref", std::to_string(*r.local_pref));
    if (!r.communities.empty()) option("community", fmt::format("{}", fmt::join(r.communities, ",")));
    if (!r.large_communities.empty()) option("large-community", fmt::format("{}", fmt::join(r.large_communities, ",")));
    for (const auto& c : r.ext_communities) option("rt", c.substr(c.find(':') + 1));
    host_.must(argv);
  }

  static std::string neighbor(const PeerSpec& p) {
    std::string out = "[[neighbors]]\n  [neighbors.config]\n";
    out += p.interface.empty() ? fmt::format("    neighbor-address = \"{}\"\n", p.address)
                               : fmt::format("    neighbor-interface = \"{}\"\n", p.interface);
    if (p.asn != 0) out += fmt::format("    peer-as = {}\n", p.asn);
    if (!p.password.empty()) out += fmt::format("    auth-password = \"{}\"\n", p.password);
    out += fmt::format(
        "  [neighbors.timers.config]\n    connect-retry = 1\n    hold-time = {}\n    keepalive-interval = {}\n"
        "    idle-hold-time-after-reset = 1\n",
        p.hold_time, p.keepalive);
    out += "  [neighbors.transport.config]\n";
    if (p.passive) out += "    passive-mode = true\n";
    if (!p.local_address.empty()) out += fmt::format("    local-address = \"{}\"\n", p.local_address);
    if (p.multihop > 0)
      out += fmt::format("  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = {}\n", p.multihop);
    if (p.ttl_security) out += "  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n";
    if (p.graceful_restart)
      out += fmt::format(
          "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = {}\n"
          "    notification-enabled = true\n",
          *p.graceful_restart);
    for (const Family f : p.families) {
      out += fmt::format("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"{}\"\n",
                         f == Family::v4 ? "ipv4-unicast" : "ipv6-unicast");
      if (p.graceful_restart) out += "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n";
    }
    return out;
  }

  std::string config() const {
    std::string out = fmt::format("[global.config]\n  as = {}\n  router-id = \"{}\"\n", spec_.asn, spec_.router_id);
    for (const auto& p : spec_.peers) out += neighbor(p);
    return out + spec_.extra;
  }

  std::size_t log_from_ = 0;
};

}  // namespace

std::unique_ptr<Speaker> make_gobgp(Host& host, SpeakerSpec spec) {
  return std::make_unique<GoBgp>(host, std::move(spec));
}

}  // namespace weft::interop
