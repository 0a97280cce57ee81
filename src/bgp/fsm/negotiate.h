// OPEN against OPEN: what we offer, whether theirs is acceptable (RFC 4271 §6.2, 6286, 7607), and what both agree on.
#pragma once

#include <chrono>
#include <expected>
#include <vector>

#include "bgp/fsm/config.h"
#include "bgp/fsm/state.h"
#include "bgp/packet/message.h"

namespace weft::bgp::fsm {

/// What a session that is up works with. Values of one session; a new session negotiates anew.
struct Negotiated {
  Asn peer_as = 0;
  RouterId peer_router_id;
  bool ibgp = false;
  std::vector<AfiSafi> families;        // offered by both, in our order; never empty
  std::chrono::seconds hold{0};         // 0: neither hold timer nor keepalives
  std::chrono::seconds keepalive{0};    // before jitter
  Context receive;                      // to decode what comes; RFC 8654 and 8950 as we offered them
  Context send;                         // to encode what goes; RFC 8654 and 8950 as the peer offered them
  bool route_refresh = false;           // the peer understands requests (RFC 2918)
  bool enhanced_route_refresh = false;  // both do RFC 7313
  /// Both offered graceful restart: whose routes we keep when the session is lost, and who waits for End-of-RIB. As
  /// the peer sent it: `restarting` says that it will wait for ours.
  std::optional<GracefulRestart> peer_restart;
  /// RFC 8538 offered by both: NOTIFICATION and hold timer end the session gracefully, a Hard Reset does not.
  bool notification_restart = false;
  Open ours;
  Open theirs;

  /// Families whose routes we keep for the peer's restart time when the session is lost.
  std::vector<AfiSafi> kept() const;
};

/// The OPEN that `config` sends. `first` says that the session was not up yet in this process: only then do
/// `restarting` and `preserved` count.
Open make_open(const SessionConfig& config, bool first);

/// An OPEN that we refuse: what to send back, and the reason with its mend.
struct OpenRefused {
  Notification notification;
  std::string words;
  bool operator==(const OpenRefused&) const = default;
};

/// Both OPENs of one connection. Without a common family the answer is OPEN error/Unsupported Capability with ours in
/// its data (RFC 5492 §5).
std::expected<Negotiated, OpenRefused> negotiate(const SessionConfig& config, const Open& ours, const Open& theirs);

}  // namespace weft::bgp::fsm
