// Which addresses of a Service may be announced from this node, and why the others may not (cilium-compat section
// 4.8). Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/control/objects.h"
#include "model/service.h"

namespace weft::bgp::control {

inline constexpr const char* kLoadBalancerClass = "io.cilium/bgp-control-plane";

/// Endpoints of a Service, as counts. Ready: the EndpointSlice says so and the endpoint is not terminating.
struct EndpointCounts {
  unsigned ready = 0;              // on any node
  unsigned local_ready = 0;        // on this node
  unsigned local_not_ready = 0;    // on this node, started but not ready yet
  unsigned local_terminating = 0;  // on this node, on their way out
  bool operator==(const EndpointCounts&) const = default;
};

struct ServiceFacts {
  std::shared_ptr<const Service> service;
  EndpointCounts v4, v6;
  bool remote_backends = false;  // another cluster of the mesh has some
  const EndpointCounts& endpoints(Family f) const { return f == Family::v4 ? v4 : v6; }
};
ServiceFacts facts_of(std::shared_ptr<const Service> service,
                      const std::vector<std::shared_ptr<const EndpointSlice>>& slices, const std::string& node,
                      bool remote_backends);

/// Labels that a service selector sees: the Service's, io.kubernetes.service.name and io.kubernetes.service.namespace.
Labels selectable_labels(const Service& service);

/// Addresses of one type that the Service has.
std::vector<Address> addresses_of(const Service& service, ServiceAddress type);
/// Whether the traffic policy for this type of address is Local: such an address is announced as a host route, and
/// only from nodes with a ready endpoint.
bool is_local(const Service& service, ServiceAddress type);

struct ServiceOptions {
  /// enable-no-service-endpoints-routable: a Service without any endpoint is announced all the same.
  bool no_endpoints_routable = true;
  bool operator==(const ServiceOptions&) const = default;
};
/// Why an address of this type and family is not announced whatever the rules say; empty when it may be.
std::string why_not(const ServiceFacts& facts, ServiceAddress type, Family family, const ServiceOptions& options);

}  // namespace weft::bgp::control
