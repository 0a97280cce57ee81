// From a topology to what has to be made: sandboxes (network namespaces with a file system of their own), the
// wires between them, their addresses and routes. Pure: the same topology gives the same plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/topology/topology.h"

namespace weft::lab {

enum class SandboxKind { root, router, control_plane, node, client };
std::string_view to_string(SandboxKind);

/// An address with the length of its network, host bits kept.
struct HostAddress {
  Address address;
  unsigned length = 0;
  std::string to_string() const { return address.to_string() + "/" + std::to_string(length); }
  bool operator==(const HostAddress&) const = default;
};

/// A network interface of a sandbox: one end of a veth pair whose other end is a port of `bridge`, or the
/// interface `peer_interface` of sandbox `peer`.
struct Port {
  std::string interface;
  std::string bridge;  // in the lab's root sandbox
  std::string peer;
  std::string peer_interface;
  std::vector<HostAddress> addresses;
  bool operator==(const Port&) const = default;
};

struct StaticRoute {
  Prefix to;
  Address via;
  bool operator==(const StaticRoute&) const = default;
};

/// A router that speaks BGP.
struct BgpRouter {
  std::uint32_t asn = 0;
  bool bfd = false;
  std::vector<Prefix> nodes;       // whoever connects from there is a peer
  std::vector<Address> neighbors;  // other routers
  bool operator==(const BgpRouter&) const = default;
};

struct Sandbox {
  std::string name;  // unique in the lab: "cluster1-node1", "cluster1-router", "cluster1-cp", "client", "root"
  SandboxKind kind = SandboxKind::node;
  std::string cluster;  // empty for root and clients
  std::vector<Port> ports;
  std::vector<StaticRoute> routes;
  std::vector<Prefix> pod_cidrs;  // a node's own
  std::optional<BgpRouter> bgp = {};
  /// The first address of the family on the first port.
  const Address* address(Family f) const;
};

struct Plan {
  std::vector<std::string> bridges;  // in the root sandbox
  std::vector<Sandbox> sandboxes;    // root first
  const Sandbox* sandbox(std::string_view name) const;
};

Plan make_plan(const Topology& topology);

/// The n-th part of length `length` of a prefix, counted from 0.
Prefix nth_subnet(const Prefix& whole, unsigned length, std::uint64_t n);

/// The address of the kube-dns Service: number 10 of each service range.
std::vector<Address> dns_addresses(const ClusterSpec& cluster);

/// Routers on both ends of a link and their interfaces: what `weft lab link cut` sets down.
struct LinkEnds {
  std::string router_a, interface_a, router_b, interface_b;
};
Result<LinkEnds> link_ends(const Topology& topology, const std::string& a, const std::string& b);

}  // namespace weft::lab
