#pragma once

#include <cstdint>

namespace weft::bgp {

/// LOCAL_PREF of a route that has none. RFC 4271 leaves the number to the AS; this one is what routers commonly use.
inline constexpr std::uint32_t kDefaultLocalPreference = 100;

}  // namespace weft::bgp
