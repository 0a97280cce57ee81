// What a lab consists of, as its author wrote it: clusters, nodes, address ranges, links, client hosts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/net.h"
#include "base/result.h"

namespace weft::lab {

struct NodeSpec {
  std::string name;  // "cluster1-node1": the Kubernetes name and the host name
  std::string zone;  // label topology.kubernetes.io/zone; empty: none
  std::map<std::string, std::string> labels;
  bool operator==(const NodeSpec&) const = default;
};

/// What stands between a cluster's nodes and the world. The first router is their default gateway.
struct RouterSpec {
  std::string name;
  /// Speaks BGP (FRR) under this number: with the nodes of its segment, whatever number they have, and with the
  /// routers that links lead to. Then it learns pod CIDRs, instead of being told. 0: it speaks no BGP.
  std::uint32_t asn = 0;
  bool bfd = false;  // with every BGP peer, 3 x 100 ms
  bool operator==(const RouterSpec&) const = default;
};

/// Prefix lists hold one prefix a family, IPv4 first; all lists of a cluster have the same families.
struct ClusterSpec {
  std::string name;
  unsigned id = 0;
  std::vector<NodeSpec> nodes;
  std::vector<RouterSpec> routers;  // one at least
  std::vector<Prefix> segment;  // addresses of its routers (.1 and up), its control plane (next) and its nodes (.11)
  std::vector<Prefix> pod_cidrs;
  std::vector<Prefix> service_cidrs;
  unsigned node_mask_v4 = 24;  // the size of each node's share of pod_cidrs
  unsigned node_mask_v6 = 64;
  bool has(Family f) const;
  bool learns_pods() const;  // all its routers speak BGP
  bool operator==(const ClusterSpec&) const = default;
};

/// A cable between two routers, by their names or those of their clusters, which mean the first router.
struct LinkSpec {
  std::string a;
  std::string b;
  bool operator==(const LinkSpec&) const = default;
};

/// A host outside every cluster, reachable from all of them.
struct ClientSpec {
  std::string name;
  bool operator==(const ClientSpec&) const = default;
};

struct Topology {
  std::vector<ClusterSpec> clusters;
  std::vector<LinkSpec> links;
  std::vector<Prefix> fabric;          // links between routers are numbered out of it
  std::vector<Prefix> client_segment;  // routers and clients are numbered out of it
  std::vector<ClientSpec> clients;
  /// Image reference without tag (or its last path element) → the command that stands for it, for pods that
  /// name no command. The lab runs processes of this machine, never images.
  std::map<std::string, std::vector<std::string>> images;
  const ClusterSpec* cluster(std::string_view name) const;
  /// The router that an end of a link means, and its cluster; nulls when it means none.
  std::pair<const ClusterSpec*, const RouterSpec*> router(std::string_view end) const;
  bool operator==(const Topology&) const = default;
};

/// Reads a topology. `file` is for messages only. An error says
/// "FILE:LINE: FIELD: what is wrong with which value; the mend".
Result<Topology> parse_topology(const std::string& text, const std::string& file);

/// The topology that `weft lab up` builds when no file is named (lab/topologies/default.yaml).
std::string_view default_topology();

}  // namespace weft::lab
