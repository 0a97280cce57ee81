// What a configured peer means for its state machine, its TCP connection, its output and its BFD session. Pure.
#pragma once

#include <optional>

#include "bgp/fsm/config.h"
#include "bgp/fsm/negotiate.h"
#include "bgp/rib/export.h"
#include "bgp/speaker/edges.h"
#include "bgp/speaker/shared.h"
#include "bgp/speaker/tcp.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

/// `started`: when this process did, which counts when it took over from another.
fsm::SessionConfig session_config(const InstanceConfig& instance, const PeerConfig& peer, const SpeakerOptions& options,
                                  Steady::time_point started);

/// TTL as RFC 4271 sessions have it: 1 for an external peer on the link, as far as `ebgp_multihop` says beyond it, 255
/// and a least value for TTL security (RFC 5082), 255 for internal peers. A peer that may have any ASN counts as
/// external.
TcpOptions tcp_options(const InstanceConfig& instance, const PeerConfig& peer);

/// Internal by configuration, before an OPEN has said so.
bool is_internal(const InstanceConfig& instance, const PeerConfig& peer);
/// No address: whoever advertises itself on the interface.
inline bool is_unnumbered(const PeerConfig& peer) { return !peer.address; }

/// Our addresses on the link to a peer, as next hops are made of them.
struct OwnAddresses {
  Address session;                   // local end of the connection
  std::optional<Address> other;      // of the other family, on the same interface
  std::optional<Address> global_v6;  // of the same interface, when `session` is link-local
  bool operator==(const OwnAddresses&) const = default;
};
ExportRules export_rules(Family family, const InstanceConfig& instance, const PeerConfig& peer,
                         const fsm::Negotiated& negotiated, const OwnAddresses& own);

/// The way to a peer, as the node knows it now.
struct PeerPath {
  std::optional<Address> remote;
  std::optional<Address> local;
  bool on_link = false;  // `remote` is in a network that one of our interfaces has an address of
};
/// None when the peer wants none, or its address is not known yet, or for multihop and with a source interface ours.
std::optional<BfdEdge::Session> bfd_session(const InstanceConfig& instance, const PeerConfig& peer,
                                            const PeerPath& path);

}  // namespace weft::bgp
