// The routes that every sender sends: /24s one after the other, each with one of ten sets of attributes in turn, so
// that neighbouring prefixes never share an UPDATE.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace weft::bgpbench {

inline constexpr std::uint32_t kBase = 16u << 24;  // 16.0.0.0
inline constexpr unsigned kSets = 10;
inline constexpr std::uint32_t kSenderAsn = 65002, kReceiverAsn = 65001;

inline std::string route(std::uint32_t n) {
  const std::uint32_t a = kBase + n * 256;
  return fmt::format("{}.{}.{}.0/24", a >> 24, a >> 16 & 255, a >> 8 & 255);
}
/// The two communities of set `k`.
inline std::uint32_t community(unsigned k, unsigned which) { return (65000u + which) << 16 | k; }
inline std::string community_text(unsigned k, unsigned which) { return fmt::format("{}:{}", 65000 + which, k); }

}  // namespace weft::bgpbench
