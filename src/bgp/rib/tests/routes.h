// Short words for tests of the rib.
#pragma once

#include <string>

#include "bgp/rib/route.h"

namespace weft::bgp::test {

/// Under a sanitizer large tables take a minute and prove no more about time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }
inline Address address(const std::string& text) { return Address::parse(text).value(); }
inline NextHop via(const std::string& text) { return {address(text), std::nullopt}; }

inline RouteAttributes with_med(std::uint32_t med) {
  RouteAttributes a;
  a.path.med = med;
  return a;
}
inline RouteAttributes with_path(std::vector<Asn> asns) {
  RouteAttributes a;
  a.path.as_path.segments = {{AsPathSegment::Type::sequence, std::move(asns)}};
  return a;
}
inline Route route(const std::string& text, std::uint32_t med = 0) { return {prefix(text), with_med(med)}; }

}  // namespace weft::bgp::test
