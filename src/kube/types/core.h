// Node, Namespace and Pod of core/v1 as small rows: what Weft reads of them, nothing more.
#pragma once

#include "base/net.h"
#include "kube/json.h"
#include "model/node.h"

namespace weft::kube {

struct CoreNode {
  using Key = std::string;
  std::string name;
  std::string uid;
  std::vector<NodeAddress> addresses;  // status.addresses
  std::vector<Prefix> pod_cidrs;       // spec.podCIDRs
  std::string boot_id;                 // status.nodeInfo.bootID
  std::string provider_id;
  Labels labels;
  Labels annotations;
  bool ready = false;
  bool shutting_down = false;  // the kubelet ends its pods for a shutdown or reboot (GracefulNodeShutdown)
  bool unschedulable = false;
  std::vector<std::string> taints;  // keys of spec.taints
  bool deleting = false;
  Key key() const { return name; }
  bool operator==(const CoreNode&) const = default;
};
Result<std::optional<CoreNode>> parse_core_node(const json::object& object);

struct Namespace {
  using Key = std::string;
  std::string name;
  Labels labels;
  Labels annotations;
  bool deleting = false;
  Key key() const { return name; }
  bool operator==(const Namespace&) const = default;
};
Result<std::optional<Namespace>> parse_namespace(const json::object& object);

struct ContainerPort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  Port port = 0;
  bool operator==(const ContainerPort&) const = default;
};

struct Pod {
  using Key = ObjectName;
  ObjectName name;
  std::string uid;
  Labels labels;
  Labels annotations;
  std::string service_account;  // "default" when not given
  std::string node_name;
  bool host_network = false;
  std::string phase;  // Pending, Running, Succeeded, Failed, Unknown
  bool ready = false;
  bool deleting = false;
  std::vector<Address> ips;  // status.podIPs
  std::vector<Address> host_ips;
  std::vector<ContainerPort> ports;  // of all containers, also of sidecars among the init containers
  Key key() const { return name; }
  /// Its addresses are free again.
  bool finished() const { return phase == "Succeeded" || phase == "Failed"; }
  bool operator==(const Pod&) const = default;
};
Result<std::optional<Pod>> parse_pod(const json::object& object);

}  // namespace weft::kube
