// Path attributes between bytes and values, for update_decode.cpp and update_encode.cpp.
#pragma once

#include <optional>
#include <string>

#include "bgp/packet/message.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {

/// RFC 4271 §4.3; the lower four bits of the flags mean nothing.
enum AttributeFlag : std::uint8_t { kOptional = 0x80, kTransitive = 0x40, kPartial = 0x20, kExtendedLength = 0x10 };
/// The upper two bits of most attributes.
inline constexpr std::uint8_t kWellKnown = kTransitive;
inline constexpr std::uint8_t kOptionalTransitive = kOptional | kTransitive;

struct RawAttribute {
  std::uint8_t flags = 0;
  std::uint8_t type = 0;
  wire::Bytes value;
  wire::Bytes whole;  // with its header: what a NOTIFICATION quotes
  bool is(AttributeType t) const { return type == static_cast<std::uint8_t>(t); }
};

/// What is wrong with an attribute and what RFC 7606 wants done, weakest first.
struct AttributeProblem {
  enum class Action : std::uint8_t { discard, withdraw, reset };
  Action action = Action::discard;
  std::uint8_t subcode = 0;  // of the UPDATE Message Error, in case the session must end
  std::string why;
};

/// The attributes of one UPDATE before they are judged together.
struct AttributeSet {
  PathAttributes attributes;
  bool has_origin = false;
  bool has_as_path = false;
  std::optional<Address> next_hop;
  std::optional<AsPath> as4_path;
  std::optional<Aggregator> as4_aggregator;
};

/// Whether the Optional and Transitive bits are those of the type (RFC 7606 §3 c). Unknown types have no rule.
std::optional<AttributeProblem> check_flags(const RawAttribute& a);
/// Reads one attribute other than MP_REACH_NLRI and MP_UNREACH_NLRI into `out`. A problem leaves `out` without it.
std::optional<AttributeProblem> read_attribute(const RawAttribute& a, const Context& context, AttributeSet& out);
/// Joins what an old speaker sent in AS_PATH and AS4_PATH, AGGREGATOR and AS4_AGGREGATOR (RFC 6793 §4.2.3).
void merge_as4(AttributeSet& set);
/// Whether packets can be sent to it: not unspecified, loopback, multicast or reserved (RFC 4271 §6.3).
bool is_host_address(const Address& a);

void put_attribute(wire::Buffer& out, std::uint8_t flags, std::uint8_t type, wire::Bytes value);
void put_next_hop(wire::Buffer& out, const Address& v4);
/// Appends the next hop of MP_REACH_NLRI with its length; an IPv4 address before IPv6 prefixes becomes ::ffff:a.b.c.d.
void put_mp_next_hop(wire::Buffer& out, const NextHop& next_hop, Family prefixes);

}  // namespace weft::bgp
