#include "bgp/packet/types.h"

#include <fmt/format.h>

namespace weft::bgp {

Result<RouterId> RouterId::parse(std::string_view text) {
  const auto address = Address::parse(text);
  if (!address || !address->is_v4() || address->is_unspecified())
    return fail(
        Errc::invalid,
        fmt::format("\"{}\" is not a router id: write four numbers with dots, not all zero, as 192.0.2.1", text));
  return RouterId{address->to_v4()};
}

std::string RouterId::to_string() const { return Address::v4(value).to_string(); }

std::string AfiSafi::to_string() const {
  if (*this == kIpv4Unicast) return "ipv4/unicast";
  if (*this == kIpv6Unicast) return "ipv6/unicast";
  return fmt::format("afi {}/safi {}", afi, safi);
}

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::igp: return "igp";
    case Origin::egp: return "egp";
    case Origin::incomplete: return "incomplete";
  }
  return "unknown";
}

}  // namespace weft::bgp
