// The operator's share: from cluster configurations and overrides to one CiliumBGPNodeConfig a node, and the conditions
// of every BGP object (cilium-compat sections 4.4 to 4.6). Pure; cluster_controller.h carries it out.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bgp/control/plan.h"
#include "kube/status.h"

namespace weft::bgp::control {

struct ClusterNode {
  std::string name;
  Labels labels;
  Labels annotations;  // of virtual routers
  bool operator==(const ClusterNode&) const = default;
};

/// bgpControlPlane.routerIDAllocation.mode ip-pool: router ids come from here, one an instance.
struct RouterIdPool {
  Prefix prefix;  // IPv4
  bool operator==(const RouterIdPool&) const = default;
};

struct ClusterObjects {
  std::vector<ClusterNode> nodes;
  std::vector<ObjectPtr<PeeringPolicySpec>> policies;
  std::vector<ObjectPtr<ClusterConfigSpec>> cluster_configs;
  ObjectMap<NodeConfigOverrideSpec> overrides;
  ObjectMap<PeerConfigSpec> peer_configs;
  ObjectMap<AdvertisementSpec> advertisements;
  ObjectMap<NodeConfigSpec> node_configs;          // as they are now: router ids from the pool stay where they are
  std::map<std::string, std::string> owners;       // node → the cluster configuration that made its NodeConfig
  std::optional<std::set<std::string>> passwords;  // Secrets with key `password`; none: not listed yet
  std::string passwords_error;                     // why not, when asking for them failed
  std::string secrets_namespace = "kube-system";
  std::optional<RouterIdPool> router_ids;
};

struct WantedNodeConfig {
  NodeConfigSpec spec;
  std::string owner;  // the CiliumBGPClusterConfig
  std::string owner_uid;
  bool operator==(const WantedNodeConfig&) const = default;
};

struct ClusterOutcome {
  std::map<std::string, WantedNodeConfig> node_configs;  // by node
  /// Nodes whose NodeConfig stays as it is: its cluster configuration or its override cannot be used, and there is no
  /// good state of it in memory.
  std::set<std::string> untouched;
  std::map<ObjectRef, std::vector<kube::Condition>> conditions;  // of every object that has some
};
ClusterOutcome derive(const ClusterObjects& objects);

boost::json::object to_json(const NodeConfigSpec& spec);

}  // namespace weft::bgp::control
