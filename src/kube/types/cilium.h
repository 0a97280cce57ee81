// CiliumNode, CiliumEndpoint and CiliumIdentity (cilium.io/v2) as rows, and back as objects.
#pragma once

#include "kube/json.h"
#include "model/identity.h"
#include "model/node.h"

namespace weft::kube {

/// Which cluster the objects of an API server belong to: they do not say it themselves.
struct ClusterInfo {
  std::string name = "default";
  ClusterId id = 0;
};

inline constexpr const char* kWireguardKeyAnnotation = "network.cilium.io/wg-pub-key";

/// Node::source is "custom-resource". The WireGuard key is an annotation; the pod CIDRs are spec.ipam.podCIDRs and
/// those allocated from pools.
Result<std::optional<Node>> parse_cilium_node(const json::object& object, const ClusterInfo& cluster);
/// metadata.{name,labels,annotations} and spec. Whoever writes it merges it into what others keep in the object.
json::object to_cilium_node(const Node& node);

struct NamedPort {
  std::string name;
  Protocol protocol = Protocol::tcp;
  Port port = 0;
  bool operator==(const NamedPort&) const = default;
};

/// The part of a CiliumEndpoint that others read.
struct CiliumEndpoint {
  using Key = ObjectName;
  ObjectName name;  // the pod's
  std::string uid;
  std::string pod_uid;  // ownerReferences
  std::int64_t endpoint_id = 0;
  NumericIdentity identity = 0;
  std::vector<std::string> identity_labels;  // "k8s:app=cart"
  std::vector<Address> addresses;
  std::optional<Address> node;  // the node's address
  std::uint8_t encryption_key = 0;
  std::string container_id;
  std::string service_account;
  std::string state;  // "ready", …
  std::vector<NamedPort> named_ports;
  Labels labels;  // metadata.labels, the pod's
  Key key() const { return name; }
  bool operator==(const CiliumEndpoint&) const = default;
};
Result<std::optional<CiliumEndpoint>> parse_cilium_endpoint(const json::object& object);
/// The whole object, without uid and resourceVersion.
json::object to_cilium_endpoint(const CiliumEndpoint& endpoint);

/// The identity's number is metadata.name; its labels are security-labels ("k8s:app" → "cart").
Result<std::optional<Identity>> parse_cilium_identity(const json::object& object, const ClusterInfo& cluster);
json::object to_cilium_identity(const Identity& identity);

}  // namespace weft::kube
