// What the speaker shall do, whole: instances, their peers, and sets of routes. The speaker compares it with what is
// and does the difference; it never needs to know why somebody wants it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bgp/fsm/config.h"
#include "bgp/packet/types.h"
#include "bgp/rib/import_policy.h"
#include "bgp/rib/route_set.h"

namespace weft::bgp {

/// BFD to this peer.
struct PeerBfd {
  std::chrono::milliseconds transmit{300};
  std::chrono::milliseconds receive{300};
  std::uint8_t multiplier = 3;
  std::optional<std::string> sha1_key;  // meticulous keyed SHA1 (RFC 5880 §6.7.4)
  std::uint8_t sha1_key_id = 1;
  /// RFC 5883 (true) or RFC 5881 (false), which both ends must take alike; none: as the path to the peer is.
  std::optional<bool> multihop;
  /// Of multihop: packets that arrive with less are discarded (1 to 254). None: what `ttl_security` of the peer leaves.
  std::optional<std::uint8_t> minimum_ttl;
  bool operator==(const PeerBfd&) const = default;
};

/// Nobody's table is that long; what a peer without a limit may cost has one all the same.
inline constexpr std::size_t kMostReceived = 4'000'000;

/// How we meet one peer. Another address, interface, local address or source interface makes it another peer, and the
/// old one is told that it is removed. Changing what OPEN or the TCP connection carries besides resets that session
/// alone; everything else is changed on the running session.
struct PeerConfig {
  std::string name;                // unique in the instance
  std::optional<Address> address;  // none: unnumbered, the router that advertises itself on `interface` (RFC 4861)
  std::string interface;           // of an unnumbered or link-local peer
  Port port = 179;
  PeerAs remote_as;
  std::optional<Address> local_address;
  std::string source_interface;         // its address of the peer's family, if it has one, is used as the local one
  std::optional<std::string> password;  // TCP MD5 (RFC 2385)
  std::string held_down;                // not empty: no session, and this is why ("Secret kube-system/x is missing")
  bool held_for_now = false;            // `held_down` is about to end: what it waits for is being read
  std::chrono::seconds connect_retry{120};
  std::chrono::seconds hold_time{90};
  std::chrono::seconds keepalive{30};
  std::uint8_t ebgp_multihop = 1;            // TTL of an external session that is more than one hop away
  std::optional<std::uint8_t> ttl_security;  // RFC 5082: the peer is at most so many hops away
  bool passive = false;                      // wait for the peer to connect
  std::optional<GracefulRestartConfig> graceful_restart;
  std::optional<PeerBfd> bfd;
  std::vector<AfiSafi> families{kIpv4Unicast, kIpv6Unicast};
  bool extended_next_hop = false;  // offer RFC 8950; an unnumbered peer always does
  std::size_t max_received = 0;    // prefixes a family; beyond it the session ends (Cease/1); 0: kMostReceived
  std::optional<ImportPolicy> import;
  std::map<AfiSafi, std::string> routes;  // which RouteSet of the instance goes out, by family; none: nothing
  /// RFC 8326: every route carries GRACEFUL_SHUTDOWN, and LOCAL_PREF 0 towards internal peers.
  bool graceful_shutdown = false;
  bool operator==(const PeerConfig&) const = default;
};

/// How many prefixes of one family the peer may send.
inline std::size_t received_limit(const PeerConfig& p) { return p.max_received == 0 ? kMostReceived : p.max_received; }

/// One speaker of ours with an ASN and a router id.
struct InstanceConfig {
  std::string name;
  Asn local_as = 0;
  RouterId router_id;
  std::optional<Port> listen_port;        // none: only outgoing connections
  std::vector<Address> listen_addresses;  // none: every address
  std::vector<PeerConfig> peers;
  bool operator==(const InstanceConfig&) const = default;
};

/// Everything, at one moment. Copies of a RouteSet share its routes: keep yours, change it, hand a copy; only what
/// differs from the last one is looked at.
struct Wanted {
  struct Instance {
    InstanceConfig config;
    std::map<std::string, RouteSet> route_sets;
    /// Aggregates that are advertised: the kernel discards what no longer prefix of this node takes.
    std::vector<Prefix> blackholes;
  };
  std::map<std::string, Instance> instances;
  /// False while a source of routes has not delivered its first list: End-of-RIB waits for it (RFC 4724 §4.1), and
  /// nothing is withdrawn that peers kept for us.
  bool complete = false;
};

}  // namespace weft::bgp
