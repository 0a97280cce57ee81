#include "tests/interop/tool/config.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <fstream>
#include <set>

namespace weft::bgp {

namespace {

namespace json = boost::json;
using std::chrono::seconds;

// Carries the place of a fault up to parse_config(); this file alone throws.
struct Fault {
  std::string where;
  std::string what;
};

class Object {
 public:
  Object(const json::value& v, std::string where) : where_(std::move(where)) {
    if (!v.is_object()) throw Fault{where_, "is not an object"};
    object_ = &v.get_object();
  }
  Object(const Object&) = delete;
  /// Throws for a key that nobody asked for. To be called last.
  void finish() const {
    for (const auto& [key, value] : *object_)
      if (!seen_.contains(std::string(key))) throw Fault{at(std::string(key)), "is not known here; see README.md"};
  }

  std::string at(const std::string& key) const { return where_ + "." + key; }
  const json::value* get(const std::string& key) {
    seen_.insert(key);
    const auto* v = object_->if_contains(key);
    return v == nullptr || v->is_null() ? nullptr : v;
  }
  std::string text(const std::string& key) {
    const auto* v = get(key);
    if (v == nullptr) return {};
    if (!v->is_string()) throw Fault{at(key), "is not a string"};
    return std::string(v->get_string());
  }
  bool flag(const std::string& key, bool otherwise) {
    const auto* v = get(key);
    if (v == nullptr) return otherwise;
    if (!v->is_bool()) throw Fault{at(key), "is not true or false"};
    return v->get_bool();
  }
  std::optional<std::uint64_t> number(const std::string& key, std::uint64_t most) {
    const auto* v = get(key);
    if (v == nullptr) return std::nullopt;
    boost::system::error_code ec;
    const auto n = v->to_number<std::uint64_t>(ec);
    if (ec || n > most) throw Fault{at(key), fmt::format("is not a number from 0 to {}", most)};
    return n;
  }
  template <class T>
  std::optional<T> parsed(const std::string& key) {
    const std::string t = text(key);
    if (t.empty()) return std::nullopt;
    auto r = T::parse(t);
    if (!r) throw Fault{at(key), r.error().message};
    return *r;
  }
  const json::array* list(const std::string& key) {
    const auto* v = get(key);
    if (v == nullptr) return nullptr;
    if (!v->is_array()) throw Fault{at(key), "is not a list"};
    return &v->get_array();
  }

 private:
  std::string where_;
  const json::object* object_ = nullptr;
  std::set<std::string> seen_;
};

template <class T, class Parse>
std::vector<T> sorted_list(Object& o, const std::string& key, Parse parse) {
  std::vector<T> out;
  if (const auto* list = o.list(key))
    for (const auto& v : *list) {
      auto r = parse(v.is_string() ? std::string(v.get_string()) : json::serialize(v));
      if (!r) throw Fault{o.at(key), r.error().message};
      out.push_back(*r);
    }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

RouteAttributes attributes(Object& o) {
  RouteAttributes a;
  const std::string origin = o.text("origin");
  if (origin == "egp")
    a.path.origin = Origin::egp;
  else if (origin == "incomplete")
    a.path.origin = Origin::incomplete;
  else if (!origin.empty() && origin != "igp")
    throw Fault{o.at("origin"), "is not igp, egp or incomplete"};
  if (const auto* path = o.list("as_path")) {
    AsPathSegment segment;
    for (const auto& v : *path) segment.asns.push_back(v.to_number<Asn>());
    if (!segment.asns.empty()) a.path.as_path.segments.push_back(std::move(segment));
  }
  if (const auto n = o.number("med", UINT32_MAX)) a.path.med = static_cast<std::uint32_t>(*n);
  if (const auto n = o.number("local_pref", UINT32_MAX)) a.path.local_pref = static_cast<std::uint32_t>(*n);
  a.prepend = static_cast<unsigned>(o.number("prepend", 32).value_or(0));
  a.path.communities = sorted_list<Community>(o, "communities", parse_community);
  a.path.extended_communities = sorted_list<ExtendedCommunity>(o, "ext_communities", parse_extended_community);
  a.path.large_communities = sorted_list<LargeCommunity>(o, "large_communities", parse_large_community);
  if (const auto hop = o.parsed<Address>("next_hop")) a.next_hop = NextHop{*hop, std::nullopt};
  return a;
}

// Attributes that differ in MED and one community, for routes to take in turn.
std::vector<SharedAttributes> attribute_sets(Object& o) {
  const auto sets = o.number("attribute_sets", 1'000'000).value_or(1);
  std::vector<SharedAttributes> out;
  for (std::uint64_t i = 0; i < std::max<std::uint64_t>(sets, 1); ++i) {
    RouteAttributes a;
    a.path.med = static_cast<std::uint32_t>(i);
    a.path.communities = {static_cast<Community>((65000U << 16) | (i & 0xffff))};
    out.emplace_back(std::move(a));
  }
  return out;
}

// A file with one prefix a line.
RouteSet listed(const json::value& v, const std::string& where) {
  Object o(v, where);
  const std::string path = o.text("path");
  const auto attributes = attribute_sets(o);
  o.finish();
  std::ifstream in(path);
  if (!in) throw Fault{o.at("path"), fmt::format("{} cannot be read: name a file with one prefix a line", path)};
  RouteSet set;
  std::size_t n = 0;
  for (std::string line; std::getline(in, line); ++n) {
    const auto prefix = Prefix::parse(line);
    if (!prefix) throw Fault{o.at("path"), fmt::format("{} line {}: {}", path, n + 1, prefix.error().message)};
    set.set({*prefix, attributes[n % attributes.size()]});
  }
  return set;
}

RouteSet route_set(const json::value& v, const std::string& where) {
  if (v.is_object()) {
    Object o(v, where);
    const auto* f = o.get("file");
    if (f == nullptr) throw Fault{where, "is neither a list of routes nor {\"file\": …}"};
    o.finish();
    return listed(*f, where + ".file");
  }
  if (!v.is_array()) throw Fault{where, "is not a list of routes"};
  RouteSet set;
  std::size_t i = 0;
  for (const auto& item : v.get_array()) {
    Object o(item, fmt::format("{}[{}]", where, i++));
    const auto prefix = o.parsed<Prefix>("prefix");
    if (!prefix) throw Fault{o.at("prefix"), "is missing"};
    set.set({*prefix, attributes(o)});
    o.finish();
  }
  return set;
}

PeerAs remote_as(Object& o) {
  const auto* v = o.get("remote_asn");
  if (v == nullptr) return {};
  if (v->is_string()) {
    if (v->get_string() == "external") return {PeerAs::Kind::external, 0};
    if (v->get_string() == "internal") return {PeerAs::Kind::internal, 0};
    throw Fault{o.at("remote_asn"), "is not a number, external or internal"};
  }
  const auto n = static_cast<Asn>(o.number("remote_asn", UINT32_MAX).value_or(0));
  return n == 0 ? PeerAs{} : PeerAs{PeerAs::Kind::exact, n};
}

PeerBfd bfd(const json::value& v, const std::string& where) {
  Object o(v, where);
  PeerBfd b;
  if (const auto n = o.number("transmit_interval_ms", 60000)) b.transmit = std::chrono::milliseconds(*n);
  if (const auto n = o.number("receive_interval_ms", 60000)) b.receive = std::chrono::milliseconds(*n);
  if (const auto n = o.number("multiplier", 255)) b.multiplier = static_cast<std::uint8_t>(*n);
  if (const auto key = o.text("sha1_key"); !key.empty()) b.sha1_key = key;
  if (const auto n = o.number("sha1_key_id", 255)) b.sha1_key_id = static_cast<std::uint8_t>(*n);
  if (o.get("multihop") != nullptr) b.multihop = o.flag("multihop", false);
  if (const auto n = o.number("minimum_ttl", 254)) b.minimum_ttl = static_cast<std::uint8_t>(*n);
  o.finish();
  return b;
}

ImportPolicy import(const json::value& v, const std::string& where) {
  Object o(v, where);
  ImportPolicy p;
  if (const auto n = o.number("limit", 1'000'000)) p.limit = *n;
  if (const auto n = o.number("table", UINT32_MAX)) p.table = static_cast<std::uint32_t>(*n);
  if (const auto n = o.number("metric", UINT32_MAX)) p.metric = static_cast<std::uint32_t>(*n);
  if (const auto* rules = o.list("rules")) {
    std::size_t i = 0;
    for (const auto& item : *rules) {
      Object r(item, fmt::format("{}[{}]", o.at("rules"), i++));
      const auto prefix = r.parsed<Prefix>("prefix");
      if (!prefix) throw Fault{r.at("prefix"), "is missing"};
      PrefixRule rule;
      rule.prefix = *prefix;
      rule.min_length = static_cast<unsigned>(r.number("min_length", 128).value_or(prefix->length()));
      rule.max_length = static_cast<unsigned>(r.number("max_length", 128).value_or(prefix->address().bits()));
      rule.permit = r.flag("permit", true);
      r.finish();
      p.rules.push_back(rule);
    }
  }
  o.finish();
  return p;
}

PeerConfig peer(const json::value& v, const std::string& where) {
  Object o(v, where);
  PeerConfig p;
  p.address = o.parsed<Address>("address");
  p.interface = o.text("interface");
  p.name = o.text("name");
  if (p.name.empty()) p.name = p.address ? p.address->to_string() : p.interface;
  if (const auto n = o.number("port", 65535)) p.port = static_cast<Port>(*n);
  p.remote_as = remote_as(o);
  p.local_address = o.parsed<Address>("local_address");
  p.source_interface = o.text("source_interface");
  if (const auto t = o.text("password"); !t.empty()) p.password = t;
  p.held_down = o.text("held_down");
  if (const auto n = o.number("hold_time", 65535)) p.hold_time = seconds(*n);
  if (const auto n = o.number("keepalive", 65535)) p.keepalive = seconds(*n);
  if (const auto n = o.number("connect_retry", 65535)) p.connect_retry = seconds(*n);
  if (const auto n = o.number("ebgp_multihop", 255)) p.ebgp_multihop = static_cast<std::uint8_t>(*n);
  if (const auto* hops = o.get("ttl_security"); hops != nullptr && hops->is_bool()) {
    if (hops->get_bool()) p.ttl_security = 1;
  } else if (const auto n = o.number("ttl_security", 254)) {
    p.ttl_security = static_cast<std::uint8_t>(*n);
  }
  p.passive = o.flag("passive", false);
  if (const auto* gr = o.get("graceful_restart")) {
    Object g(*gr, o.at("graceful_restart"));
    p.graceful_restart.emplace();
    if (const auto n = g.number("restart_time", 4095)) p.graceful_restart->restart_time = seconds(*n);
    p.graceful_restart->notification = g.flag("notification", true);
    g.finish();
  }
  if (const auto* list = o.list("families")) {
    p.families.clear();
    for (const auto& f : *list) {
      const std::string name(f.is_string() ? std::string_view(f.get_string()) : "");
      if (name != "ipv4" && name != "ipv6") throw Fault{o.at("families"), "holds something else than ipv4 and ipv6"};
      p.families.push_back(name == "ipv4" ? kIpv4Unicast : kIpv6Unicast);
    }
  }
  p.extended_next_hop = o.flag("extended_next_hop", false);
  if (const auto* b = o.get("bfd")) p.bfd = bfd(*b, o.at("bfd"));
  if (const auto* i = o.get("import")) p.import = import(*i, o.at("import"));
  if (const auto n = o.number("max_received", UINT32_MAX)) p.max_received = *n;
  p.graceful_shutdown = o.flag("graceful_shutdown", false);
  if (const auto set = o.text("routes"); !set.empty())
    for (const AfiSafi f : p.families) p.routes[f] = set;
  o.finish();
  return p;
}

InstanceConfig instance(const json::value& v, const std::string& where, std::vector<Prefix>& blackholes) {
  Object o(v, where);
  InstanceConfig c;
  c.name = o.text("name");
  c.local_as = static_cast<Asn>(o.number("local_asn", UINT32_MAX).value_or(0));
  if (const auto id = o.parsed<RouterId>("router_id")) c.router_id = *id;
  if (const auto n = o.number("listen_port", 65535)) c.listen_port = static_cast<Port>(*n);
  if (const auto a = o.parsed<Address>("listen_address")) c.listen_addresses = {*a};
  if (const auto* list = o.list("blackholes"))
    for (const auto& b : *list) {
      const auto p = b.is_string() ? Prefix::parse(std::string_view(b.get_string())) : fail(Errc::invalid, "no prefix");
      if (!p) throw Fault{o.at("blackholes"), p.error().message};
      blackholes.push_back(*p);
    }
  if (const auto* peers = o.list("peers")) {
    std::size_t i = 0;
    for (const auto& p : *peers) c.peers.push_back(peer(p, fmt::format("{}[{}]", o.at("peers"), i++)));
  }
  o.finish();
  return c;
}

Wanted wanted(const json::value& v) {
  Object o(v, "config");
  Wanted w;
  w.complete = o.flag("complete", true);
  std::map<std::string, RouteSet> sets;
  if (const auto* all = o.get("route_sets")) {
    if (!all->is_object()) throw Fault{o.at("route_sets"), "is not an object"};
    for (const auto& [name, set] : all->get_object())
      sets[std::string(name)] = route_set(set, o.at("route_sets") + "." + std::string(name));
  }
  if (const auto* list = o.list("instances")) {
    std::size_t i = 0;
    for (const auto& item : *list) {
      Wanted::Instance instance_wanted;
      instance_wanted.config =
          instance(item, fmt::format("{}[{}]", o.at("instances"), i++), instance_wanted.blackholes);
      instance_wanted.route_sets = sets;
      w.instances[instance_wanted.config.name] = std::move(instance_wanted);
    }
  }
  o.finish();
  return w;
}

}  // namespace

Result<Wanted> parse_config(std::string_view text) {
  try {
    return wanted(json::parse(text));
  } catch (const Fault& f) {
    return fail(Errc::invalid, f.where + " " + f.what);
  } catch (const std::exception& e) {
    return fail(Errc::invalid, std::string("the configuration is not JSON as described in README.md: ") + e.what());
  }
}

}  // namespace weft::bgp
