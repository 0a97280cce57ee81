// How a route of ours looks to one kind of session (RFC 4271 §5, 9.1.3), or why it does not go there.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "bgp/packet/message.h"
#include "bgp/packet/update_builder.h"
#include "bgp/rib/route.h"

namespace weft::bgp {

/// What sessions must have in common to get the same bytes.
struct ExportRules {
  Family family = Family::v4;  // of the prefixes
  bool ibgp = false;
  Asn local_as = 0;
  bool four_octet_asn = false;
  bool extended_message = false;
  /// Put into routes that name none: the session's own address of the prefixes' family, or for IPv4 over RFC 8950 its
  /// IPv6 address. None: such routes are not advertised there.
  std::optional<NextHop> next_hop;
  /// IPv4 prefixes may have an IPv6 next hop: both sides said so (RFC 8950).
  bool v6_next_hop_for_v4 = false;
  /// RFC 8326: GRACEFUL_SHUTDOWN is added to every route, LOCAL_PREF is 0 towards internal peers.
  bool graceful_shutdown = false;
  bool operator==(const ExportRules&) const = default;
};

/// The same, as the codec asks for it.
Context session_context(const ExportRules& rules);

/// Why a route of the set is not sent to a peer.
enum class NotAdvertised : std::uint8_t {
  no_next_hop,          // the session has no local address of that family, and the route names none
  next_hop_family,      // an IPv4 next hop for IPv6, or an IPv6 one for IPv4 that the peer cannot read (RFC 8950)
  attributes_too_long,  // with one prefix they exceed a message (RFC 4271 §9.2)
};
/// The whole sentence, with the mend.
std::string_view to_string(NotAdvertised);

/// A set of attributes as it goes out.
struct Exported {
  PathAttributes path;
  NextHop next_hop;
  EncodedAttributes encoded;
};

/// The path as the peer is told: our ASN and the prepends before it towards external peers, LOCAL_PREF (100 when none
/// is wanted) only towards internal ones, communities as they are: we originate, so NO_ADVERTISE and its like are for
/// the receiver to obey.
std::variant<Exported, NotAdvertised> export_route(const RouteAttributes& attributes, const ExportRules& rules);

}  // namespace weft::bgp
