// How this node reaches the pods of every other node: a pure function from nodes to routes and tunnel ends.
//
//   native   podCIDR via nodeIP for nodes on the same link; for the others the fabric knows the way
//   tunnel   podCIDR via the far node's pod-network address, on weft_vxlan; that address has a static neighbour entry
//            whose MAC follows from the node's IP, and a forwarding entry from that MAC to the node's IP. Nothing is
//            exchanged or learned.
//
// weft_vxlan speaks one IP family with all its peers, so both ends of a tunnel must choose the same. What they choose
// follows from the rule (underlay-protocol, the same in the whole mesh) and from the InternalIPs that a node publishes
// of itself, which everybody sees; their order does not matter.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/node.h"
#include "netlink/types.h"

namespace weft::routing {

enum class Mode { native, tunnel };
/// automatic: IPv4 for a node that has an IPv4 InternalIP, IPv6 for one that has none.
enum class UnderlayProtocol { automatic, ipv4, ipv6 };

inline constexpr const char* kTunnelDevice = "weft_vxlan";
/// All clusters share one segment: who a packet is from is told by its address. Cilium reads the VNI as the sender's
/// identity instead. It drops 1 ("host", which no other node can be) without a look at the rest, and 2 ("world") is
/// what it asks of VXLAN ends that are not Cilium's (its VTEP integration): the one number that can come in there and
/// claims nothing. Its own packets carry other numbers, which this device does not take: see README.md.
inline constexpr std::uint32_t kVni = 2;

struct Config {
  Mode mode = Mode::tunnel;
  Node::Key local;                      // this node
  bool auto_direct_node_routes = true;  // native: routes to nodes on the same link
  std::uint16_t tunnel_port = 8472;
  UnderlayProtocol underlay = UnderlayProtocol::automatic;  // tunnel: which of the nodes' addresses carry the packets
  unsigned mtu = 0;                                         // of the underlay; 0: as its device says
  bool masquerade_v4 = true;
  bool masquerade_v6 = true;
  std::vector<Prefix> native_routing_cidrs;  // reached without masquerade besides the known pod CIDRs
};

/// The node's place in the network that joins the nodes.
struct Underlay {
  std::optional<Address> v4, v6;  // the node's InternalIPs, as far as an interface has them
  bool publishes_v4 = false;      // it has an IPv4 InternalIP, on an interface or not: what other nodes go by
  int ifindex = 0;                // the device that holds them
  std::string device;
  unsigned mtu = 1500;
  struct OnLink {
    Prefix prefix;
    int ifindex = 0;
    bool operator==(const OnLink&) const = default;
  };
  std::vector<OnLink> on_link;  // longest first; without our own devices
  std::optional<Address> address(Family f) const { return f == Family::v4 ? v4 : v6; }
  bool operator==(const Underlay&) const = default;
};

/// Finds the device that holds one of `node_ips`. not_found names them when none does.
Result<Underlay> find_underlay(const std::vector<netlink::Link>& links,
                               const std::vector<netlink::LinkAddress>& addresses,
                               const std::vector<Address>& node_ips);

/// The family of the tunnel packets of a node that has an IPv4 InternalIP, or has none.
Family outer_family(UnderlayProtocol, bool has_v4);
Family outer_family(const Config&, const Underlay&);

/// What fits into a packet of a pod: the underlay's MTU, less 50 bytes for VXLAN over IPv4 or 70 over IPv6
/// (RFC 7348: outer IP, UDP 8, VXLAN 8, inner Ethernet 14).
unsigned pod_mtu(const Config&, const Underlay&);

/// The MAC of a node's tunnel device, the same wherever it is computed.
Mac tunnel_mac(const Address& node_ip);

/// A row of the routes we want.
struct WantedRoute {
  using Key = Prefix;
  netlink::Route route;
  std::string node;  // "cluster/name" that asked for it
  Key key() const { return route.destination; }
  bool operator==(const WantedRoute&) const = default;
};

/// A far tunnel end.
struct TunnelPeer {
  using Key = Node::Key;
  Node::Key node;
  Mac mac;
  Address remote;                 // the node's InternalIP
  std::vector<Address> gateways;  // its addresses on the pod network
  Key key() const { return node; }
  bool operator==(const TunnelPeer&) const = default;
};

struct Plan {
  std::vector<WantedRoute> routes;
  std::vector<TunnelPeer> peers;
  std::vector<std::string> problems;  // one sentence each: which node, what, the mend
};

/// `tunnel_ifindex` is that of weft_vxlan (tunnel mode). Nodes in key order; of two that claim one CIDR the local
/// cluster's, then the first by key, has it.
Plan plan(const Config&, const Underlay&, int tunnel_ifindex, const std::vector<std::shared_ptr<const Node>>& nodes);

/// The node's address on the pod network: its CiliumInternalIP, or the first usable address of its pod CIDR.
std::optional<Address> pod_network_address(const Node&, Family);

}  // namespace weft::routing
