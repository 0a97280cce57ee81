// The BFD control packet (RFC 5880 §4.1) as a value.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//   |                       My Discriminator                        |
//   |                      Your Discriminator                       |
//   |                    Desired Min TX Interval                    |
//   |                   Required Min RX Interval                    |
//   |                 Required Min Echo RX Interval                 |
//   |   Auth Type   |   Auth Len    |    Authentication Data...     |  if A is set
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bfd/core/state.h"

namespace weft::bfd {

inline constexpr std::size_t kMandatorySize = 24;
/// The longest packet that the Length field can say.
inline constexpr std::size_t kMaxPacketSize = 255;

/// The authentication section as it came: `body` is what follows Auth Len.
struct AuthSection {
  std::uint8_t type = 0;
  std::string body;
  bool operator==(const AuthSection&) const = default;
};

struct ControlPacket {
  Diag diag = Diag::none;
  State state = State::down;
  bool poll = false;
  bool final = false;
  bool control_plane_independent = false;
  bool demand = false;
  std::uint8_t multiplier = 0;
  std::uint32_t my_discriminator = 0;
  std::uint32_t your_discriminator = 0;
  std::chrono::microseconds desired_min_tx{0};
  std::chrono::microseconds required_min_rx{0};
  std::chrono::microseconds required_min_echo_rx{0};
  std::optional<AuthSection> auth;

  bool operator==(const ControlPacket&) const = default;
};

/// Reads a datagram and makes every check of RFC 5880 §6.8.6 that needs no session. Bytes beyond Length are not looked
/// at.
std::expected<ControlPacket, Discard> decode(std::span<const std::uint8_t> datagram);

/// The packet's bytes. The authentication section is written as it stands; see auth.h for signing.
std::vector<std::uint8_t> encode(const ControlPacket&);

}  // namespace weft::bfd
