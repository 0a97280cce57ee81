// Rows to the values of the mesh store and back: Node, ClusterService, IPIdentityPair, identity labels, cluster
// configuration. Writers produce the bytes that Cilium's writers do; readers take what any of its releases wrote.
// Pure. Source: cilium-compat sections 1.3 to 1.6 and 1.9.
//
// Readers check form only (JSON, types, addresses, masks); whether a value may stand under its key is import.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/identity.h"
#include "model/node.h"
#include "model/service.h"

namespace weft::mesh {

std::string encode_node(const Node& node);
Result<Node> decode_node(std::string_view value);

/// With our addition "weftStates": {"<ip>": {"ready","serving","terminating"}} for endpoints not plainly ready, left
/// out when there is none. Cilium's readers skip fields they do not know.
std::string encode_service(const ClusterService& service);
/// `shared` false reads as false; the importer treats it like a deletion.
Result<ClusterService> decode_service(std::string_view value);

std::string encode_ip(const IpIdentity& row);
/// Row::cluster stays empty: the value does not say it.
Result<IpIdentity> decode_ip(std::string_view value);
/// The key's last element: "10.1.0.21", or with its length "10.2.0.0/24".
std::string ip_key(const Prefix& prefix);

/// "k8s:app=cart;k8s:…;", sorted by label key without its source.
std::string encode_identity(const Labels& labels);
Result<Labels> decode_identity(std::string_view value);

struct ClusterConfig {
  ClusterId id = 0;
  bool synced_canaries = false;
  bool cached = false;
  ClusterId max_connected_clusters = 0;  // 0: not said, which means 255
  std::optional<bool> service_exports_enabled;
  bool operator==(const ClusterConfig&) const = default;
};
std::string encode_cluster_config(const ClusterConfig& config);
Result<ClusterConfig> decode_cluster_config(std::string_view value);

}  // namespace weft::mesh
