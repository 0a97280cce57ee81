// BGP messages as values and their codec (RFC 4271 §4). Encoding and decoding need to know what the session has agreed
// on: Context. A decoder never reads past its input, never throws, and tells what to answer the peer.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bgp/packet/attributes.h"
#include "bgp/packet/capability.h"
#include "bgp/packet/notification.h"
#include "bgp/packet/types.h"

namespace weft::bgp {

enum class MessageType : std::uint8_t { open = 1, update = 2, notification = 3, keepalive = 4, route_refresh = 5 };

inline constexpr std::size_t kHeaderSize = 19;             // marker, length, type (RFC 4271 §4.1)
inline constexpr std::size_t kMaxMessage = 4096;           // RFC 4271 §4
inline constexpr std::size_t kMaxExtendedMessage = 65535;  // RFC 8654

/// RFC 4271 §4.2, with RFC 9072 extended optional parameters understood.
struct Open {
  Asn asn = 0;                  // four octets: of the capability when it is there
  std::uint16_t hold_time = 0;  // seconds; 0 or at least 3
  RouterId router_id;
  Capabilities capabilities;
  bool operator==(const Open&) const = default;
};

struct Keepalive {
  bool operator==(const Keepalive&) const = default;
};

/// RFC 2918, with the message subtype of RFC 7313. A subtype that has no name here is to be ignored (RFC 7313 §5).
struct RouteRefresh {
  enum class Subtype : std::uint8_t { request = 0, begin = 1, end = 2 };
  AfiSafi family;
  Subtype subtype = Subtype::request;
  bool operator==(const RouteRefresh&) const = default;
};

/// Prefixes of one next hop.
struct Reach {
  NextHop next_hop;
  std::vector<Prefix> prefixes;
  bool operator==(const Reach&) const = default;
};

/// RFC 4271 §4.3 and 4760: both encodings of IPv4 (classic fields and MP attributes) end in the same members. Apply
/// `withdrawn` first: a prefix that is in both lists is announced. All members empty: it said nothing that matters.
struct Update {
  std::vector<Prefix> withdrawn;             // both families
  std::optional<PathAttributes> attributes;  // set when `announced` is not empty
  std::vector<Reach> announced;              // at most one for classic NLRI and one for MP_REACH_NLRI
  std::optional<AfiSafi> end_of_rib;         // RFC 4724 §2; then everything else is empty
  bool operator==(const Update&) const = default;
};

using Message = std::variant<Open, Update, Notification, Keepalive, RouteRefresh>;

/// What both sides agreed on; before OPENs were exchanged, the defaults.
struct Context {
  bool four_octet_asn = false;
  bool extended_message = false;
  bool ibgp = false;  // LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are ignored from an external peer (RFC 7606 §7)
  // Not braces: GCC 12 warns of the list they make.
  std::vector<AfiSafi> families = std::vector<AfiSafi>(1, kIpv4Unicast);
  std::vector<ExtendedNextHop> extended_next_hop;  // what we may receive
  /// RFC 7313. Without it the subtype of a ROUTE-REFRESH is a reserved octet (RFC 2918 §3): all are requests. On unless
  /// said otherwise, so that nobody takes the end of a refresh for a request.
  bool enhanced_route_refresh = true;
};

/// A malformed attribute that did not end the session: what was wrong and what was done (RFC 7606 §2).
struct AttributeFault {
  enum class Action : std::uint8_t { discard, withdraw };
  Action action = Action::discard;
  std::uint8_t type = 0;  // of the attribute; 0: the classic prefixes, or the list of attributes as a whole
  std::string why;        // for logs and counters
};

struct Decoded {
  Message message;
  /// Of an UPDATE, at most 32. With a `withdraw` among them, its prefixes are in `withdrawn`.
  std::vector<AttributeFault> faults;
};

/// The length that the header of `data` claims, once at least kHeaderSize bytes are there; an error when marker,
/// length or type cannot be right (RFC 4271 §6.1). `data` may hold more than one message, or less.
std::expected<std::size_t, Notification> message_length(std::span<const std::uint8_t> data, const Context& context);

/// Exactly one whole message. The error is the NOTIFICATION that answers it (session reset).
std::expected<Decoded, Notification> decode(std::span<const std::uint8_t> message, const Context& context);

/// One whole message with its header. An Update must fit the maximum size: see update_builder.h for packing. What is
/// internal (LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST) is left out towards an external peer. NOTIFICATION data is cut to
/// what a message holds. An IPv4 next hop of IPv6 prefixes is written as ::ffff:a.b.c.d. An Update that says nothing
/// has the bytes of an End-of-RIB of IPv4.
std::vector<std::uint8_t> encode(const Message& message, const Context& context);

}  // namespace weft::bgp
