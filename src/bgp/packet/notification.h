// NOTIFICATION: why a session ends (RFC 4271 §4.5, 4486, 7313, 8538, 9003), as a value that knows its words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::bgp {

enum class ErrorCode : std::uint8_t {
  message_header = 1,
  open_message = 2,
  update_message = 3,
  hold_timer_expired = 4,
  finite_state_machine = 5,
  cease = 6,
  route_refresh_message = 7,  // RFC 7313
};

namespace header_error {
inline constexpr std::uint8_t kNotSynchronized = 1, kBadLength = 2, kBadType = 3;
}
namespace open_error {
inline constexpr std::uint8_t kUnsupportedVersion = 1, kBadPeerAs = 2, kBadIdentifier = 3, kUnsupportedParameter = 4,
                              kUnacceptableHoldTime = 6, kUnsupportedCapability = 7;
}
namespace update_error {
inline constexpr std::uint8_t kMalformedAttributes = 1, kUnrecognizedWellKnown = 2, kMissingWellKnown = 3,
                              kAttributeFlags = 4, kAttributeLength = 5, kInvalidOrigin = 6, kInvalidNextHop = 8,
                              kOptionalAttribute = 9, kInvalidNetwork = 10, kMalformedAsPath = 11;
}
/// RFC 6608.
namespace fsm_error {
inline constexpr std::uint8_t kInOpenSent = 1, kInOpenConfirm = 2, kInEstablished = 3;
}
/// RFC 4486, 8538, 9384.
namespace cease {
inline constexpr std::uint8_t kMaxPrefixes = 1, kAdminShutdown = 2, kPeerDeconfigured = 3, kAdminReset = 4,
                              kConnectionRejected = 5, kConfigurationChange = 6, kCollision = 7, kOutOfResources = 8,
                              kHardReset = 9, kBfdDown = 10;
}

struct Notification {
  ErrorCode code = ErrorCode::cease;
  std::uint8_t subcode = 0;
  std::vector<std::uint8_t> data;

  /// RFC 9003: a text of at most 255 octets of UTF-8, cut at a character; for the subcodes 2 and 4 of Cease.
  static Notification shutdown(std::uint8_t subcode, std::string_view text);
  /// RFC 8538 §3.1: a Hard Reset that carries `inner`.
  static Notification hard_reset(const Notification& inner);
  /// What a Hard Reset carries; none of any other notification or when it carries nothing.
  std::optional<Notification> inner() const;
  /// The text of RFC 9003, also inside a Hard Reset; control characters and what is not UTF-8 are escaped ("\\x1b").
  /// Empty when there is none.
  std::string shutdown_text() const;
  /// "Cease/Administrative Shutdown: \"maintenance\"", for people.
  std::string to_string() const;
  bool operator==(const Notification&) const = default;
};

}  // namespace weft::bgp
