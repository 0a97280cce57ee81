#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include "tests/interop/harness/speakers.h"

namespace weft::interop {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// Talks through a helper process: lines appended to the file "commands" go to it, what it tells comes as lines of JSON
// in the file "events", which this reads from the beginning at every question.
class ExaBgp final : public Speaker {
 public:
  using Speaker::Speaker;
  Kind kind() const override { return Kind::exabgp; }

  void start(bool) override {
    const std::string dir = host_.dir();
    for (const char* file : {"events", "commands"}) host_.write(file, "");
    // The shell gives a process in the background an empty standard input unless it is handed over.
    host_.write("helper",
                fmt::format("#!/bin/sh\nexec 3<&0\ncat <&3 >{0}/events &\nexec tail -f -n +1 {0}/commands\n", dir));
    ::chmod((dir + "/helper").c_str(), 0755);
    host_.write("exabgp.conf", config());
    for (const auto& r : spec_.routes) command("announce route " + route(r));
    const auto& p = spec_.peers.front();
    Env env = {{"exabgp.daemon.drop", "false"}, {"exabgp.daemon.user", "root"}, {"exabgp.api.cli", "false"},
               {"exabgp.api.ack", "false"},     {"exabgp.tcp.port", "179"},     {"exabgp.log.packets", "false"},
               {"exabgp.log.message", "true"},  {"exabgp.tcp.delay", "0"}};
    if (!p.local_address.empty()) env.emplace_back("exabgp.tcp.bind", p.local_address);
    daemon_.start(host_, {"exabgp", dir + "/exabgp.conf"}, log_path(), env);
    wait_until(
        30s, "exabgp runs",
        [&] { return !daemon_.running() || log().find("loaded new configuration") != std::string::npos; },
        [&] { return log(); });
    if (!daemon_.running()) throw std::runtime_error("exabgp ended at once:\n" + log());
  }

  PeerView peer(const std::string& name) override {
    PeerView out;
    const auto& p = peer_spec(name);
    for (const auto& v : events()) {
      if (text_at(v, {"neighbor", "address", "peer"}) != p.address) continue;
      const auto type = text_at(v, {"type"});
      if (type == "state") {
        const auto state = text_at(v, {"neighbor", "state"});
        out.state = state == "up" ? "established" : state == "down" ? "idle" : "opensent";
        if (state == "up") out.reason.clear();
        // Attempts that come to nothing follow the one that tells why: all are kept until the session is up again.
        if (state == "down") out.reason += text_at(v, {"neighbor", "reason"}) + "; ";
      }
      if (at(v, {"neighbor", "message", "update", "announce"}) != nullptr) ++out.updates_in;
    }
    if (out.established()) out.received = static_cast<unsigned>(routes().size());
    out.raw = out.reason;
    return out;
  }

  Routes routes() override {
    Routes out;
    for (const auto& v : events()) {
      if (text_at(v, {"type"}) == "state" && text_at(v, {"neighbor", "state"}) == "down") out.clear();
      const auto* update = at(v, {"neighbor", "message", "update"});
      if (update != nullptr) apply(*update, out);
    }
    // It has no loop detection: its own routes come back from those who send them to everybody.
    std::erase_if(out, [&](const auto& entry) {
      return std::ranges::find(entry.second.as_path, spec_.asn) != entry.second.as_path.end();
    });
    return out;
  }

  void announce(const RouteSpec& r) override {
    std::erase_if(spec_.routes, [&](const RouteSpec& o) { return o.prefix == r.prefix; });
    spec_.routes.push_back(r);
    command("announce route " + route(r));
  }
  void withdraw(const std::string& prefix) override {
    for (const auto& r : spec_.routes)
      if (r.prefix == prefix) command("withdraw route " + route(r));
    std::erase_if(spec_.routes, [&](const RouteSpec& r) { return r.prefix == prefix; });
  }
  void refresh(const std::string& name) override {
    for (const Family f : peer_spec(name).families)
      command(fmt::format("announce route-refresh {} unicast", f == Family::v4 ? "ipv4" : "ipv6"));
  }
  // It has no words for a single peer that is not torn down: the code is that of an administrative shutdown.
  void shut(const std::string& name, const std::string&) override {
    command(fmt::format("neighbor {} teardown 2", peer_spec(name).address));
  }
  void tell(const std::string& line) override { command(line); }

 private:
  std::vector<json::value> events() const {
    std::vector<json::value> out;
    std::string text = slurp(host_.dir() + "/events");
    text.resize(text.rfind('\n') + 1);  // the last line may be half written
    // It puts a NOTIFICATION's data into the reason byte by byte, which no JSON may have.
    for (char& c : text)
      if (c != '\n' && (c < ' ' || c > '~')) c = '?';
    for (const auto& line : words(text, "\n"))
      if (line[0] == '{') out.push_back(parse_json(line, "exabgp event"));
    return out;
  }

  void command(const std::string& line) const {
    std::ofstream(host_.dir() + "/commands", std::ios::app) << line << std::endl;
  }

  static void apply(const json::value& update, Routes& out) {
    if (const auto* families = at(update, {"withdraw"}); families != nullptr)
      for (const auto& family : families->as_object())
        for (const auto& n : family.value().as_array())
          out.erase(n.is_string() ? std::string(n.get_string()) : text_at(n, {"nlri"}));
    const auto* families = at(update, {"announce"});
    if (families == nullptr) return;
    for (const auto& family : families->as_object()) {
      if (!family.value().is_object()) continue;
      for (const auto& hop : family.value().get_object()) {
        if (!hop.value().is_array()) continue;
        for (const auto& n : hop.value().get_array()) {
          RouteView r;
          r.prefix = n.is_string() ? std::string(n.get_string()) : text_at(n, {"nlri"});
          r.next_hops.emplace_back(hop.key());
          if (const auto* a = at(update, {"attribute"}); a != nullptr) attributes(r, *a);
          out[r.prefix] = std::move(r);
        }
      }
    }
  }

  static void attributes(RouteView& r, const json::value& a) {
    r.origin = text_at(a, {"origin"});
    if (const auto* path = at(a, {"as-path"}); path != nullptr) numbers(*path, r.as_path);
    if (at(a, {"med"}) != nullptr) r.med = static_cast<std::uint32_t>(number_at(a, {"med"}));
    if (at(a, {"local-preference"}) != nullptr)
      r.local_pref = static_cast<std::uint32_t>(number_at(a, {"local-preference"}));
    const auto list = [&](const char* key, std::vector<std::string>& to) {
      if (const auto* l = at(a, {key}); l != nullptr && l->is_array())
        for (const auto& c : l->get_array()) {
          std::string text;
          for (const auto& part : c.is_array() ? c.get_array() : json::array{})
            text += (text.empty() ? "" : ":") + std::to_string(part.to_number<std::uint32_t>());
          to.push_back(text);
        }
    };
    list("community", r.communities);
    list("large-community", r.large_communities);
    if (const auto* l = at(a, {"extended-community"}); l != nullptr && l->is_array())
      for (const auto& c : l->get_array()) {
        const auto text = text_at(c, {"string"});
        r.ext_communities.push_back(text.starts_with("target:") ? "rt:" + text.substr(7) : text);
      }
  }

  // Either a list of numbers or, in later versions, segments that hold such lists.
  static void numbers(const json::value& v, std::vector<std::uint32_t>& out) {
    if (v.is_number()) out.push_back(v.to_number<std::uint32_t>());
    if (v.is_array())
      for (const auto& item : v.get_array()) numbers(item, out);
    if (v.is_object())
      for (const auto& item : v.get_object()) numbers(item.value(), out);
  }

  std::string route(const RouteSpec& r) const {
    const auto& p = spec_.peers.front();
    std::string hop = r.next_hop;
    if (hop.empty()) hop = is_v6(r.prefix) == is_v6(p.local_address) ? "self" : p.local_address_v6;
    std::string out = fmt::format("{} next-hop {} origin {}", r.prefix, hop, r.origin);
    // The path is sent as it is given: its own number is not put before it.
    if (!r.as_path.empty())
      out += p.asn == spec_.asn ? fmt::format(" as-path [ {} ]", fmt::join(r.as_path, " "))
                                : fmt::format(" as-path [ {} {} ]", spec_.asn, fmt::join(r.as_path, " "));
    if (r.med) out += fmt::format(" med {}", *r.med);
    if (r.local_pref) out += fmt::format(" local-preference {}", *r.local_pref);
    if (!r.communities.empty()) out += fmt::format(" community [ {} ]", fmt::join(r.communities, " "));
    if (!r.large_communities.empty())
      out += fmt::format(" large-community [ {} ]", fmt::join(r.large_communities, " "));
    if (!r.ext_communities.empty()) {
      out += " extended-community [";
      for (const auto& c : r.ext_communities) out += " target:" + c.substr(c.find(':') + 1);
      out += " ]";
    }
    return out;
  }

  std::string config() const {
    std::string out = fmt::format("process ctl {{ run {}/helper; encoder json; }}\n", host_.dir());
    for (const auto& p : spec_.peers) {
      out += fmt::format("neighbor {} {{\n  router-id {}; local-address {}; local-as {}; peer-as {}; hold-time {};\n",
                         p.address, spec_.router_id, p.local_address, spec_.asn, p.asn, p.hold_time);
      if (p.passive) out += "  passive true;\n";
      if (!p.password.empty()) out += "  md5-password \"" + p.password + "\";\n";
      if (p.ttl_security) out += "  outgoing-ttl 255; incoming-ttl 255;\n";
      if (p.multihop > 0) out += fmt::format("  outgoing-ttl {};\n", p.multihop);
      out += "  family {";
      for (const Family f : p.families) out += f == Family::v4 ? " ipv4 unicast;" : " ipv6 unicast;";
      out += fmt::format(" }}\n  capability {{ asn4 {}; route-refresh enable; graceful-restart {}; }}\n",
                         p.two_byte_asn ? "disable" : "enable",
                         p.graceful_restart ? std::to_string(*p.graceful_restart) : "disable");
      out += "  api { processes [ ctl ]; neighbor-changes; receive { parsed; update; } }\n}\n";
    }
    return out + spec_.extra;
  }
};

}  // namespace

std::unique_ptr<Speaker> make_exabgp(Host& host, SpeakerSpec spec) {
  return std::make_unique<ExaBgp>(host, std::move(spec));
}

}  // namespace weft::interop
