// The agent's reflectors: rows from Kubernetes. An agent watches what its node needs and no more: of pods and
// CiliumEndpoints its own, of everything else what the service merge, routes and identities are made of.
#pragma once

#include "apps/agent/options.h"
#include "apps/agent/problems.h"
#include "apps/agent/tables.h"
#include "async/scope.h"
#include "identity/endpoint.h"
#include "kube/reflector.h"
#include "kube/types/cilium.h"
#include "kube/types/endpoint_slice.h"
#include "kube/types/service.h"

namespace weft::agent {

/// Constructed before anybody waits for a table to be initialized.
struct Sources {
  Sources(kube::Client& client, const Options& o, Tables& t)
      : own_node(client, kube::kNodes, t.own_node, kube::parse_core_node,
                 {.field_selector = "metadata.name=" + o.node_name}),
        services(client, kube::kServices, t.services, kube::parse_served_service),
        slices(client, kube::kEndpointSlices, t.slices, kube::parse_endpoint_slice),
        namespaces(client, kube::kNamespaces, t.namespaces, kube::parse_namespace),
        pods(client, kube::kPods, t.pods, kube::parse_pod, {.field_selector = "spec.nodeName=" + o.node_name}),
        nodes(client, kube::kCiliumNodes, t.nodes,
              [c = kube::ClusterInfo{o.cluster_name, o.cluster_id}](const auto& object) {
                return kube::parse_cilium_node(object, c);
              }),
        cilium_endpoints(
            client, kube::kCiliumEndpoints, t.cilium_endpoints, kube::parse_cilium_endpoint,
            {.label_selector = std::string(identity::kNodeLabel) + "=" + identity::node_label_value(o.node_name)}),
        identities(client, kube::kCiliumIdentities, t.identities,
                   [c = kube::ClusterInfo{o.cluster_name, o.cluster_id}](const auto& object) {
                     return kube::parse_cilium_identity(object, c);
                   }) {}

  void start(Scope& scope) {
    scope.spawn("own node", own_node.run());
    scope.spawn("services", services.run());
    scope.spawn("endpoint slices", slices.run());
    scope.spawn("namespaces", namespaces.run());
    scope.spawn("pods", pods.run());
    scope.spawn("cilium nodes", nodes.run());
    scope.spawn("cilium endpoints", cilium_endpoints.run());
    scope.spawn("identities", identities.run());
  }

  void add_problems(Problems& to) const {
    to.add_source("Node", own_node.health());
    to.add_source("Service", services.health());
    to.add_source("EndpointSlice", slices.health());
    to.add_source("Namespace", namespaces.health());
    to.add_source("Pod", pods.health());
    to.add_source("CiliumNode", nodes.health());
    to.add_source("CiliumEndpoint", cilium_endpoints.health());
    to.add_source("CiliumIdentity", identities.health());
  }

  kube::Reflector<kube::CoreNode> own_node;
  kube::Reflector<Service> services;
  kube::Reflector<EndpointSlice> slices;
  kube::Reflector<kube::Namespace> namespaces;
  kube::Reflector<kube::Pod> pods;
  kube::Reflector<Node> nodes;
  kube::Reflector<kube::CiliumEndpoint> cilium_endpoints;
  kube::Reflector<Identity> identities;
};

}  // namespace weft::agent
