// The small values that every part of BGP speaks in.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/net.h"
#include "base/result.h"

namespace weft::bgp {

/// An autonomous system number, four octets (RFC 6793).
using Asn = std::uint32_t;
/// What stands in a two-octet field for an Asn that does not fit it (RFC 6793 §4.2.2).
inline constexpr Asn kAsTrans = 23456;

/// BGP identifier, host order; valid when not zero (RFC 6286).
struct RouterId {
  std::uint32_t value = 0;
  /// "192.0.2.1".
  static Result<RouterId> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const RouterId&) const = default;
};

/// Address family and subsequent address family (RFC 4760).
struct AfiSafi {
  std::uint16_t afi = 0;
  std::uint8_t safi = 0;
  /// "ipv4/unicast", "afi 25/safi 65" for what has no name here.
  std::string to_string() const;
  auto operator<=>(const AfiSafi&) const = default;
};
inline constexpr AfiSafi kIpv4Unicast{1, 1};
inline constexpr AfiSafi kIpv6Unicast{2, 1};
constexpr AfiSafi unicast(Family f) { return f == Family::v4 ? kIpv4Unicast : kIpv6Unicast; }
/// The family of kIpv4Unicast or kIpv6Unicast; none for all others.
constexpr std::optional<Family> family_of(AfiSafi a) {
  if (a == kIpv4Unicast) return Family::v4;
  if (a == kIpv6Unicast) return Family::v6;
  return std::nullopt;
}

/// RFC 4271 §5.1.1.
enum class Origin : std::uint8_t { igp = 0, egp = 1, incomplete = 2 };
std::string_view to_string(Origin);  // "igp", "egp", "incomplete"

/// RFC 1997: the AS number or 65535 in the upper half.
using Community = std::uint32_t;
/// Named ones (RFC 1997, 3765, 7999, 8326).
inline constexpr Community kGracefulShutdown = 0xffff0000;
inline constexpr Community kLlgrStale = 0xffff0006;
inline constexpr Community kBlackhole = 0xffff029a;
inline constexpr Community kNoExport = 0xffffff01;
inline constexpr Community kNoAdvertise = 0xffffff02;
inline constexpr Community kNoExportSubconfed = 0xffffff03;
inline constexpr Community kNoPeer = 0xffffff04;

/// RFC 4360, as the eight octets on the wire, first octet uppermost.
using ExtendedCommunity = std::uint64_t;

/// RFC 8092.
struct LargeCommunity {
  std::uint32_t global = 0;
  std::uint32_t local1 = 0;
  std::uint32_t local2 = 0;
  auto operator<=>(const LargeCommunity&) const = default;
};

/// "65000:100" or a decimal 32-bit number; "1:2:3"; the printed forms are "65000:100" and "1:2:3".
Result<Community> parse_community(std::string_view text);
Result<LargeCommunity> parse_large_community(std::string_view text);
/// "rt:65000:1", "soo:192.0.2.1:7", or "0x" and sixteen hexadecimal digits.
Result<ExtendedCommunity> parse_extended_community(std::string_view text);
std::string community_text(Community c);
std::string to_string(const LargeCommunity& c);
std::string extended_community_text(ExtendedCommunity c);

}  // namespace weft::bgp
