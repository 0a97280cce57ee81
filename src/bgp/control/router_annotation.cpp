#include "bgp/control/router_annotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kube/json.h"

namespace weft::bgp::control {

namespace {

constexpr const char* kNodeKind = "Node";

RouterAnnotation read_parts(const std::string& node, const std::string& key, std::string_view rest,
                            Findings& findings) {
  RouterAnnotation out;
  const auto wrong = [&](const std::string& part, const char* what) {
    findings.push_back({Finding::Severity::error,
                        {kNodeKind, node},
                        "metadata.annotations[" + key + "]",
                        "\"" + part + "\"",
                        what,
                        "write router-id=192.0.2.1,local-port=1790"});
  };
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    std::string part(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    std::erase(part, ' ');
    if (part.empty()) continue;
    const auto eq = std::min(part.find('='), part.size());
    const std::string name = part.substr(0, eq);
    const std::string value = eq < part.size() ? part.substr(eq + 1) : "";
    if (name == "router-id") {
      const auto a = Address::parse(value);
      if (a && a->is_v4() && !a->is_unspecified()) {
        out.router_id = RouterId{a->to_v4()};
      } else {
        wrong(part, "is no router ID");
      }
    } else if (name == "local-port") {
      unsigned port = 0;
      const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), port);
      if (ec == std::errc{} && end == value.data() + value.size() && port <= 65535) {
        if (port != 0) out.local_port = static_cast<Port>(port);
      } else {
        wrong(part, "is no port");
      }
    } else {
      wrong(part, "is neither router-id nor local-port");
    }
  }
  return out;
}

}  // namespace

std::string router_annotation(Asn asn) { return fmt::format("{}{}", kRouterAnnotationPrefix, asn); }

RouterAnnotation read_router_annotation(const std::string& node, Asn asn, std::string_view text, Findings& findings) {
  return read_parts(node, router_annotation(asn), text, findings);
}

Labels good_router_annotations(GoodStates& states, const std::string& node, const std::string& uid,
                               const Labels& annotations) {
  const json::object* kept = states.find(kNodeKind, node, uid);
  Labels good;
  for (const auto& [key, text] : annotations) {
    if (!key.starts_with(kRouterAnnotationPrefix)) continue;
    Findings wrong;
    read_parts(node, key, text, wrong);
    if (wrong.empty()) {
      good[key] = text;
    } else if (kept != nullptr) {
      const json::value* last = kube::object_at(*kept, "spec").if_contains(key);
      if (last != nullptr && last->is_string()) good[key] = std::string(last->get_string());
    }
  }
  if (kept == nullptr && good.empty()) return good;
  json::object spec;
  for (const auto& [key, text] : good) spec[key] = text;
  states.keep(kNodeKind, {{"metadata", {{"name", node}, {"uid", uid}}}, {"spec", std::move(spec)}});
  return good;
}

}  // namespace weft::bgp::control
