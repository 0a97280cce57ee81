#include "bgp/speaker/ndp.h"

#include <algorithm>

namespace weft::bgp {

namespace {

constexpr std::uint8_t kSolicitation = 133;   // RFC 4861 §4.1
constexpr std::uint8_t kAdvertisement = 134;  // RFC 4861 §4.2
constexpr std::size_t kSolicitationSize = 8;
constexpr std::size_t kAdvertisementSize = 16;
constexpr std::uint8_t kSourceLinkLayer = 1;  // RFC 4861 §4.6.1

// Options are type, length in units of eight octets, value; a length of zero would never end.
bool options_whole(std::span<const std::uint8_t> options) {
  while (!options.empty()) {
    if (options.size() < 2) return false;
    const std::size_t size = options[1] * std::size_t{8};
    if (size == 0 || size > options.size()) return false;
    options = options.subspan(size);
  }
  return true;
}

}  // namespace

std::vector<std::uint8_t> encode(const RouterAdvertisement& a) {
  std::vector<std::uint8_t> out(kAdvertisementSize, 0);
  out[0] = kAdvertisement;
  const auto lifetime = static_cast<std::uint16_t>(std::clamp<std::int64_t>(a.router_lifetime.count(), 0, 65535));
  out[6] = static_cast<std::uint8_t>(lifetime >> 8);
  out[7] = static_cast<std::uint8_t>(lifetime);
  if (a.link_layer) {
    out.push_back(kSourceLinkLayer);
    out.push_back(1);
    out.insert(out.end(), a.link_layer->bytes.begin(), a.link_layer->bytes.end());
  }
  return out;
}

std::vector<std::uint8_t> router_solicitation() {
  std::vector<std::uint8_t> out(kSolicitationSize, 0);
  out[0] = kSolicitation;
  return out;
}

NdpKind classify(std::span<const std::uint8_t> m, const Address& source, int hop_limit) {
  if (hop_limit != kNdpHopLimit || m.size() < kSolicitationSize || m[1] != 0) return NdpKind::other;
  if (m[0] == kSolicitation)
    return options_whole(m.subspan(kSolicitationSize)) ? NdpKind::solicitation : NdpKind::other;
  if (m[0] != kAdvertisement || m.size() < kAdvertisementSize || !source.is_v6() || !source.is_link_local())
    return NdpKind::other;
  return options_whole(m.subspan(kAdvertisementSize)) ? NdpKind::advertisement : NdpKind::other;
}

std::optional<RouterAdvertisement> decode_advertisement(std::span<const std::uint8_t> m) {
  if (m.size() < kAdvertisementSize || m[0] != kAdvertisement || !options_whole(m.subspan(kAdvertisementSize)))
    return std::nullopt;
  RouterAdvertisement a;
  a.router_lifetime = std::chrono::seconds((m[6] << 8) | m[7]);
  for (auto rest = m.subspan(kAdvertisementSize); !rest.empty(); rest = rest.subspan(rest[1] * std::size_t{8})) {
    if (rest[0] != kSourceLinkLayer || rest[1] != 1) continue;
    Mac mac;
    std::copy_n(rest.begin() + 2, mac.bytes.size(), mac.bytes.begin());
    a.link_layer = mac;
  }
  return a;
}

}  // namespace weft::bgp
