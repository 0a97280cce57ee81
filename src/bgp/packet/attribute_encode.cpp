#include <algorithm>
#include <array>

#include "bgp/packet/as_path_codec.h"
#include "bgp/packet/attribute_codec.h"
#include "bgp/packet/update_builder.h"

namespace weft::bgp {
namespace {

void put_number(wire::Buffer& out, std::uint8_t flags, AttributeType type, std::uint32_t number) {
  wire::Buffer value;
  wire::put32(value, number);
  put_attribute(out, flags, static_cast<std::uint8_t>(type), value);
}

void put_value(wire::Buffer& out, std::uint8_t flags, AttributeType type, wire::Bytes value) {
  put_attribute(out, flags, static_cast<std::uint8_t>(type), value);
}

void put_path(wire::Buffer& out, AttributeType type, std::uint8_t flags, const AsPath& path, std::size_t asn_size) {
  wire::Buffer value;
  put_as_path(value, path, asn_size);
  put_value(out, flags, type, value);
}

void put_aggregator(wire::Buffer& out, AttributeType type, const Aggregator& a, std::size_t asn_size) {
  wire::Buffer value;
  if (asn_size == 4) {
    wire::put32(value, a.asn);
  } else {
    wire::put16(value, a.asn > 0xffff ? kAsTrans : a.asn);
  }
  wire::put32(value, a.address.to_v4());
  put_value(out, kOptionalTransitive, type, value);
}

/// RFC 6793 §4.2.2: what two octets could not say.
void put_as4(wire::Buffer& out, const PathAttributes& a) {
  AsPath path = a.as_path;
  drop_confederation(path);
  if (needs_four_octets(path)) put_path(out, AttributeType::as4_path, kOptionalTransitive, path, 4);
  if (a.aggregator && a.aggregator->asn > 0xffff) put_aggregator(out, AttributeType::as4_aggregator, *a.aggregator, 4);
}

void put_communities(wire::Buffer& out, const PathAttributes& a) {
  if (a.communities.empty()) return;
  wire::Buffer value;
  for (const Community c : a.communities) wire::put32(value, c);
  put_value(out, kOptionalTransitive, AttributeType::communities, value);
}

void put_reflection(wire::Buffer& out, const PathAttributes& a) {
  if (a.originator_id) put_number(out, kOptional, AttributeType::originator_id, a.originator_id->value);
  if (a.cluster_list.empty()) return;
  wire::Buffer value;
  for (const RouterId id : a.cluster_list) wire::put32(value, id.value);
  put_value(out, kOptional, AttributeType::cluster_list, value);
}

void put_extended_communities(wire::Buffer& out, const PathAttributes& a) {
  if (a.extended_communities.empty()) return;
  wire::Buffer value;
  for (const ExtendedCommunity c : a.extended_communities) wire::put64(value, c);
  put_value(out, kOptionalTransitive, AttributeType::extended_communities, value);
}

void put_large_communities(wire::Buffer& out, const PathAttributes& a) {
  if (a.large_communities.empty()) return;
  wire::Buffer value;
  for (const LargeCommunity& c : a.large_communities) {
    wire::put32(value, c.global);
    wire::put32(value, c.local1);
    wire::put32(value, c.local2);
  }
  put_value(out, kOptionalTransitive, AttributeType::large_communities, value);
}

}  // namespace

void put_attribute(wire::Buffer& out, std::uint8_t flags, std::uint8_t type, wire::Bytes value) {
  const bool extended = value.size() > 0xff;
  wire::put8(out, (flags & ~kExtendedLength) | (extended ? kExtendedLength : 0));
  wire::put8(out, type);
  if (extended) {
    wire::put16(out, static_cast<unsigned>(value.size()));
  } else {
    wire::put8(out, static_cast<unsigned>(value.size()));
  }
  wire::put(out, value);
}

void put_next_hop(wire::Buffer& out, const Address& v4) {
  put_value(out, kWellKnown, AttributeType::next_hop, v4.bytes());
}

void put_mp_next_hop(wire::Buffer& out, const NextHop& next_hop, Family prefixes) {
  if (next_hop.address.is_v4() && prefixes == Family::v6) {
    wire::put8(out, 16);
    static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    wire::put(out, kMapped);
    wire::put(out, next_hop.address.bytes());
    return;
  }
  const bool both = next_hop.address.is_v6() && next_hop.link_local;
  wire::put8(out, static_cast<unsigned>(both ? 32 : next_hop.address.bytes().size()));
  wire::put(out, next_hop.address.bytes());
  if (both) wire::put(out, next_hop.link_local->bytes());
}

EncodedAttributes encode_attributes(const PathAttributes& a, const Context& context) {
  EncodedAttributes encoded;
  auto& out = encoded.bytes;
  const std::size_t asn_size = context.four_octet_asn ? 4 : 2;
  const std::array<std::uint8_t, 1> origin{static_cast<std::uint8_t>(a.origin)};
  put_value(out, kWellKnown, AttributeType::origin, origin);
  put_path(out, AttributeType::as_path, kWellKnown, a.as_path, asn_size);
  encoded.next_hop_at = out.size();
  if (a.med) put_number(out, kOptional, AttributeType::med, *a.med);
  if (a.local_pref && context.ibgp) put_number(out, kWellKnown, AttributeType::local_pref, *a.local_pref);
  if (a.atomic_aggregate) put_value(out, kWellKnown, AttributeType::atomic_aggregate, {});
  if (a.aggregator) put_aggregator(out, AttributeType::aggregator, *a.aggregator, asn_size);
  put_communities(out, a);
  if (context.ibgp) put_reflection(out, a);
  put_extended_communities(out, a);
  if (!context.four_octet_asn) put_as4(out, a);
  put_large_communities(out, a);
  for (const auto& u : a.unknown) put_attribute(out, u.flags, u.type, u.value);
  return encoded;
}

}  // namespace weft::bgp
