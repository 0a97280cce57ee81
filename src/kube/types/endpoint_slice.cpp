#include "kube/types/endpoint_slice.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace weft::kube {

namespace {

Result<SliceEndpoint> parse_endpoint(const json::object& o, Family family) {
  SliceEndpoint e;
  for (const auto& text : texts_at(o, "addresses")) {
    auto a = Address::parse(text);
    if (!a) return fail(a.error().in("endpoints.addresses"));
    if (a->family() != family)
      return fail(Errc::invalid,
                  fmt::format("endpoints.addresses {} is not of addressType {}", text, to_string(family)));
    e.addresses.push_back(*a);
  }
  const auto& conditions = object_at(o, "conditions");
  e.ready = bool_at(conditions, "ready").value_or(true);
  e.serving = bool_at(conditions, "serving").value_or(e.ready);
  e.terminating = bool_at(conditions, "terminating").value_or(false);
  e.hostname = text_at(o, "hostname");
  e.node_name = text_at(o, "nodeName");
  e.zone = text_at(o, "zone");
  const auto& hints = object_at(o, "hints");
  for (const auto& z : array_at(hints, "forZones"))
    if (z.is_object()) e.for_zones.push_back(text_at(z.get_object(), "name"));
  for (const auto& n : array_at(hints, "forNodes"))
    if (n.is_object()) e.for_nodes.push_back(text_at(n.get_object(), "name"));
  return e;
}

}  // namespace

Result<std::optional<EndpointSlice>> parse_endpoint_slice(const json::object& object) {
  EndpointSlice s;
  s.name = name_of(object);
  if (s.name.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  const auto labels = labels_at(metadata(object), "labels");
  if (const auto it = labels.find("kubernetes.io/service-name"); it != labels.end()) s.service = it->second;
  if (const auto it = labels.find("endpointslice.kubernetes.io/managed-by"); it != labels.end())
    s.managed_by = it->second;
  if (s.service.empty()) return std::optional<EndpointSlice>();
  const auto type = text_at(object, "addressType");
  if (type == "FQDN") return std::optional<EndpointSlice>();
  if (type != "IPv4" && type != "IPv6")
    return fail(Errc::invalid, "addressType \"" + type + "\" is neither IPv4 nor IPv6");
  s.family = type == "IPv6" ? Family::v6 : Family::v4;
  for (const auto& entry : array_at(object, "ports")) {
    if (!entry.is_object()) continue;
    const auto& o = entry.get_object();
    SlicePort p;
    p.name = text_at(o, "name");
    if (const auto text = text_at(o, "protocol"); !text.empty()) {
      auto protocol = parse_protocol(text);
      if (!protocol) return fail(protocol.error().in("ports.protocol"));
      p.protocol = *protocol;
    }
    const auto number = number_at(o, "port");
    if (!number) continue;  // nil means "all ports", which no Service can name
    if (*number < 1 || *number > 65535) return fail(Errc::invalid, fmt::format("ports.port {} is not a port", *number));
    p.port = static_cast<Port>(*number);
    s.ports.push_back(std::move(p));
  }
  for (const auto& entry : array_at(object, "endpoints")) {
    if (!entry.is_object()) continue;
    auto e = parse_endpoint(entry.get_object(), s.family);
    if (!e) return fail(e.error());
    s.endpoints.push_back(std::move(*e));
  }
  return s;
}

}  // namespace weft::kube
