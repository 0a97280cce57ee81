// Views: model rows as the JSON that the API answers and `weft … list -o json` prints. Pure. Names are camelCase as in
// Kubernetes, addresses are text, lists are sorted by key; a field once published keeps its meaning.
//
// Where the agent serves them: /v1/services, /v1/nodes, /v1/identities, /v1/endpoints, /v1/mesh (mesh_status.h),
// /v1/problems (problem.h), /v1/bpf/lb.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/frontend.h"
#include "model/identity.h"
#include "model/node.h"
#include "state/table.h"

namespace weft::api {

namespace json = boost::json;

std::string_view to_string(FrontendKind);  // "ClusterIP", "ExternalIP", "LoadBalancer", "NodePort"
std::string_view to_string(BackendState);  // "active", "terminating"

/// What the datapath says of a frontend.
struct Programmed {
  std::uint32_t id = 0;  // the number it is known by; 0: it is not in the maps
  std::string error;     // why it is not there as it should be; empty when it is, or will be in a moment
};
using FrontendInfo = std::function<Programmed(const FrontendKey&)>;

/// {id, state: "programmed" | "pending" | "error", reason, frontend: "10.96.0.10:80/TCP", type, namespace, name,
/// portName, global, affinity, algorithm,
///  sessionAffinitySeconds, backends: [{address, state, cluster, node, zone, preferred, heldBack}]}.
/// `local_cluster` is what an empty backend.cluster stands for.
json::object view(const Frontend&, const Programmed&, const std::string& local_cluster);
/// The rows, and in their order the frontends that are asked for in vain (state "error"), which have none.
json::array services_view(const Table<Frontend>&, const FrontendInfo&, const std::string& local_cluster,
                          const std::vector<Unserved>& unserved = {});

/// {cluster, name, addresses: [{type, ip}], podCIDRs, healthIPs, encryptionKey, labels, source}
json::object view(const Node&);
json::array nodes_view(const Table<Node>&);

/// {id, cluster, labels: {"k8s:app": "cart"}, reserved: true|false}
json::object view(const Identity&);
json::array identities_view(const Table<Identity>&);

/// {prefix, cluster, host, identity, namespace, pod, serviceAccount}
json::object view(const IpIdentity&);
json::array ip_identities_view(const Table<IpIdentity>&);

/// A pod of this node, as far as the view needs it.
struct EndpointInfo {
  std::uint32_t id = 0;
  ObjectName pod;
  std::vector<Address> addresses;
  NumericIdentity identity = 0;
  Labels labels;          // identity labels, "k8s:app" → "cart"
  std::string interface;  // host side
  std::string container_id;
  std::string state;  // "ready", "waiting-for-identity", …
  std::string why;    // what it waits for; empty when ready
};
json::object view(const EndpointInfo&);

/// What the maps really hold for one frontend: `weft bpf lb list`.
struct LbMapEntry {
  struct Slot {
    std::uint32_t backend_id = 0;
    SocketAddress address;
    std::string state;  // "active", "terminating"
  };
  FrontendKey frontend;
  std::uint32_t id = 0;
  std::string flags;  // "ClusterIP, sessionAffinity"
  std::vector<Slot> backends;
};
json::object view(const LbMapEntry&);

}  // namespace weft::api
