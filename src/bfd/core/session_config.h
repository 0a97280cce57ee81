// What somebody wants of BFD: one value a session. See session_status.h for what comes of it.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "base/net.h"
#include "base/result.h"

namespace weft::bfd {

/// single: RFC 5881, the neighbour on the link, UDP port 3784. multi: RFC 5883, any distance, UDP port 4784.
enum class Hops : std::uint8_t { single, multi };
std::string_view to_string(Hops);  // "single", "multi"

/// Which session. Two users that ask for the same key, or for keys that differ only in what one of them leaves open,
/// share one session.
struct SessionKey {
  Address peer;
  /// Our address. Empty: the one that the route to the peer gives. Required for Hops::multi, where sessions are told
  /// apart by both addresses (RFC 5883 §4).
  std::optional<Address> local;
  /// The link, by interface name. Required for link-local peers, not possible with Hops::multi. Empty: by route.
  std::string interface;
  Hops hops = Hops::single;

  auto operator<=>(const SessionKey&) const = default;
  /// "fe80::1%eth0", "10.0.0.1 from 10.0.0.2 multihop".
  std::string to_string() const;
};

/// Keyed SHA1 (RFC 5880 §6.7.4): every packet carries a sequence number and a digest with the key.
struct AuthKey {
  std::uint8_t id = 1;
  std::string secret;  // 1 to 20 bytes
  /// A fresh sequence number for every packet, so that none can be replayed. Both sides must say the same.
  bool meticulous = true;
  bool operator==(const AuthKey&) const = default;
};

inline constexpr std::chrono::microseconds kMinInterval = std::chrono::milliseconds(10);
inline constexpr std::chrono::microseconds kMaxInterval = std::chrono::seconds(60);

struct SessionConfig {
  SessionKey key;
  /// Desired Min TX and Required Min RX Interval while Up: 10 ms to 60 s. Until Up, nobody sends faster than 1 s.
  std::chrono::microseconds min_tx = std::chrono::milliseconds(300);
  std::chrono::microseconds min_rx = std::chrono::milliseconds(300);
  /// The peer takes the session down after this many of our packets are missing: 1 to 255.
  std::uint8_t multiplier = 3;
  std::optional<AuthKey> auth;
  /// Multihop only: packets that arrive with a lower TTL or hop limit are discarded; 255 means not a single router may
  /// be in between. Single hop is always 255 (RFC 5881 §5).
  std::uint8_t min_ttl = 1;
  /// Multihop only: do not send before the peer does (RFC 5880 §6.1).
  bool passive = false;
  /// Keep the session, but say AdminDown to the peer: its users shall not take this for a failure (RFC 5882 §3.2).
  bool admin_down = false;

  bool operator==(const SessionConfig&) const = default;
};

/// Everything that the ranges and rules above ask for. Errors name session, field, value and mend.
Result<> validate(const SessionConfig&);

}  // namespace weft::bfd
