#include "kube/types/service.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/log.h"
#include "kube/types/service_annotations.h"

namespace weft::kube {

namespace {

bool is_true(std::string_view text) {
  static constexpr std::string_view kTrue = "true";
  return text.size() == kTrue.size() && std::equal(text.begin(), text.end(), kTrue.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const std::string* find(const Labels& annotations, const char* key, const char* alias) {
  if (const auto it = annotations.find(key); it != annotations.end()) return &it->second;
  if (alias)
    if (const auto it = annotations.find(alias); it != annotations.end()) return &it->second;
  return nullptr;
}

Result<> add_address(std::vector<Address>& out, const std::string& text, std::string_view field) {
  if (text.empty() || text == "None") return {};
  auto a = Address::parse(text);
  if (!a) return fail(a.error().in(field));
  if (std::find(out.begin(), out.end(), *a) == out.end()) out.push_back(*a);
  return {};
}

Result<Port> port_at(const json::object& o, std::string_view key) {
  const auto n = number_at(o, key).value_or(0);
  if (n < 0 || n > 65535) return fail(Errc::invalid, fmt::format("{} {} is not a port: 0 to 65535", key, n));
  return static_cast<Port>(n);
}

Result<ServicePort> parse_port(const json::object& o) {
  ServicePort p;
  p.name = text_at(o, "name");
  if (const auto text = text_at(o, "protocol"); !text.empty()) {
    auto protocol = parse_protocol(text);
    if (!protocol) return fail(protocol.error().in("spec.ports.protocol"));
    p.protocol = *protocol;
  }
  auto port = port_at(o, "port");
  if (!port) return fail(port.error().in("spec.ports"));
  p.port = *port;
  auto node_port = port_at(o, "nodePort");
  if (!node_port) return fail(node_port.error().in("spec.ports"));
  p.node_port = *node_port;
  // A number or a name; absent, it is the port itself.
  if (const auto n = number_at(o, "targetPort")) {
    p.target_port = std::to_string(*n);
  } else if (const auto text = text_at(o, "targetPort"); !text.empty()) {
    p.target_port = text;
  } else {
    p.target_port = std::to_string(p.port);
  }
  p.app_protocol = text_at(o, "appProtocol");
  return p;
}

ServiceType type_of(std::string_view text) {
  if (text == "NodePort") return ServiceType::node_port;
  if (text == "LoadBalancer") return ServiceType::load_balancer;
  if (text == "ExternalName") return ServiceType::external_name;
  return ServiceType::cluster_ip;
}

TrafficPolicy policy_of(std::string_view text) {
  return text == "Local" ? TrafficPolicy::local : TrafficPolicy::cluster;
}

}  // namespace

ServiceAnnotations read_service_annotations(const Labels& annotations) {
  ServiceAnnotations out;
  if (const auto* v = find(annotations, "service.cilium.io/global", "io.cilium/global-service"))
    out.global = is_true(*v);
  if (const auto* v = find(annotations, "service.cilium.io/shared", "io.cilium/shared-service"))
    out.shared = is_true(*v);
  if (const auto* v = find(annotations, "service.cilium.io/affinity", "io.cilium/service-affinity")) {
    const auto value = lower(*v);
    if (value == "local") {
      out.affinity = ServiceAffinity::local;
    } else if (value == "remote") {
      out.affinity = ServiceAffinity::remote;
    } else if (!value.empty() && value != "none") {
      out.unrecognised = "affinity \"" + *v + "\" is none of local, remote, none; taken as none";
    }
  }
  if (const auto* v = find(annotations, "service.cilium.io/lb-algorithm", nullptr)) {
    const auto value = lower(*v);
    if (value == "maglev") {
      out.algorithm = LbAlgorithm::maglev;
    } else if (value == "random") {
      out.algorithm = LbAlgorithm::random;
    } else if (!value.empty()) {
      out.unrecognised += (out.unrecognised.empty() ? "" : "; ") +
                          ("lb-algorithm \"" + *v + "\" is neither random nor maglev; ignored");
    }
  }
  return out;
}

Result<std::optional<Service>> parse_service(const json::object& object) {
  const auto& spec = object_at(object, "spec");
  Service s;
  s.name = name_of(object);
  if (s.name.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  s.type = type_of(text_at(spec, "type"));
  s.headless = text_at(spec, "clusterIP") == "None";
  // clusterIPs holds both families, clusterIP its first; an old server gives only the latter.
  WEFT_TRY(add_address(s.cluster_ips, text_at(spec, "clusterIP"), "spec.clusterIP"));
  for (const auto& ip : texts_at(spec, "clusterIPs")) WEFT_TRY(add_address(s.cluster_ips, ip, "spec.clusterIPs"));
  for (const auto& ip : texts_at(spec, "externalIPs")) WEFT_TRY(add_address(s.external_ips, ip, "spec.externalIPs"));
  for (const auto& entry : array_at(object_at(object_at(object, "status"), "loadBalancer"), "ingress"))
    if (entry.is_object())
      WEFT_TRY(add_address(s.load_balancer_ips, text_at(entry.get_object(), "ip"), "status.loadBalancer.ingress"));
  for (const auto& entry : array_at(spec, "ports")) {
    if (!entry.is_object()) continue;
    auto port = parse_port(entry.get_object());
    if (!port) return fail(port.error());
    s.ports.push_back(std::move(*port));
  }
  s.selector = labels_at(spec, "selector");
  s.labels = labels_at(metadata(object), "labels");
  s.annotations = labels_at(metadata(object), "annotations");
  if (text_at(spec, "sessionAffinity") == "ClientIP") {
    const auto& client_ip = object_at(object_at(spec, "sessionAffinityConfig"), "clientIP");
    s.session_affinity_seconds = static_cast<std::uint32_t>(number_at(client_ip, "timeoutSeconds").value_or(10800));
  }
  s.internal_traffic_policy = policy_of(text_at(spec, "internalTrafficPolicy"));
  s.external_traffic_policy = policy_of(text_at(spec, "externalTrafficPolicy"));
  s.publish_not_ready_addresses = bool_at(spec, "publishNotReadyAddresses").value_or(false);
  s.load_balancer_class = text_at(spec, "loadBalancerClass");
  s.traffic_distribution = text_at(spec, "trafficDistribution");

  const auto said = read_service_annotations(s.annotations);
  s.global = said.global;
  s.shared = said.shared;
  s.affinity = said.affinity;
  s.algorithm = said.algorithm;
  if (!said.unrecognised.empty())
    log::warn("annotation not understood", {{"service", s.name.to_string()}, {"why", said.unrecognised}});
  return s;
}

Result<std::optional<Service>> parse_served_service(const json::object& object) {
  if (labels_at(metadata(object), "labels").contains("service.kubernetes.io/service-proxy-name"))
    return std::optional<Service>();
  return parse_service(object);
}

}  // namespace weft::kube
