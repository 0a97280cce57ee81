// Everything the agent knows. Who writes a table stands behind it; everybody may read all of them.
#pragma once

#include "identity/endpoint.h"
#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "model/frontend.h"
#include "model/identity.h"
#include "model/local_pod.h"
#include "model/node.h"
#include "model/remote_status.h"
#include "model/service.h"
#include "state/table.h"

namespace weft::agent {

struct Tables {
  explicit Tables(asio::io_context& io)
      : own_node(io, "own node"),
        services(io, "services"),
        slices(io, "endpoint slices"),
        namespaces(io, "namespaces"),
        pods(io, "pods"),
        cilium_endpoints(io, "cilium endpoints"),
        nodes(io, "nodes"),
        remote_services(io, "remote services"),
        ips(io, "ip identities"),
        identities(io, "identities"),
        local_pods(io, "local pods"),
        endpoints(io, "endpoints"),
        remotes(io, "remote clusters"),
        frontends(io, "frontends") {}

  Table<kube::CoreNode> own_node;                // Kubernetes: this machine's Node
  Table<Service> services;                       // Kubernetes
  Table<EndpointSlice> slices;                   // Kubernetes
  Table<kube::Namespace> namespaces;             // Kubernetes
  Table<kube::Pod> pods;                         // Kubernetes: the pods of this node
  Table<kube::CiliumEndpoint> cilium_endpoints;  // Kubernetes
  Table<Node> nodes;                             // Kubernetes (CiliumNode) and every remote cluster
  Table<ClusterService> remote_services;         // every remote cluster
  Table<IpIdentity> ips;                         // every remote cluster
  Table<Identity> identities;                    // Kubernetes (CiliumIdentity) and every remote cluster
  Table<LocalPod> local_pods;                    // EndpointManager
  Table<identity::Endpoint> endpoints;           // EndpointPublisher
  Table<RemoteStatus> remotes;                   // RemoteCluster
  Table<Frontend> frontends;                     // ServiceController
};

}  // namespace weft::agent
