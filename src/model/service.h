// Services and their endpoints, as rows. Sources: Kubernetes (Service, EndpointSlice) and the mesh
// (ClusterService of remote clusters). The merge of the three is src/services.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "model/names.h"

namespace weft {

enum class ServiceType { cluster_ip, node_port, load_balancer, external_name };
/// Which backends of a global service are preferred (service.cilium.io/affinity).
enum class ServiceAffinity { none, local, remote };
enum class TrafficPolicy { cluster, local };
enum class LbAlgorithm { random, maglev };

struct ServicePort {
  std::string name;  // empty for a single unnamed port
  Protocol protocol = Protocol::tcp;
  Port port = 0;
  Port node_port = 0;
  std::string target_port;  // a number or a name, as text
  std::string app_protocol;
  bool operator==(const ServicePort&) const = default;
};

struct Service {
  using Key = ObjectName;
  ObjectName name;
  ServiceType type = ServiceType::cluster_ip;
  bool headless = false;             // clusterIP: None
  std::vector<Address> cluster_ips;  // empty when headless
  std::vector<Address> external_ips;
  std::vector<Address> load_balancer_ips;  // status.loadBalancer.ingress
  std::vector<ServicePort> ports;
  Labels selector;
  Labels labels;
  Labels annotations;
  std::optional<std::uint32_t> session_affinity_seconds;  // ClientIP; timeoutSeconds
  TrafficPolicy internal_traffic_policy = TrafficPolicy::cluster;
  TrafficPolicy external_traffic_policy = TrafficPolicy::cluster;
  bool publish_not_ready_addresses = false;
  std::string load_balancer_class;
  std::string traffic_distribution;  // "PreferSameZone" (formerly "PreferClose"), "PreferSameNode"

  // Read from annotations (service.cilium.io/…, aliases io.cilium/…) by kube/types/service_annotations.h.
  bool global = false;
  bool shared = true;  // meaningless unless global
  ServiceAffinity affinity = ServiceAffinity::none;
  std::optional<LbAlgorithm> algorithm;  // service.cilium.io/lb-algorithm

  Key key() const { return name; }
  bool operator==(const Service&) const = default;
};

struct SliceEndpoint {
  std::vector<Address> addresses;
  // EndpointSlice conditions with nil resolved as Kubernetes asks: ready and serving default to true,
  // terminating to false; serving defaults to ready when only ready is given.
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::string hostname;
  std::string node_name;
  std::string zone;
  std::vector<std::string> for_zones;  // hints
  std::vector<std::string> for_nodes;
  bool operator==(const SliceEndpoint&) const = default;
};

struct SlicePort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  Port port = 0;
  bool operator==(const SlicePort&) const = default;
};

struct EndpointSlice {
  using Key = ObjectName;
  ObjectName name;
  std::string service;     // label kubernetes.io/service-name
  std::string managed_by;  // label endpointslice.kubernetes.io/managed-by
  Family family = Family::v4;
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  Key key() const { return name; }
  bool operator==(const EndpointSlice&) const = default;
};

/// One cluster's feed of one global service: the value of cilium/state/services/v1/<cluster>/<ns>/<name>.
/// Source: cilium-compat section 1.4.
struct ClusterService {
  struct Key {
    ObjectName service;  // first, so that all clusters' feeds of one service stand together
    std::string cluster;
    std::string to_string() const { return cluster + "/" + service.to_string(); }
    auto operator<=>(const Key&) const = default;
  };
  struct PortSpec {
    Protocol protocol = Protocol::tcp;
    Port port = 0;
    bool operator==(const PortSpec&) const = default;
  };
  using PortMap = std::map<std::string, PortSpec>;  // by port name, "" when unnamed
  /// Our addition, ignored by Cilium readers: an endpoint that is on its way out, or not ready.
  struct State {
    bool ready = true;
    bool serving = true;
    bool terminating = false;
    bool operator==(const State&) const = default;
  };
  struct Zone {
    std::string zone;
    std::vector<std::string> for_zones;
    bool operator==(const Zone&) const = default;
  };

  std::string cluster;
  ClusterId cluster_id = 0;
  ObjectName name;
  std::map<Address, PortMap> frontends;
  std::map<Address, PortMap> backends;
  std::map<Address, std::string> hostnames;
  std::map<Address, Zone> zones;
  std::map<Address, State> states;  // only those that differ from ready
  Labels labels;
  Labels selector;
  bool include_external = true;
  bool shared = true;

  Key key() const { return {name, cluster}; }
  bool operator==(const ClusterService&) const = default;
};

}  // namespace weft
