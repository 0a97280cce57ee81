// What happens to a session and what it wants done: the whole language between the state machine and its runner.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "bgp/fsm/config.h"
#include "bgp/fsm/negotiate.h"
#include "bgp/fsm/state.h"
#include "bgp/packet/message.h"

namespace weft::bgp::fsm {

/// The runner's number of one TCP connection, never used twice for a session.
using ConnectionId = std::uint64_t;

/// A timer runs once. Setting one that runs replaces its time; there is one of each, and one a connection of the last
/// three.
struct Timer {
  enum class Kind : std::uint8_t {
    connect_retry,  // to the next attempt, or how long the present one may take
    idle_hold,      // damping, or the time after too many prefixes
    path,           // until a session comes up although BFD still says that the path is dead
    restart,        // helper: until the peer must be back (its restart time)
    stale,          // helper: until a peer that came back must have said End-of-RIB
    hold,           // of `connection`
    keepalive,      // of `connection`
    refresh,        // of `connection`: until the peer must have ended the refresh that it began
  };
  Kind kind = Kind::connect_retry;
  ConnectionId connection = 0;  // of hold, keepalive and refresh, otherwise 0
  auto operator<=>(const Timer&) const = default;
};
std::string_view to_string(Timer::Kind);

/// Events. Those that name a connection which the session has closed, or never knew, change nothing.
namespace event {

/// The session may come up. Ends a wait of damping. Without effect while it runs; held down it stays idle.
struct Start {};

/// Ends the session and keeps it idle until Start. With `cease` the peer is told and nothing is kept on either side:
/// where RFC 8538 was agreed on it travels as a Hard Reset. Without it the connections are closed in silence, so that a
/// peer with graceful restart keeps our routes (we are about to restart), and `Down` keeps the peer's routes likewise,
/// with no timer behind them.
struct Stop {
  std::optional<Notification> cease;
  std::string words;  // "the peer was removed from CiliumBGPClusterConfig rack-bgp"
};

/// Ends the session and lets it come up again: a limit on prefixes (Cease/1), a reset that an operator asked for, a
/// new password. Cease/1 to 3 and 10 travel as a Hard Reset where RFC 8538 was agreed on (its §5.1); any other lets
/// both sides keep routes then. `idle`: how long it stays idle first; none: it tries again at once.
struct Reset {
  Notification cease;
  std::string words;
  std::optional<std::chrono::seconds> idle;
};

/// Takes the place of the configuration. Resets the session by Cease/6 when needs_reset() says so, or `reset` does
/// (what TCP carries has changed); stops it when it is held down now, starts it when it was.
struct ConfigChanged {
  SessionConfig config;
  bool reset = false;
  std::string words;  // what changed; may be empty
};

/// A TCP connection is up: ours (`outgoing`, the answer to action Connect) or the peer's.
struct Connected {
  ConnectionId connection = 0;
  bool outgoing = false;
};
/// The attempt of action Connect ended without a connection. `kind` is connect_failed or no_address.
struct ConnectFailed {
  DownReason::Kind kind = DownReason::Kind::connect_failed;
  std::string words;  // "connection refused by 10.0.0.1:179"
};
/// Something changed that makes an attempt worthwhile now (a neighbour appeared on the link, a route came). Connects
/// at once where the session waits for its next attempt.
struct Reachable {};

/// A whole message, in the order of the connection. Hand UPDATEs over here too: they keep the hold timer happy.
struct Received {
  ConnectionId connection = 0;
  Message message;
};
/// Bytes that are no message (bgp::decode, message_length): the NOTIFICATION is sent and the connection ends.
struct ReceiveError {
  ConnectionId connection = 0;
  Notification notification;
};
/// TCP has ended without us.
struct Closed {
  ConnectionId connection = 0;
  std::string words;  // "connection reset by peer"
};

/// A timer that was set has run out. One that was cleared or replaced meanwhile does no harm.
struct TimerFired {
  Timer timer;
};

/// BFD has found the path to the peer dead. `control_plane_independent` is the C bit of the peer's last packet (RFC
/// 5880 §4.1): set, the forwarding plane is dead and nothing is kept; clear, with graceful restart agreed on, it may
/// be a restart of the peer's control plane, and its routes are kept as for one; a restart that is under way already
/// is not disturbed (RFC 5882 §4.3.2). Where it is no restart, the session is idle until BfdClear, or for
/// SessionConfig::bfd_hold at most.
struct BfdDown {
  bool control_plane_independent = false;
  std::string words;  // "control detection time expired"
};
/// BFD does not say so any more: the path is back, or BFD was disabled on either side. Connects at once.
struct BfdClear {};

}  // namespace event

using Event = std::variant<event::Start, event::Stop, event::Reset, event::ConfigChanged, event::Connected,
                           event::ConnectFailed, event::Reachable, event::Received, event::ReceiveError, event::Closed,
                           event::TimerFired, event::BfdDown, event::BfdClear>;

/// Actions, to be done in order and before the next event.
namespace action {

/// Open a TCP connection and answer with Connected{outgoing} or ConnectFailed. There is one attempt at a time.
struct Connect {};
/// Forget the attempt of Connect. A Connected that crosses this on its way is closed by the session.
struct AbandonConnect {};
/// Until Established, encode with the default Context; a NOTIFICATION never needs another.
struct Send {
  ConnectionId connection = 0;
  Message message;
};
/// Close after what was sent has gone out (with a deadline: the peer may not read). Nothing about this connection is
/// heard from the session afterwards.
struct Close {
  ConnectionId connection = 0;
};
struct SetTimer {
  Timer timer;
  Duration after{};
};
struct ClearTimer {
  Timer timer;
};
/// The session is up on this connection: decode with `negotiated.receive` from here on, and send routes. Families that
/// are in stale() of the session still hold the peer's routes from before.
struct Established {
  ConnectionId connection = 0;
  Negotiated negotiated;
};
/// The session was up and is not. Routes of the peer in families of `retain` stay, marked stale, until FlushStale;
/// all others go now.
struct Down {
  DownReason reason;
  std::vector<AfiSafi> retain;
  std::chrono::seconds restart_time{0};  // the peer's promise; 0 when nothing is kept
};
/// An attempt that did not get as far as Established came to an end. For logs and status.
struct AttemptFailed {
  DownReason reason;
};
/// Routes of an established session. Never with `end_of_rib` set.
struct Deliver {
  Update update;
};
/// The peer has sent all it had (RFC 4724 §2).
struct EndOfRib {
  AfiSafi family;
};
/// Drop the peer's routes of this family that are still marked stale.
struct FlushStale {
  AfiSafi family;
  std::string words;        // why
  bool of_refresh = false;  // those since the peer's BoRR; otherwise those of its restart
};
/// The peer asks for our routes again, or says where its refresh begins and ends (RFC 7313). Only for a family of the
/// session, and only what was negotiated.
struct Refresh {
  AfiSafi family;
  RouteRefresh::Subtype subtype = RouteRefresh::Subtype::request;
};
/// The peer said something that is to be ignored, and logged.
struct Ignored {
  std::string words;
};

}  // namespace action

using Action = std::variant<action::Connect, action::AbandonConnect, action::Send, action::Close, action::SetTimer,
                            action::ClearTimer, action::Established, action::Down, action::AttemptFailed,
                            action::Deliver, action::EndOfRib, action::FlushStale, action::Refresh, action::Ignored>;
using Actions = std::vector<Action>;

}  // namespace weft::bgp::fsm
