// Router solicitations and advertisements (RFC 4861 §4.1, §4.2), as far as unnumbered peers need them: who is the
// router behind this interface? Bytes and values; the sockets are in router_discovery.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/net.h"

namespace weft::bgp {

struct RouterAdvertisement {
  std::chrono::seconds router_lifetime{0};  // 0: not to be used as a default router
  std::optional<Mac> link_layer;            // source link-layer address option
  bool operator==(const RouterAdvertisement&) const = default;
};

/// The ICMPv6 message without its checksum, which the kernel fills in.
std::vector<std::uint8_t> encode(const RouterAdvertisement& advertisement);
std::vector<std::uint8_t> router_solicitation();

/// What all these messages are sent with: nothing that a router forwarded (RFC 4861 §6.1).
inline constexpr int kNdpHopLimit = 255;

enum class NdpKind : std::uint8_t { other, solicitation, advertisement };
/// What RFC 4861 §6.1 lets pass: hop limit 255, code 0, whole, options of a length that is not zero; and, for an
/// advertisement, from a link-local source.
NdpKind classify(std::span<const std::uint8_t> message, const Address& source, int hop_limit);
/// Of a message that classify() called an advertisement.
std::optional<RouterAdvertisement> decode_advertisement(std::span<const std::uint8_t> message);

}  // namespace weft::bgp
