// Messages as a broken or hostile peer would send them: every length, flag and marker can be a lie. What is not said is
// right. For the tests of this folder, of the state machine and of the interop suite.
#pragma once

#include <cctype>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/packet/types.h"

namespace weft::bgp::craft {

using Bytes = std::vector<std::uint8_t>;

/// "40 01 01 00": hexadecimal digits in pairs, blanks where you like.
inline Bytes hex(std::string_view text) {
  Bytes out;
  std::string digits;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    digits += c;
    if (digits.size() == 2) {
      out.push_back(static_cast<std::uint8_t>(std::stoul(digits, nullptr, 16)));
      digits.clear();
    }
  }
  if (!digits.empty()) throw std::invalid_argument("half an octet in \"" + std::string(text) + "\"");
  return out;
}

inline Bytes join(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

inline Bytes number(std::uint64_t value, std::size_t octets) {
  Bytes out;
  for (std::size_t i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}

inline Bytes repeat(std::uint8_t octet, std::size_t count) { return Bytes(count, octet); }

/// A whole message: its header says `length` when that is given, and what is true otherwise.
inline Bytes message(std::uint8_t type, const Bytes& body, std::optional<std::uint16_t> length = {},
                     const Bytes& marker = Bytes(16, 0xff)) {
  return join({marker, number(length.value_or(static_cast<std::uint16_t>(19 + body.size())), 2), {type}, body});
}

/// "10.1.0.0/16" as length and octets. The octets can be fewer or the length more than is right: use number() and
/// hex().
inline Bytes prefix(std::string_view text) {
  const auto p = Prefix::parse(text).value();
  Bytes out{static_cast<std::uint8_t>(p.length())};
  const auto octets = p.address().bytes().first((p.length() + 7) / 8);
  out.insert(out.end(), octets.begin(), octets.end());
  return out;
}

/// 4 or 16 octets.
inline Bytes address(std::string_view text) {
  const auto a = Address::parse(text).value();
  return {a.bytes().begin(), a.bytes().end()};
}

/// One path attribute. `length` lies when it is given; the Extended Length flag (0x10) decides how wide it is.
inline Bytes attribute(std::uint8_t flags, std::uint8_t type, const Bytes& value,
                       std::optional<std::size_t> length = {}) {
  const bool extended = (flags & 0x10) != 0;
  return join({{flags, type}, number(length.value_or(value.size()), extended ? 2 : 1), value});
}

inline Bytes origin(std::uint8_t value = 0) { return attribute(0x40, 1, {value}); }
/// One AS_SEQUENCE; four octets a number, or two.
inline Bytes as_path(std::initializer_list<Asn> asns, std::size_t asn_size = 4) {
  Bytes value;
  if (asns.size() > 0) value = {2, static_cast<std::uint8_t>(asns.size())};
  for (const Asn asn : asns) value = join({value, number(asn, asn_size)});
  return attribute(0x40, 2, value);
}
inline Bytes next_hop(std::string_view a = "192.0.2.1") { return attribute(0x40, 3, address(a)); }
/// ORIGIN, AS_PATH 65001, NEXT_HOP: what classic NLRI needs.
inline Bytes mandatory() { return join({origin(), as_path({65001}), next_hop()}); }

/// The value of MP_REACH_NLRI. `hop_length` lies when it is given.
inline Bytes mp_reach(AfiSafi family, const Bytes& hop, const Bytes& nlri,
                      std::optional<std::uint8_t> hop_length = {}) {
  return join({number(family.afi, 2),
               {family.safi, hop_length.value_or(static_cast<std::uint8_t>(hop.size()))},
               hop,
               {0},
               nlri});
}
inline Bytes mp_unreach(AfiSafi family, const Bytes& nlri) {
  return join({number(family.afi, 2), {family.safi}, nlri});
}

struct UpdateParts {
  Bytes withdrawn = {};
  Bytes attributes = {};
  Bytes nlri = {};
  std::optional<std::uint16_t> withdrawn_length = {};
  std::optional<std::uint16_t> attributes_length = {};
};
inline Bytes update(const UpdateParts& u) {
  return message(
      2, join({number(u.withdrawn_length.value_or(static_cast<std::uint16_t>(u.withdrawn.size())), 2), u.withdrawn,
               number(u.attributes_length.value_or(static_cast<std::uint16_t>(u.attributes.size())), 2), u.attributes,
               u.nlri}));
}

struct OpenParts {
  std::uint8_t version = 4;
  std::uint16_t asn = 65001;
  std::uint16_t hold_time = 90;
  std::uint32_t router_id = 0xc0000201;  // 192.0.2.1
  Bytes parameters = {};                 // with types and lengths
  std::optional<std::uint8_t> parameters_length = {};
};
inline Bytes open(const OpenParts& o) {
  return message(1, join({{o.version},
                          number(o.asn, 2),
                          number(o.hold_time, 2),
                          number(o.router_id, 4),
                          {o.parameters_length.value_or(static_cast<std::uint8_t>(o.parameters.size()))},
                          o.parameters}));
}
inline Bytes capability(std::uint8_t code, const Bytes& value, std::optional<std::uint8_t> length = {}) {
  return join({{code, length.value_or(static_cast<std::uint8_t>(value.size()))}, value});
}
/// One optional parameter; type 2 holds capabilities.
inline Bytes parameter(std::uint8_t type, const Bytes& value, std::optional<std::uint8_t> length = {}) {
  return join({{type, length.value_or(static_cast<std::uint8_t>(value.size()))}, value});
}

}  // namespace weft::bgp::craft
