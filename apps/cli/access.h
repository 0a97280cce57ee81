// Access information: what one cluster must know of another to connect to it, read from Kubernetes objects. Pure.
// cilium-compat section 7.2.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "model/names.h"

namespace weft::cli {

namespace json = boost::json;

/// What was read from one cluster's API server.
struct ClusterObjects {
  std::string context;  // how people call it
  std::string ns = "kube-system";
  std::optional<json::object> config;      // ConfigMap weft-config
  std::optional<json::object> service;     // Service clustermesh-apiserver
  std::string ca_secret = "cilium-ca";     // tls.secretName
  std::optional<json::object> ca;          // the Secret of that name
  std::vector<json::object> nodes;         // Nodes
  std::vector<json::object> cilium_nodes;  // CiliumNodes
  std::vector<json::object> mesh_pods;     // Pods k8s-app=clustermesh-apiserver
};

struct NodeCidr {
  std::string node;
  Prefix prefix;
};

struct AccessInfo {
  std::string context;
  std::string cluster;
  ClusterId id = 0;
  ClusterId max_connected_clusters = 255;
  std::string service_type;      // "NodePort", "LoadBalancer"
  std::vector<std::string> ips;  // nodes that run the mesh store first
  std::string address;           // a load balancer's host name, instead of ips
  Port port = 0;
  std::string ca;         // PEM
  std::string ca_key_id;  // hex
  std::string routing;    // "native", "tunnel"
  // Of mode tunnel, both the same in the whole mesh; empty or 0: an older Weft, which does not say.
  std::string underlay;  // "auto", "ipv4", "ipv6"
  Port tunnel_port = 0;
  std::vector<NodeCidr> pod_cidrs;

  std::vector<std::string> endpoints() const;  // "192.0.2.1:32379"
};

/// The Secret that holds the cluster's certificate authority (tls.secretName): what the chart noted at ConfigMap
/// weft-config; cilium-ca where it noted nothing.
std::string ca_secret_of(const std::optional<json::object>& config);

/// Errors name the context and the command that mends: not installed, no cluster id, mesh not enabled, no address yet.
Result<AccessInfo> access_info(const ClusterObjects&);

/// What is wrong with reaching a mesh store by the nodes of its cluster; cilium-compat section 7.2's words.
inline constexpr const char* kNodePortWarning =
    "Service type NodePort detected! Service may fail when nodes are removed from the cluster!";

/// Replaces what was found by --source-endpoint or --destination-endpoint: "address:port", all with one port.
Result<> override_endpoints(AccessInfo&, const std::vector<std::string>& endpoints, const std::string& flag);

/// Lower case hex of the first certificate's subject key identifier; of the SHA-1 of its key when it has none.
Result<std::string> certificate_key_id(const std::string& pem);

/// Does this cluster hand out LoadBalancer addresses? A cloud's nodes, or a Service that has got one. The reason, in
/// words.
std::optional<std::string> load_balancers_at_hand(const std::vector<json::object>& nodes,
                                                  const std::vector<json::object>& services);
/// Would a LoadBalancer for the mesh store wait, for all that is known? It has no address, and nothing here gives any.
bool load_balancer_would_wait(const std::vector<json::object>& nodes, const std::vector<json::object>& services);

}  // namespace weft::cli
