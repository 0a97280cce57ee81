#include "mesh/values/codec.h"
#include "mesh/values/go_json.h"
#include "mesh/values/json_read.h"

namespace weft::mesh {
namespace {

// Go sorts a map's keys as text: 10.0.0.10 comes before 10.0.0.9.
template <class T>
std::map<std::string, const T*> by_text(const std::map<Address, T>& map) {
  std::map<std::string, const T*> out;
  for (const auto& [address, value] : map) out.emplace(address.to_string(), &value);
  return out;
}

void write_ports(GoJson& w, std::string_view name, const std::map<Address, ClusterService::PortMap>& map) {
  w.key(name);
  w.open('{');
  for (const auto& [ip, ports] : by_text(map)) {
    w.key(ip);
    w.open('{');
    for (const auto& [port_name, port] : *ports) {
      w.key(port_name);
      w.open('{');
      w.field("Protocol", to_string(port.protocol));
      w.field("Port", port.port);
      w.close('}');
    }
    w.close('}');
  }
  w.close('}');
}

Result<std::map<Address, ClusterService::PortMap>> read_ports(const json::object& o, std::string_view name) {
  std::map<Address, ClusterService::PortMap> out;
  WEFT_READ(map, get_object(o, name));
  if (!map) return out;
  for (const auto& kv : *map) {
    const std::string_view ip(kv.key().data(), kv.key().size());
    auto address = Address::parse(ip);
    if (!address) return std::unexpected(address.error().in(fmt::format("field {}", name)));
    auto& ports = out[*address];
    if (kv.value().is_null()) continue;
    if (!kv.value().is_object()) return fail(Errc::invalid, fmt::format("field {}.{} is not an object", name, ip));
    for (const auto& port : kv.value().get_object()) {
      if (!port.value().is_object())
        return fail(Errc::invalid, fmt::format("field {}.{} has a port that is not an object", name, ip));
      WEFT_READ(protocol_text, get_text(port.value().get_object(), "Protocol"));
      WEFT_READ(number, get_number(port.value().get_object(), "Port", UINT16_MAX));
      auto protocol = parse_protocol(protocol_text);
      if (!protocol) return std::unexpected(protocol.error().in(fmt::format("field {}.{}", name, ip)));
      ports[std::string(port.key().data(), port.key().size())] = {*protocol, static_cast<Port>(number)};
    }
  }
  return out;
}

// A map by address whose entries `read` understands.
template <class T, class Read>
Result<std::map<Address, T>> read_by_address(const json::object& o, std::string_view name, Read read) {
  std::map<Address, T> out;
  WEFT_READ(map, get_object(o, name));
  if (!map) return out;
  for (const auto& kv : *map) {
    auto address = Address::parse({kv.key().data(), kv.key().size()});
    if (!address) return std::unexpected(address.error().in(fmt::format("field {}", name)));
    WEFT_READ(entry, read(kv.value()));
    out.emplace(*address, std::move(entry));
  }
  return out;
}

Result<std::string> read_hostname(const json::value& v) {
  if (!v.is_string()) return fail(Errc::invalid, "field hostnames has an entry that is not a text");
  return std::string(v.get_string().data(), v.get_string().size());
}

Result<ClusterService::Zone> read_zone(const json::value& v) {
  ClusterService::Zone out;
  if (!v.is_object()) return fail(Errc::invalid, "field zones has an entry that is not an object");
  WEFT_READ(zone, get_text(v.get_object(), "zone"));
  WEFT_READ(hints, get_array(v.get_object(), "forZones"));
  out.zone = std::move(zone);
  if (hints) {
    for (const auto& h : *hints) {
      if (!h.is_object()) return fail(Errc::invalid, "field forZones has an entry that is not an object");
      WEFT_READ(name, get_text(h.get_object(), "name"));
      out.for_zones.push_back(std::move(name));
    }
  }
  return out;
}

Result<ClusterService::State> read_state(const json::value& v) {
  if (!v.is_object()) return fail(Errc::invalid, "field weftStates has an entry that is not an object");
  const auto& o = v.get_object();
  WEFT_READ(ready, get_flag(o, "ready", true));
  WEFT_READ(serving, get_flag(o, "serving", true));
  WEFT_READ(terminating, get_flag(o, "terminating", false));
  return ClusterService::State{ready, serving, terminating};
}

}  // namespace

std::string encode_service(const ClusterService& s) {
  GoJson w;
  w.open('{');
  w.field("cluster", s.cluster);
  w.field("namespace", s.name.ns);
  w.field("name", s.name.name);
  write_ports(w, "frontends", s.frontends);
  write_ports(w, "backends", s.backends);
  if (!s.hostnames.empty()) {
    w.key("hostnames");
    w.open('{');
    for (const auto& [ip, name] : by_text(s.hostnames)) w.field(ip, *name);
    w.close('}');
  }
  if (!s.zones.empty()) {
    w.key("zones");
    w.open('{');
    for (const auto& [ip, zone] : by_text(s.zones)) {
      w.key(ip);
      w.open('{');
      w.field("zone", zone->zone);
      w.key("forZones");
      w.open('[');
      for (const auto& z : zone->for_zones) {
        w.open('{');
        w.field("name", z);
        w.close('}');
      }
      w.close(']');
      w.close('}');
    }
    w.close('}');
  }
  w.key("labels"), w.labels(s.labels);
  w.key("selector"), w.labels(s.selector);
  w.flag("includeExternal", s.include_external);
  w.flag("shared", s.shared);
  w.field("clusterID", s.cluster_id);
  if (!s.states.empty()) {
    w.key("weftStates");
    w.open('{');
    for (const auto& [ip, state] : by_text(s.states)) {
      w.key(ip);
      w.open('{');
      w.flag("ready", state->ready);
      w.flag("serving", state->serving);
      w.flag("terminating", state->terminating);
      w.close('}');
    }
    w.close('}');
  }
  w.close('}');
  return w.take();
}

Result<ClusterService> decode_service(std::string_view value) {
  Document document;
  WEFT_READ(o, Document::parse(value, document));
  ClusterService s;
  WEFT_READ(cluster, get_text(*o, "cluster"));
  WEFT_READ(ns, get_text(*o, "namespace"));
  WEFT_READ(name, get_text(*o, "name"));
  WEFT_READ(frontends, read_ports(*o, "frontends"));
  WEFT_READ(backends, read_ports(*o, "backends"));
  WEFT_READ(hostnames, read_by_address<std::string>(*o, "hostnames", read_hostname));
  WEFT_READ(zones, read_by_address<ClusterService::Zone>(*o, "zones", read_zone));
  WEFT_READ(states, read_by_address<ClusterService::State>(*o, "weftStates", read_state));
  WEFT_READ(labels, get_labels(*o, "labels"));
  WEFT_READ(selector, get_labels(*o, "selector"));
  WEFT_READ(include_external, get_flag(*o, "includeExternal", false));
  WEFT_READ(shared, get_flag(*o, "shared", false));
  WEFT_READ(cluster_id, get_number(*o, "clusterID", UINT32_MAX));
  s.cluster = std::move(cluster);
  s.name = {std::move(ns), std::move(name)};
  s.frontends = std::move(frontends);
  s.backends = std::move(backends);
  s.hostnames = std::move(hostnames);
  s.zones = std::move(zones);
  s.states = std::move(states);
  s.labels = std::move(labels);
  s.selector = std::move(selector);
  s.include_external = include_external;
  s.shared = shared;
  s.cluster_id = static_cast<ClusterId>(cluster_id);
  return s;
}

}  // namespace weft::mesh
