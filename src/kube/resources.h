// The kinds that Weft speaks of, as the API server addresses them.
#pragma once

#include <string>

namespace weft::kube {

/// One kind at one version. `group` is empty for core/v1.
struct Resource {
  std::string group;
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;

  /// "v1", "apps/v1": what stands in an object's apiVersion.
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  /// "pods", "deployments.apps": the name for people.
  std::string to_string() const { return group.empty() ? plural : plural + "." + group; }
  bool operator==(const Resource&) const = default;
};

// core
inline const Resource kPods{"", "v1", "pods", "Pod", true};
inline const Resource kServices{"", "v1", "services", "Service", true};
inline const Resource kEndpoints{"", "v1", "endpoints", "Endpoints", true};
inline const Resource kNodes{"", "v1", "nodes", "Node", false};
inline const Resource kNamespaces{"", "v1", "namespaces", "Namespace", false};
inline const Resource kSecrets{"", "v1", "secrets", "Secret", true};
inline const Resource kConfigMaps{"", "v1", "configmaps", "ConfigMap", true};
inline const Resource kServiceAccounts{"", "v1", "serviceaccounts", "ServiceAccount", true};
inline const Resource kEvents{"", "v1", "events", "Event", true};
// apps
inline const Resource kDeployments{"apps", "v1", "deployments", "Deployment", true};
inline const Resource kDaemonSets{"apps", "v1", "daemonsets", "DaemonSet", true};
inline const Resource kReplicaSets{"apps", "v1", "replicasets", "ReplicaSet", true};
inline const Resource kStatefulSets{"apps", "v1", "statefulsets", "StatefulSet", true};
// others of Kubernetes itself
inline const Resource kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true};
inline const Resource kLeases{"coordination.k8s.io", "v1", "leases", "Lease", true};
inline const Resource kNetworkPolicies{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true};
inline const Resource kCustomResourceDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                                 "CustomResourceDefinition", false};
// cilium.io
inline const Resource kCiliumNodes{"cilium.io", "v2", "ciliumnodes", "CiliumNode", false};
inline const Resource kCiliumEndpoints{"cilium.io", "v2", "ciliumendpoints", "CiliumEndpoint", true};
inline const Resource kCiliumIdentities{"cilium.io", "v2", "ciliumidentities", "CiliumIdentity", false};

}  // namespace weft::kube
