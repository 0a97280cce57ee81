// What the kernel's network stack holds, as values: links, addresses, routes, neighbours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"

namespace weft::netlink {

/// Mark every route that is ours (rtm_protocol, see /etc/iproute2/rt_protos), so that pruning leaves others' alone.
inline constexpr std::uint8_t kRouteProtocol = 214;     // to nodes, by src/routing
inline constexpr std::uint8_t kPodRouteProtocol = 215;  // to pods of this node, by src/pods
// Learned from routers, by src/bgp. Not RTPROT_BGP (186): FRR on the same node marks its own with that.
inline constexpr std::uint8_t kBgpRouteProtocol = 216;
inline constexpr std::uint32_t kMainTable = 254;

struct Vxlan {
  std::uint32_t vni = 1;
  std::uint16_t port = 8472;
  Address local;  // also chooses the family of the underlay
  bool learning = false;
  bool operator==(const Vxlan&) const = default;
};

struct Link {
  int index = 0;
  std::string name;
  std::string kind;   // "veth", "vxlan", …; empty for hardware and loopback
  std::string alias;  // ifalias: free text, we note the owner there
  Mac mac;
  unsigned mtu = 0;
  bool up = false;
  bool loopback = false;
  std::optional<Vxlan> vxlan;
  bool operator==(const Link&) const = default;
};

/// Both ends of a veth pair. The peer is born inside `peer_netns`, so that it never shows up in ours.
struct VethSpec {
  std::string name;
  Mac mac;
  std::string alias;
  std::string peer_name;
  Mac peer_mac;
  std::string peer_netns;  // path; empty for the same namespace
  unsigned mtu = 1500;
};

struct VxlanSpec {
  std::string name;
  Mac mac;
  unsigned mtu = 1450;
  Vxlan vxlan;
};

/// What to change; absent fields stay.
struct LinkChange {
  std::optional<std::string> name;
  std::optional<unsigned> mtu;
  std::optional<Mac> mac;
  std::optional<bool> up;
  bool no_link_local = false;  // IPv6 addrgenmode none: no fe80:: of the kernel's own making
};

/// An address of a link, with the length of its on-link prefix.
struct LinkAddress {
  int ifindex = 0;
  Address address;
  unsigned length = 0;
  Prefix prefix() const { return {address, length}; }
  auto operator<=>(const LinkAddress&) const = default;
};

enum class RouteType { unicast, blackhole, unreachable };

/// One of several ways that packets may take (ECMP).
struct RouteHop {
  std::optional<Address> via;  // an IPv6 one for an IPv4 destination is fine (RFC 8950)
  int ifindex = 0;             // 0: by `via`
  auto operator<=>(const RouteHop&) const = default;
};

struct Route {
  Prefix destination;
  RouteType type = RouteType::unicast;
  std::optional<Address> via;
  int ifindex = 0;                // 0: none (blackhole, unreachable), or by `via`
  bool onlink = false;            // trust that `via` is on the link although no prefix says so
  std::optional<Address> source;  // preferred source of our own packets
  std::uint32_t table = kMainTable;
  std::uint8_t protocol = kRouteProtocol;
  std::uint32_t metric = 0;    // 0: the family's default
  std::vector<RouteHop> hops;  // sorted; more than one way, then `via` and `ifindex` say nothing
  bool operator==(const Route&) const = default;
  std::string to_string() const;
};

struct RouteFilter {
  std::optional<std::uint32_t> table;
  std::optional<std::uint8_t> protocol;
};

/// A permanent entry of the ARP / NDP table; with `proxy`, an address we answer for.
struct Neighbour {
  int ifindex = 0;
  Address address;
  Mac mac;
  bool proxy = false;
  auto operator<=>(const Neighbour&) const = default;
};

/// A packet filter rule, as far as one can tell whose it is.
struct FilterRule {
  std::uint64_t handle = 0;  // what nftables deletes it by; 0 in a legacy table
  std::string comment;       // of nft or of iptables' match "comment"
  bool operator==(const FilterRule&) const = default;
};

/// A base chain of hook forward. A packet that the node forwards passes all of its family's: an accept ends only the
/// chain that it stands in, a drop ends everything.
struct ForwardChain {
  bool legacy = false;  // of iptables-legacy, whose tables nftables neither shows nor changes
  std::string family;   // "ip", "ip6", "inet"
  std::string table;
  std::string name;
  bool drops = false;  // what no rule accepts: its policy says so, or a rule without conditions
  std::vector<FilterRule> rules;
  bool operator==(const ForwardChain&) const = default;
  std::string to_string() const { return family + " " + table + " " + name; }
};

/// A VXLAN forwarding entry: frames to `mac` go to the tunnel end `remote`.
struct FdbEntry {
  int ifindex = 0;
  Mac mac;
  Address remote;
  auto operator<=>(const FdbEntry&) const = default;
};

}  // namespace weft::netlink
