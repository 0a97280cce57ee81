// Packing routes into UPDATE messages: as many prefixes of equal attributes as fit into one message, attributes
// encoded once. This is the hot path of a full table, so it writes into one growing buffer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bgp/packet/message.h"

namespace weft::bgp {

/// Path attributes without reachability, encoded for sessions of one kind; kept per attribute set and session kind.
struct EncodedAttributes {
  std::vector<std::uint8_t> bytes;
  std::size_t next_hop_at = 0;  // where NEXT_HOP belongs: attributes go by type (RFC 4271 Appendix F.3)
};
EncodedAttributes encode_attributes(const PathAttributes& attributes, const Context& context);

/// Appends whole UPDATE messages that announce `prefixes` (one family) to `out`. IPv4 with an IPv4 next hop takes the
/// classic fields, everything else MP_REACH_NLRI. Returns the number of messages; 0 when the attributes leave no room
/// for a prefix (RFC 4271 §9.2: such a route is not advertised).
std::size_t append_announcements(std::vector<std::uint8_t>& out, std::span<const Prefix> prefixes,
                                 const NextHop& next_hop, const EncodedAttributes& attributes, const Context& context);
/// The same for withdrawals of one family.
std::size_t append_withdrawals(std::vector<std::uint8_t>& out, std::span<const Prefix> prefixes,
                               const Context& context);

}  // namespace weft::bgp
