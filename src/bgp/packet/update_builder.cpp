#include "bgp/packet/update_builder.h"

#include <cstring>

#include "bgp/packet/attribute_codec.h"
#include "bgp/packet/nlri.h"

namespace weft::bgp {
namespace {

using wire::kMarkerSize;
constexpr std::size_t kNextHopSize = 7;  // the NEXT_HOP attribute
constexpr std::size_t kMpHeader = 4;     // of an MP attribute with Extended Length

std::size_t max_message(const Context& context) { return context.extended_message ? kMaxExtendedMessage : kMaxMessage; }

/// What one prefix of the family takes at most.
std::size_t largest_prefix(Family family) { return family == Family::v4 ? 5 : 17; }

/// Appends the header, up to and without the body.
std::size_t begin_message(wire::Buffer& out) {
  const std::size_t start = out.size();
  out.insert(out.end(), kMarkerSize, 0xff);
  wire::put16(out, 0);
  wire::put8(out, static_cast<unsigned>(MessageType::update));
  return start;
}

void end_message(wire::Buffer& out, std::size_t start) { wire::patch16(out, start + kMarkerSize, out.size() - start); }

/// Appends prefixes from the front of `prefixes` while they fit `room` octets, and takes them off it. One growth of the
/// buffer for all of them; each is written whole and then stepped over by its size, hence the slack.
void fill(wire::Buffer& out, std::span<const Prefix>& prefixes, std::size_t room) {
  constexpr std::size_t kSlack = 16;
  std::size_t at = out.size();
  const std::size_t end = at + room;
  out.resize(end + kSlack);
  std::size_t taken = 0;
  for (const Prefix& p : prefixes) {
    const std::size_t octets = (p.length() + 7) / 8;
    if (at + 1 + octets > end) break;
    out[at] = static_cast<std::uint8_t>(p.length());
    std::memcpy(&out[at + 1], p.address().raw().data(), 16);
    at += 1 + octets;
    ++taken;
  }
  out.resize(at);
  prefixes = prefixes.subspan(taken);
}

/// Octets left for prefixes in a message whose other parts take `used`; 0 when the largest prefix has no place.
std::size_t room_for_prefixes(std::size_t used, Family family, const Context& context) {
  const std::size_t most = max_message(context);
  return used + largest_prefix(family) <= most ? most - used : 0;
}

/// | flags, type, length (2) | AFI (2) | SAFI (1) |, the length to be patched at the returned place.
std::size_t begin_mp(wire::Buffer& out, AttributeType type, Family family) {
  wire::put8(out, kOptional | kExtendedLength);
  wire::put8(out, static_cast<unsigned>(type));
  wire::put16(out, 0);
  wire::put16(out, unicast(family).afi);
  wire::put8(out, unicast(family).safi);
  return out.size() - 5;
}

std::size_t announce_classic(wire::Buffer& out, std::span<const Prefix> prefixes, const Address& next_hop,
                             const EncodedAttributes& attributes, const Context& context) {
  const std::size_t length = attributes.bytes.size() + kNextHopSize;
  const std::size_t room = room_for_prefixes(kHeaderSize + 4 + length, Family::v4, context);
  if (room == 0) return 0;
  const wire::Bytes bytes(attributes.bytes);
  std::size_t messages = 0;
  for (; !prefixes.empty(); ++messages) {
    const std::size_t start = begin_message(out);
    wire::put16(out, 0);
    wire::put16(out, static_cast<unsigned>(length));
    wire::put(out, bytes.first(attributes.next_hop_at));
    put_next_hop(out, next_hop);
    wire::put(out, bytes.subspan(attributes.next_hop_at));
    fill(out, prefixes, room);
    end_message(out, start);
  }
  return messages;
}

std::size_t announce_mp(wire::Buffer& out, std::span<const Prefix> prefixes, const NextHop& next_hop,
                        const EncodedAttributes& attributes, const Context& context) {
  const Family family = prefixes.front().family();
  wire::Buffer hop;
  put_mp_next_hop(hop, next_hop, family);
  const std::size_t room =
      room_for_prefixes(kHeaderSize + 4 + kMpHeader + 3 + hop.size() + 1 + attributes.bytes.size(), family, context);
  if (room == 0) return 0;
  std::size_t messages = 0;
  for (; !prefixes.empty(); ++messages) {
    const std::size_t start = begin_message(out);
    wire::put16(out, 0);
    const std::size_t attributes_at = out.size();
    wire::put16(out, 0);
    const std::size_t length_at = begin_mp(out, AttributeType::mp_reach_nlri, family);
    wire::put(out, hop);
    wire::put8(out, 0);  // reserved
    fill(out, prefixes, room);
    wire::patch16(out, length_at, out.size() - length_at - 2);
    wire::put(out, attributes.bytes);
    wire::patch16(out, attributes_at, out.size() - attributes_at - 2);
    end_message(out, start);
  }
  return messages;
}

}  // namespace

std::size_t append_announcements(std::vector<std::uint8_t>& out, std::span<const Prefix> prefixes,
                                 const NextHop& next_hop, const EncodedAttributes& attributes, const Context& context) {
  if (prefixes.empty()) return 0;
  if (prefixes.front().family() == Family::v4 && next_hop.address.is_v4())
    return announce_classic(out, prefixes, next_hop.address, attributes, context);
  return announce_mp(out, prefixes, next_hop, attributes, context);
}

std::size_t append_withdrawals(std::vector<std::uint8_t>& out, std::span<const Prefix> prefixes,
                               const Context& context) {
  if (prefixes.empty()) return 0;
  const Family family = prefixes.front().family();
  const bool classic = family == Family::v4;
  const std::size_t room = room_for_prefixes(kHeaderSize + 4 + (classic ? 0 : kMpHeader + 3), family, context);
  std::size_t messages = 0;
  for (; !prefixes.empty(); ++messages) {
    const std::size_t start = begin_message(out);
    const std::size_t withdrawn_at = out.size();
    wire::put16(out, 0);
    if (classic) {
      fill(out, prefixes, room);
      wire::patch16(out, withdrawn_at, out.size() - withdrawn_at - 2);
      wire::put16(out, 0);
    } else {
      const std::size_t attributes_at = out.size();
      wire::put16(out, 0);
      const std::size_t length_at = begin_mp(out, AttributeType::mp_unreach_nlri, family);
      fill(out, prefixes, room);
      wire::patch16(out, length_at, out.size() - length_at - 2);
      wire::patch16(out, attributes_at, out.size() - attributes_at - 2);
    }
    end_message(out, start);
  }
  return messages;
}

}  // namespace weft::bgp
