// The words that BFD puts on the wire and people read: states, diagnostics, and why a packet was discarded.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft::bfd {

/// RFC 5880 §4.1, field Sta.
enum class State : std::uint8_t { admin_down = 0, down = 1, init = 2, up = 3 };
std::string_view to_string(State);  // "AdminDown", "Down", "Init", "Up"

/// RFC 5880 §4.1, field Diag: why the sender's session last left Up. Values 9 to 31 are reserved and kept as they are.
enum class Diag : std::uint8_t {
  none = 0,
  detection_expired = 1,
  echo_failed = 2,
  neighbor_down = 3,
  forwarding_reset = 4,
  path_down = 5,
  concatenated_path_down = 6,
  admin_down = 7,
  reverse_concatenated_path_down = 8,
};
std::string_view to_string(Diag);  // in words: "control detection time expired"

/// Why a received packet was discarded, in the order of RFC 5880 §6.8.6; GTSM (RFC 5881 §5) comes first.
enum class Discard : std::uint8_t {
  ttl,                    // TTL or hop limit below what the session allows: it came from further away
  too_short,              // fewer bytes than the mandatory section
  version,                // not version 1
  length,                 // Length below 24 (26 with authentication), or beyond the datagram
  zero_multiplier,        // Detect Mult 0
  multipoint,             // M set
  zero_my_discriminator,  // My Discriminator 0
  your_discriminator,     // Your Discriminator names no session of ours
  zero_your_state,        // Your Discriminator 0 in a packet that says Init or Up
  no_session,             // Your Discriminator 0 from somebody we have no session with
  auth_unexpected,        // authenticated, and the session has no key
  auth_missing,           // not authenticated, and the session has a key
  auth_type,              // another authentication type than the session's
  auth_key_id,            // another key id than the session's
  auth_length,            // Auth Len is not the type's
  auth_sequence,          // sequence number outside the window: replayed, or far too many lost
  auth_digest,            // the digest is not the key's
  session_admin_down,     // our session is administratively down
  count_                  // how many there are
};
inline constexpr std::size_t kDiscards = static_cast<std::size_t>(Discard::count_);
std::string_view to_string(Discard);  // "ttl", "too_short" …: for metrics and JSON

/// Discarded packets by reason.
struct DiscardCounts {
  std::array<std::uint64_t, kDiscards> by_reason{};
  std::uint64_t& operator[](Discard d) { return by_reason[static_cast<std::size_t>(d)]; }
  std::uint64_t operator[](Discard d) const { return by_reason[static_cast<std::size_t>(d)]; }
  std::uint64_t total() const;
  bool operator==(const DiscardCounts&) const = default;
};

}  // namespace weft::bfd
