#include "bgp/fsm/words.h"

#include <fmt/core.h>

namespace weft::bgp::fsm {
namespace {

std::string cease_mend(std::uint8_t subcode) {
  switch (subcode) {
    case cease::kMaxPrefixes: return "we sent more prefixes than it accepts: advertise fewer, or raise its limit";
    case cease::kAdminShutdown: return "an operator shut the session down there: it has to be enabled on the router";
    case cease::kPeerDeconfigured:
      return "the router no longer has us as a neighbor: configure it there, or remove it here";
    case cease::kAdminReset: return "an operator reset the session there";
    case cease::kConnectionRejected:
      return "it accepts no connection from us now: is this node's address a neighbor there, and enabled?";
    case cease::kConfigurationChange: return "its configuration was changed";
    case cease::kCollision: return "it kept another connection of this session";
    case cease::kOutOfResources: return "it is short of memory or other resources: look at the router";
    case cease::kHardReset: return "it ended the session for good, nothing is kept";
    case cease::kBfdDown:
      return "its BFD session with us is down: is the link up, and is BFD configured on both sides?";
    default: return "";
  }
}

std::string open_mend(const Notification& n, const Open& ours) {
  switch (n.subcode) {
    case open_error::kUnsupportedVersion: return "it does not speak BGP-4";
    case open_error::kBadPeerAs:
      return fmt::format("it does not expect our AS {}: set its remote-as to {}, or localASN to what it expects",
                         ours.asn, ours.asn);
    case open_error::kBadIdentifier:
      return fmt::format("it refuses our router id {}: does the router have the same one? Set routerID",
                         ours.router_id.to_string());
    case open_error::kUnsupportedParameter:
      return "it knows no capabilities (RFC 5492): peer with something newer, or let the router ignore them";
    case open_error::kUnacceptableHoldTime:
      return fmt::format("it refuses our hold time of {} s: set holdTimeSeconds to what it accepts", ours.hold_time);
    case open_error::kUnsupportedCapability:
      return "it insists on something we did not offer: is the same address family activated on both sides?";
    default: return "";
  }
}

std::string mend_of_received(const Notification& n, const Open& ours) {
  switch (n.code) {
    case ErrorCode::open_message: return open_mend(n, ours);
    case ErrorCode::hold_timer_expired:
      return "it heard nothing from us for its hold time: is the node overloaded, or the path lossy?";
    case ErrorCode::cease: return cease_mend(n.subcode);
    case ErrorCode::message_header:
    case ErrorCode::update_message:
    case ErrorCode::route_refresh_message: return "it could not read what we sent: please report this with a capture";
    case ErrorCode::finite_state_machine: return "it got a message that it did not expect in its state";
  }
  return "";
}

/// What decoding an OPEN can end in; the rest is judged, and worded, by negotiate().
std::string cause_of_refused_open(std::uint8_t subcode) {
  switch (subcode) {
    case open_error::kUnsupportedVersion: return "it speaks another version than BGP-4";
    case open_error::kBadPeerAs: return "its AS number is 0 or 23456: give the router an AS number of its own";
    case open_error::kBadIdentifier: return "its router id is 0.0.0.0: give the router a BGP identifier";
    case open_error::kUnsupportedParameter: return "it wants an optional parameter that is not for capabilities";
    case open_error::kUnacceptableHoldTime: return "its hold time is 1 or 2 s: it must be 0 or at least 3 s";
    default: return "its OPEN is malformed";
  }
}

std::string cause_of_sent(const Notification& n) {
  switch (n.code) {
    case ErrorCode::message_header: return "its bytes are no BGP message: is that a BGP speaker?";
    case ErrorCode::open_message: return cause_of_refused_open(n.subcode);
    case ErrorCode::update_message: return "its UPDATE is malformed beyond what RFC 7606 lets pass";
    case ErrorCode::hold_timer_expired: return "nothing was heard from it";
    case ErrorCode::finite_state_machine: return "its message has no place in this state";
    case ErrorCode::route_refresh_message: return "its ROUTE-REFRESH is malformed";
    case ErrorCode::cease: return "";
  }
  return "";
}

std::string with(std::string what, const std::string& more) {
  if (!more.empty()) what += ": " + more;
  return what;
}

}  // namespace

bool is_hard_reset(const Notification& n) { return n.code == ErrorCode::cease && n.subcode == cease::kHardReset; }

std::string explain_received(const Notification& n, const Open& ours) {
  // A Hard Reset carries code, subcode and data of what it is about (RFC 8538 §3.1).
  if (is_hard_reset(n) && n.data.size() >= 2) {
    const Notification inner{static_cast<ErrorCode>(n.data[0]), n.data[1], {n.data.begin() + 2, n.data.end()}};
    if (!is_hard_reset(inner))
      return with("the peer sent a Hard Reset with " + inner.to_string(), mend_of_received(inner, ours));
  }
  return with("the peer sent " + n.to_string(), mend_of_received(n, ours));
}

std::string explain_sent(const Notification& n) { return with("we sent " + n.to_string(), cause_of_sent(n)); }

}  // namespace weft::bgp::fsm
