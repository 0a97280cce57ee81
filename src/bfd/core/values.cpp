#include <fmt/format.h>

#include <numeric>

#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"
#include "bfd/core/state.h"

namespace weft::bfd {

std::string_view to_string(State s) {
  switch (s) {
    case State::admin_down: return "AdminDown";
    case State::down: return "Down";
    case State::init: return "Init";
    case State::up: return "Up";
  }
  return "?";
}

std::string_view to_string(Diag d) {
  switch (d) {
    case Diag::none: return "no diagnostic";
    case Diag::detection_expired: return "control detection time expired";
    case Diag::echo_failed: return "echo function failed";
    case Diag::neighbor_down: return "neighbor signaled session down";
    case Diag::forwarding_reset: return "forwarding plane reset";
    case Diag::path_down: return "path down";
    case Diag::concatenated_path_down: return "concatenated path down";
    case Diag::admin_down: return "administratively down";
    case Diag::reverse_concatenated_path_down: return "reverse concatenated path down";
  }
  return "reserved diagnostic";
}

std::string_view to_string(Discard d) {
  switch (d) {
    case Discard::ttl: return "ttl";
    case Discard::too_short: return "too_short";
    case Discard::version: return "version";
    case Discard::length: return "length";
    case Discard::zero_multiplier: return "zero_multiplier";
    case Discard::multipoint: return "multipoint";
    case Discard::zero_my_discriminator: return "zero_my_discriminator";
    case Discard::your_discriminator: return "your_discriminator";
    case Discard::zero_your_state: return "zero_your_state";
    case Discard::no_session: return "no_session";
    case Discard::auth_unexpected: return "auth_unexpected";
    case Discard::auth_missing: return "auth_missing";
    case Discard::auth_type: return "auth_type";
    case Discard::auth_key_id: return "auth_key_id";
    case Discard::auth_length: return "auth_length";
    case Discard::auth_sequence: return "auth_sequence";
    case Discard::auth_digest: return "auth_digest";
    case Discard::session_admin_down: return "session_admin_down";
    case Discard::count_: break;
  }
  return "?";
}

std::uint64_t DiscardCounts::total() const {
  return std::accumulate(by_reason.begin(), by_reason.end(), std::uint64_t{0});
}

std::string_view to_string(Hops h) { return h == Hops::single ? "single" : "multi"; }

std::string_view to_string(DownReason r) {
  switch (r) {
    case DownReason::none: return "none";
    case DownReason::no_answer: return "no_answer";
    case DownReason::detection_expired: return "detection_expired";
    case DownReason::peer_down: return "peer_down";
    case DownReason::peer_admin_down: return "peer_admin_down";
    case DownReason::admin_down: return "admin_down";
    case DownReason::refused: return "refused";
  }
  return "?";
}

std::string SessionKey::to_string() const {
  std::string out = peer.to_string();
  if (!interface.empty()) out += "%" + interface;
  if (local) out += " from " + local->to_string();
  if (hops == Hops::multi) out += " multihop";
  return out;
}

namespace {

std::unexpected<Error> refuse(const SessionConfig& c, std::string_view what) {
  return fail(Errc::invalid, fmt::format("BFD session {}: {}", c.key.to_string(), what));
}

Result<> validate_interval(const SessionConfig& c, std::string_view field, std::chrono::microseconds value) {
  if (value >= kMinInterval && value <= kMaxInterval) return {};
  return refuse(c, fmt::format("{} {} us is out of range: use 10 ms to 60 s", field, value.count()));
}

Result<> validate_key(const SessionConfig& c) {
  const auto& k = c.key;
  if (k.peer.is_unspecified() || k.peer.is_multicast())
    return refuse(c, fmt::format("peer {} is not a unicast address: name the peer's own", k.peer.to_string()));
  if (k.local && k.local->family() != k.peer.family())
    return refuse(c, fmt::format("local {} is of another family than the peer: give both the same, or leave local out",
                                 k.local->to_string()));
  if (k.local && (k.local->is_unspecified() || k.local->is_multicast()))
    return refuse(
        c, fmt::format("local {} is not a unicast address: name one of ours, or leave it out", k.local->to_string()));
  if (k.interface.size() > 15)
    return refuse(c,
                  fmt::format("interface {} is too long: the kernel's names have at most 15 characters", k.interface));
  if (k.hops == Hops::multi) {
    if (!k.local) return refuse(c, "local is missing: a multihop session is known by both addresses, so name ours");
    if (!k.interface.empty())
      return refuse(c, fmt::format("interface {} with multihop: leave it out, routing decides", k.interface));
    if (k.peer.is_link_local()) return refuse(c, "a link-local peer is never several hops away: use single hop");
    return {};
  }
  if (k.peer.is_v6() && k.peer.is_link_local() && k.interface.empty())
    return refuse(c, "interface is missing: a link-local address means nothing without its link");
  if (c.passive) return refuse(c, "passive with single hop: both sides must be active (RFC 5881 section 3)");
  return {};
}

}  // namespace

Result<> validate(const SessionConfig& c) {
  WEFT_TRY(validate_key(c));
  WEFT_TRY(validate_interval(c, "min_tx", c.min_tx));
  WEFT_TRY(validate_interval(c, "min_rx", c.min_rx));
  if (c.multiplier == 0) return refuse(c, "multiplier 0 is not possible: use 1 to 255");
  if (c.min_ttl == 0) return refuse(c, "min_ttl 0 is not possible: use 1 (any distance) to 255");
  if (c.auth && (c.auth->secret.empty() || c.auth->secret.size() > 20))
    return refuse(c,
                  fmt::format("a secret of {} bytes cannot be a SHA1 key: use 1 to 20 bytes", c.auth->secret.size()));
  return {};
}

bool path_failed(const SessionStatus& s) {
  return s.known && s.state != State::up && s.counters.times_down > 0 &&
         (s.down_reason == DownReason::detection_expired || s.down_reason == DownReason::peer_down);
}

}  // namespace weft::bfd
