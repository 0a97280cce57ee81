#include "bgp/fsm/state.h"

namespace weft::bgp {

std::string_view to_string(SessionState s) {
  switch (s) {
    case SessionState::idle: return "idle";
    case SessionState::connect: return "connect";
    case SessionState::active: return "active";
    case SessionState::open_sent: return "open_sent";
    case SessionState::open_confirm: return "open_confirm";
    case SessionState::established: return "established";
  }
  return "unknown";
}

std::string_view to_string(DownReason::Kind k) {
  using Kind = DownReason::Kind;
  switch (k) {
    case Kind::never_up: return "never_up";
    case Kind::held_down: return "held_down";
    case Kind::no_address: return "no_address";
    case Kind::connect_failed: return "connect_failed";
    case Kind::open_rejected: return "open_rejected";
    case Kind::notification_sent: return "notification_sent";
    case Kind::notification_received: return "notification_received";
    case Kind::hold_timer_expired: return "hold_timer_expired";
    case Kind::connection_lost: return "connection_lost";
    case Kind::bfd_down: return "bfd_down";
    case Kind::admin: return "admin";
  }
  return "unknown";
}

}  // namespace weft::bgp
