// What the state machine of one peer has to know. Nothing here is about TCP: addresses, ports, passwords and hop
// limits belong to whoever opens connections.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bgp/packet/types.h"

namespace weft::bgp {

/// Which ASN the other side may have.
struct PeerAs {
  enum class Kind : std::uint8_t { exact, any, external, internal };  // external: any but ours; internal: ours
  Kind kind = Kind::any;
  Asn asn = 0;  // of `exact`
  auto operator<=>(const PeerAs&) const = default;
};

/// RFC 4724; `notification` offers RFC 8538 as well.
struct GracefulRestartConfig {
  std::chrono::seconds restart_time{120};  // what we promise to be back in, at most 4095 s
  bool notification = true;
  bool operator==(const GracefulRestartConfig&) const = default;
};

namespace fsm {

/// DampPeerOscillations (RFC 4271 §8.1.1): how long a session that keeps falling waits. One that stood for
/// `forgive_after` tries again at once when it falls; after that the wait doubles from `first` to `max`, jittered
/// between 0.75 and 1. It is idle and refuses connections for `refuse` of that at most, then it listens: a peer that
/// was mended and connects is not turned away for minutes.
struct Damping {
  std::chrono::seconds first{1};
  std::chrono::seconds max{120};
  std::chrono::seconds refuse{10};
  std::chrono::seconds forgive_after{60};
  bool operator==(const Damping&) const = default;
};

/// How long BFD alone keeps a session from coming up again whose path it saw fail. Then the peer may be one that begins
/// BFD only when BGP is up, as FRR's dynamic neighbors are, or does no BFD any more (RFC 5882 §4.1: such a peer is not
/// to be kept out). Long enough for BFD to come back first where the peer goes on with it, which takes it a second or
/// two; doubled with each failure of a path in a row, up to `max`, until a session stood for Damping::forgive_after: a
/// path on which TCP passes now and then is not to carry routes meanwhile.
struct BfdHold {
  std::chrono::seconds first{2};
  std::chrono::seconds max{30};
  bool operator==(const BfdHold&) const = default;
};

struct SessionConfig {
  Asn local_as = 0;
  RouterId router_id;
  PeerAs remote_as;
  std::chrono::seconds hold_time{90};  // offered: 0 (none) or 3..65535; the smaller of both offers counts
  std::chrono::seconds keepalive{30};  // at most a third of the hold time that was agreed on
  /// Between attempts to connect: a random time between this and its double. The first attempts of a series come
  /// sooner: `first_retry`, doubled each time, with the same jitter, so that a router that restarts is met within its
  /// restart time. first_retry >= connect_retry: no such series.
  std::chrono::seconds connect_retry{120};
  std::chrono::milliseconds first_retry{1000};
  Damping damping;
  bool passive = false;   // never connect, wait for the peer to
  std::string held_down;  // not empty: no session, and this is why, in words for people
  std::vector<AfiSafi> families{kIpv4Unicast, kIpv6Unicast};
  bool extended_next_hop = false;  // offer RFC 8950: IPv4 routes with IPv6 next hops
  std::string host_name;           // not empty: offer the FQDN capability
  /// Set: both roles of graceful restart (RFC 4724), restarting and helping.
  std::optional<GracefulRestartConfig> graceful_restart;
  /// This process took over from one that had sessions: the R bit of the OPENs until the session was up once.
  bool restarting = false;
  /// When what `restarting` and `preserved` say ends: by then the run before us had promised to be back, and no peer
  /// keeps its routes any more.
  Steady::time_point restart_over = Steady::time_point::max();
  /// Families whose forwarding state outlived that: their F bits until then. Afterwards every family has it, since
  /// only a lost session stands behind a later OPEN, not a lost datapath.
  std::vector<AfiSafi> preserved;
  BfdHold bfd_hold;
  /// How long routes of a peer that came back stay stale until it says End-of-RIB (RFC 4724 §4.2, upper bound), and
  /// those of one that began a refresh, until it says that it has ended it (RFC 7313 §4).
  std::chrono::seconds stale_time{360};
  bool operator==(const SessionConfig&) const = default;
};

/// Whether a change of configuration needs a new session: what OPEN carries or judges, and the timers that it agrees
/// on. Retry times, damping, stale time and passive change on the running session.
bool needs_reset(const SessionConfig& from, const SessionConfig& to);

}  // namespace fsm
}  // namespace weft::bgp
