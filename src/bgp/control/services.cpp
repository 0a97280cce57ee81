#include "bgp/control/services.h"

#include <fmt/format.h>

namespace weft::bgp::control {

ServiceFacts facts_of(std::shared_ptr<const Service> service,
                      const std::vector<std::shared_ptr<const EndpointSlice>>& slices, const std::string& node,
                      bool remote_backends) {
  ServiceFacts out{.service = std::move(service), .v4 = {}, .v6 = {}, .remote_backends = remote_backends};
  for (const auto& slice : slices) {
    EndpointCounts& counts = slice->family == Family::v4 ? out.v4 : out.v6;
    for (const SliceEndpoint& e : slice->endpoints) {
      const bool ready = e.ready && !e.terminating;
      if (ready) ++counts.ready;
      if (e.node_name != node) continue;
      if (ready) {
        ++counts.local_ready;
      } else if (e.terminating) {
        ++counts.local_terminating;
      } else {
        ++counts.local_not_ready;
      }
    }
  }
  return out;
}

Labels selectable_labels(const Service& service) {
  Labels out = service.labels;
  out["io.kubernetes.service.name"] = service.name.name;
  out["io.kubernetes.service.namespace"] = service.name.ns;
  return out;
}

std::vector<Address> addresses_of(const Service& service, ServiceAddress type) {
  switch (type) {
    case ServiceAddress::load_balancer_ip: return service.load_balancer_ips;
    case ServiceAddress::cluster_ip: return service.headless ? std::vector<Address>{} : service.cluster_ips;
    case ServiceAddress::external_ip: return service.external_ips;
  }
  return {};
}

bool is_local(const Service& service, ServiceAddress type) {
  const auto policy =
      type == ServiceAddress::cluster_ip ? service.internal_traffic_policy : service.external_traffic_policy;
  return policy == TrafficPolicy::local;
}

std::string why_not(const ServiceFacts& facts, ServiceAddress type, Family family, const ServiceOptions& options) {
  const Service& s = *facts.service;
  if (s.type == ServiceType::external_name) return "the Service is of type ExternalName";
  if (type == ServiceAddress::load_balancer_ip) {
    if (s.type != ServiceType::load_balancer) return "the Service is not of type LoadBalancer";
    if (!s.load_balancer_class.empty() && s.load_balancer_class != kLoadBalancerClass)
      return fmt::format("loadBalancerClass {} is somebody else's; {} or none is ours", s.load_balancer_class,
                         kLoadBalancerClass);
  }
  const EndpointCounts& e = facts.endpoints(family);
  if (is_local(s, type) && e.local_ready == 0) {
    std::string seen = "this node has no endpoint of it";
    if (e.local_terminating > 0)
      seen = fmt::format("the {} endpoint(s) on this node are terminating", e.local_terminating);
    if (e.local_not_ready > 0) seen = fmt::format("the {} endpoint(s) on this node are not ready", e.local_not_ready);
    return fmt::format("{} is Local and {}",
                       type == ServiceAddress::cluster_ip ? "internalTrafficPolicy" : "externalTrafficPolicy", seen);
  }
  if (!options.no_endpoints_routable && e.ready == 0 && !facts.remote_backends)
    return "no endpoint is ready anywhere, and enable-no-service-endpoints-routable is false";
  return {};
}

}  // namespace weft::bgp::control
