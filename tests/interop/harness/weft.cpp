#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "base/fd.h"
#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

std::string beside(const char* name) {
  std::error_code ec;
  return (std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / name).string();
}

std::string program() {
  const char* given = std::getenv("WEFT_BGP_SPEAKER");
  return given != nullptr ? given : beside("bgp-speaker");
}

json::array texts(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

// Our speaker as a program of its own: a JSON file in, one JSON line a request on a Unix socket.
class Weft final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::weft; }

  void start(bool restarting) override {
    host_.write("weft.json", json::serialize(config()));
    std::error_code ec;
    std::filesystem::remove(socket(), ec);
    Argv argv = {program(), "--config", host_.dir() + "/weft.json", "--control", socket()};
    if (restarting) argv.emplace_back("--restarting");
    if (std::ranges::any_of(spec_.peers, [](const PeerSpec& p) { return p.bfd.has_value(); })) {
      argv.insert(argv.end(), {"--bfd-socket", bfd_socket()});
      start_bfd();
    }
    daemon_.start(host_, argv, log_path());
    wait_until(
        30s, "bgp-speaker answers", [&] { return !daemon_.running() || connect_control(); }, [&] { return log(); });
    if (!daemon_.running()) throw std::runtime_error("bgp-speaker ended at once:\n" + log());
  }

  PeerView peer(const std::string& name) override {
    const auto answer = ask({{"command", "peers"}});
    PeerView out;
    out.raw = json::serialize(answer);
    const auto* peers = at(answer, {"peers"});
    if (peers == nullptr || !peers->is_array()) throw std::runtime_error("bgp-speaker: peers: " + out.raw);
    for (const auto& p : peers->get_array()) {
      if (text_at(p, {"name"}) != name) continue;
      out.raw = json::serialize(p);
      out.state = lower(text_at(p, {"state"}));
      std::erase(out.state, '_');
      std::erase(out.state, '-');
      out.reason = text_at(p, {"reason"});
      out.updates_in = static_cast<std::uint64_t>(number_at(p, {"updates_in"}));
      out.updates_out = static_cast<std::uint64_t>(number_at(p, {"updates_out"}));
      out.flaps = static_cast<std::uint64_t>(number_at(p, {"flaps"}));
      if (const auto* families = at(p, {"families"}); families != nullptr && families->is_array())
        for (const auto& f : families->get_array()) out.received += static_cast<unsigned>(number_at(f, {"received"}));
    }
    return out;
  }

  Routes routes() override {
    Routes out;
    for (const auto& p : spec_.peers) {
      const auto answer = ask({{"command", "routes"}, {"direction", "received"}, {"peer", p.name}});
      const auto* list = at(answer, {"routes"});
      if (list == nullptr || !list->is_array())
        throw std::runtime_error("bgp-speaker: routes: " + json::serialize(answer));
      for (const auto& v : list->get_array()) {
        RouteView r = view(v);
        out[r.prefix] = std::move(r);
      }
    }
    return out;
  }

  void announce(const RouteSpec& route) override {
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == route.prefix; });
    spec_.routes.push_back(route);
    apply();
  }
  void withdraw(const std::string& prefix) override {
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == prefix; });
    apply();
  }
  void refresh(const std::string& peer) override { must({{"command", "refresh"}, {"peer", peer}}); }
  void shut(const std::string& peer, const std::string& message) override {
    must({{"command", "shutdown"}, {"peer", peer}, {"message", message}});
  }
  void stop_bfd() override { bfd_.stop(SIGTERM); }
  // A process of its own, which outlives the speaker's kill().
  void start_bfd() override {
    if (bfd_.running()) return;
    bfd_.start(host_, {beside("weft-bfd"), "--socket", bfd_socket()}, bfd_log());
    wait_until(
        30s, "weft-bfd listens", [&] { return !bfd_.running() || std::filesystem::exists(bfd_socket()); },
        [&] { return slurp(bfd_log()); });
  }
  void without_bfd(const std::string& peer) override {
    for (PeerSpec& p : spec_.peers)
      if (p.name == peer) p.bfd.reset();
    apply();
  }

 private:
  std::string socket() const { return host_.dir() + "/weft.sock"; }
  std::string bfd_socket() const { return host_.dir() + "/bfd.sock"; }
  std::string bfd_log() const { return host_.dir() + "/weft-bfd.log"; }

  void apply() { must({{"command", "apply"}, {"config", config()}}); }

  void must(const json::object& request) {
    const auto answer = ask(request);
    if (!text_at(answer, {"error"}).empty())
      throw std::runtime_error(json::serialize(request) + ": " + text_at(answer, {"error"}));
  }

  // The path is there a moment before anybody listens on it.
  Fd connect_control() const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    return fd;
  }

  json::value ask(const json::object& request) {
    const Fd fd = connect_control();
    if (!fd) throw std::runtime_error("bgp-speaker does not answer:\n" + log());
    const timeval limit{30, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string line = json::serialize(request) + "\n";
    if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      throw std::runtime_error("bgp-speaker took no request");
    std::string answer;
    char buffer[65536];
    while (answer.find('\n') == std::string::npos) {
      const auto n = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (n <= 0) break;
      answer.append(buffer, static_cast<std::size_t>(n));
    }
    return parse_json(answer, "bgp-speaker's answer to " + line);
  }

  static RouteView view(const json::value& v) {
    RouteView r;
    r.prefix = text_at(v, {"prefix"});
    const auto list = [&](const char* key, std::vector<std::string>& to) {
      if (const auto* l = at(v, {key}); l != nullptr && l->is_array())
        for (const auto& item : l->get_array()) to.emplace_back(item.as_string());
    };
    r.next_hops = words(text_at(v, {"next_hop"}), " ,/()");
    if (const auto* path = at(v, {"as_path"}); path != nullptr) {
      if (path->is_string()) r.as_path = as_numbers(std::string(path->get_string()));
      if (path->is_array())
        for (const auto& n : path->get_array()) r.as_path.push_back(n.to_number<std::uint32_t>());
    }
    r.origin = lower(text_at(v, {"origin"}));
    if (at(v, {"med"}) != nullptr) r.med = static_cast<std::uint32_t>(number_at(v, {"med"}));
    if (at(v, {"local_pref"}) != nullptr) r.local_pref = static_cast<std::uint32_t>(number_at(v, {"local_pref"}));
    list("communities", r.communities);
    list("large_communities", r.large_communities);
    list("ext_communities", r.ext_communities);
    const auto* stale = at(v, {"stale"});
    r.stale = stale != nullptr && stale->is_bool() && stale->get_bool();
    return r;
  }

  static json::object route(const RouteSpec& r) {
    json::object o = {{"prefix", r.prefix}, {"origin", r.origin}};
    if (!r.next_hop.empty()) o["next_hop"] = r.next_hop;
    if (!r.as_path.empty()) o["as_path"] = json::array(r.as_path.begin(), r.as_path.end());
    if (r.med) o["med"] = *r.med;
    if (r.local_pref) o["local_pref"] = *r.local_pref;
    if (!r.communities.empty()) o["communities"] = texts(r.communities);
    if (!r.large_communities.empty()) o["large_communities"] = texts(r.large_communities);
    if (!r.ext_communities.empty()) o["ext_communities"] = texts(r.ext_communities);
    return o;
  }

  static json::object neighbor(const PeerSpec& p) {
    json::object o = {{"name", p.name},
                      {"hold_time", p.hold_time},
                      {"keepalive", p.keepalive},
                      {"connect_retry", 1},
                      {"routes", "own"}};
    if (p.interface.empty()) {
      o["address"] = p.address;
    } else {
      o["interface"] = p.interface;
    }
    if (p.asn_text.empty()) {
      o["remote_asn"] = p.asn;
    } else {
      o["remote_asn"] = p.asn_text;
    }
    if (!p.local_address.empty()) o["local_address"] = p.local_address;
    if (!p.password.empty()) o["password"] = p.password;
    if (p.multihop > 0) o["ebgp_multihop"] = p.multihop;
    if (p.ttl_security) o["ttl_security"] = true;
    if (p.passive) o["passive"] = true;
    if (p.graceful_restart) o["graceful_restart"] = json::object{{"restart_time", *p.graceful_restart}};
    if (p.extended_next_hop) o["extended_next_hop"] = true;
    if (p.bfd)
      o["bfd"] = json::object{{"transmit_interval_ms", p.bfd->interval_ms},
                              {"receive_interval_ms", p.bfd->interval_ms},
                              {"multiplier", p.bfd->multiplier}};
    json::array families;
    for (const Family f : p.families) families.emplace_back(f == Family::v4 ? "ipv4" : "ipv6");
    o["families"] = families;
    return o;
  }

  json::object config() const {
    json::array peers, own;
    for (const auto& p : spec_.peers) peers.push_back(neighbor(p));
    for (const auto& r : spec_.routes) own.push_back(route(r));
    const json::object instance = {{"name", "main"},
                                   {"local_asn", spec_.asn},
                                   {"router_id", spec_.router_id},
                                   {"listen_port", 179},
                                   {"peers", peers}};
    return {{"instances", json::array{instance}}, {"route_sets", {{"own", own}}}};
  }

  Daemon bfd_;
};

}  // namespace

std::unique_ptr<Speaker> make_weft(Host& host, SpeakerSpec spec) {
  return std::make_unique<Weft>(host, std::move(spec));
}

}  // namespace weft::interop
