// Node: a machine of this or a remote cluster, as the mesh describes it (cilium-compat section 1.3).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "model/names.h"

namespace weft {

enum class NodeAddressType { hostname, external_ip, internal_ip, external_dns, internal_dns, cilium_internal_ip };

struct NodeAddress {
  NodeAddressType type = NodeAddressType::internal_ip;
  std::string value;  // an IP, or a name for the Hostname and DNS types
  bool operator==(const NodeAddress&) const = default;
};

struct Node {
  struct Key {
    std::string cluster;
    std::string name;
    std::string to_string() const { return cluster + "/" + name; }
    auto operator<=>(const Key&) const = default;
  };
  std::string cluster;
  ClusterId cluster_id = 0;
  std::string name;
  std::vector<NodeAddress> addresses;
  std::vector<Prefix> pod_cidrs;  // in the order of the object; the first of each family is the primary one
  std::optional<Address> health_v4;
  std::optional<Address> health_v6;
  std::optional<Address> ingress_v4;
  std::optional<Address> ingress_v6;
  std::uint8_t encryption_key = 0;
  Labels labels;
  Labels annotations;
  std::string wireguard_key;
  std::string boot_id;
  std::string source;  // "custom-resource", "clustermesh", …

  Key key() const { return {cluster, name}; }
  /// The first InternalIP of the family.
  std::optional<Address> internal_ip(Family f) const;
  bool operator==(const Node&) const = default;
};

std::string_view to_string(NodeAddressType);  // "InternalIP", "CiliumInternalIP", …
Result<NodeAddressType> parse_node_address_type(std::string_view text);

}  // namespace weft
