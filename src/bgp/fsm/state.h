// Where a session stands and why it is not up: the words that the state machine, status and metrics share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "bgp/packet/notification.h"

namespace weft::bgp {

/// RFC 4271 §8.2.2.
enum class SessionState : std::uint8_t { idle, connect, active, open_sent, open_confirm, established };
std::string_view to_string(SessionState);  // "idle", "open_sent", … as the status field peeringState has them

/// Why a session is not up, or went down last.
struct DownReason {
  enum class Kind : std::uint8_t {
    never_up,        // not yet tried
    held_down,       // by configuration: a missing password
    no_address,      // nobody advertises itself on the interface; no route or source address to the peer
    connect_failed,  // TCP: refused, unreachable, timed out (a wrong MD5 password looks like a time-out)
    open_rejected,   // we refused their OPEN
    notification_sent,
    notification_received,
    hold_timer_expired,
    connection_lost,  // TCP closed or reset
    bfd_down,
    admin,  // we ended it: removed, changed, or stopped
  };
  Kind kind = Kind::never_up;
  std::optional<Notification> notification;  // sent or received
  std::string words;                         // the whole reason in a sentence, with the mend where there is one
  Wall::time_point at{};                     // when; the state machine has no wall clock and leaves it to its caller
  bool operator==(const DownReason&) const = default;
};
std::string_view to_string(DownReason::Kind);  // "never_up", "held_down", …

}  // namespace weft::bgp
