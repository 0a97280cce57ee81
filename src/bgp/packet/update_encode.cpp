// One Update as one message. Many routes in as few messages as they need: update_builder.cpp.
#include <algorithm>

#include "bgp/packet/attribute_codec.h"
#include "bgp/packet/nlri.h"
#include "bgp/packet/update.h"
#include "bgp/packet/update_builder.h"

namespace weft::bgp {
namespace {

void put_family(wire::Buffer& out, AfiSafi family) {
  wire::put16(out, family.afi);
  wire::put8(out, family.safi);
}

bool is_classic(const Reach& reach) {
  return reach.next_hop.address.is_v4() && !reach.prefixes.empty() && reach.prefixes.front().family() == Family::v4;
}

void put_mp_reach(wire::Buffer& out, const Reach& reach) {
  const Family family = reach.prefixes.front().family();
  wire::Buffer value;
  put_family(value, unicast(family));
  put_mp_next_hop(value, reach.next_hop, family);
  wire::put8(value, 0);  // reserved
  for (const Prefix& p : reach.prefixes) put_prefix(value, p);
  put_attribute(out, kOptional, static_cast<std::uint8_t>(AttributeType::mp_reach_nlri), value);
}

void put_mp_unreach(wire::Buffer& out, AfiSafi family, std::span<const Prefix> prefixes) {
  wire::Buffer value;
  put_family(value, family);
  for (const Prefix& p : prefixes)
    if (unicast(p.family()) == family) put_prefix(value, p);
  put_attribute(out, kOptional, static_cast<std::uint8_t>(AttributeType::mp_unreach_nlri), value);
}

}  // namespace

void put_update(wire::Buffer& out, const Update& update, const Context& context) {
  const auto classic = std::find_if(update.announced.begin(), update.announced.end(), is_classic);
  const bool withdraws_v6 = std::any_of(update.withdrawn.begin(), update.withdrawn.end(),
                                        [](const Prefix& p) { return p.family() == Family::v6; });
  const std::size_t withdrawn_length = out.size();
  wire::put16(out, 0);
  for (const Prefix& p : update.withdrawn)
    if (p.family() == Family::v4) put_prefix(out, p);
  wire::patch16(out, withdrawn_length, out.size() - withdrawn_length - 2);

  const std::size_t attributes_length = out.size();
  wire::put16(out, 0);
  // Reachability goes first, so that it is found whatever else is damaged (RFC 7606 §5.1).
  bool announces = false;
  for (auto reach = update.announced.begin(); reach != update.announced.end(); ++reach) {
    announces = announces || !reach->prefixes.empty();
    if (reach != classic && !reach->prefixes.empty()) put_mp_reach(out, *reach);
  }
  if (withdraws_v6) put_mp_unreach(out, kIpv6Unicast, update.withdrawn);
  if (update.end_of_rib && *update.end_of_rib != kIpv4Unicast) put_mp_unreach(out, *update.end_of_rib, {});
  if (announces) {
    const auto encoded = encode_attributes(update.attributes.value_or(PathAttributes{}), context);
    const wire::Bytes bytes(encoded.bytes);
    wire::put(out, bytes.first(encoded.next_hop_at));
    if (classic != update.announced.end()) put_next_hop(out, classic->next_hop.address);
    wire::put(out, bytes.subspan(encoded.next_hop_at));
  }
  wire::patch16(out, attributes_length, out.size() - attributes_length - 2);
  if (classic != update.announced.end())
    for (const Prefix& p : classic->prefixes) put_prefix(out, p);
}

}  // namespace weft::bgp
