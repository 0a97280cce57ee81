#include "bgp/packet/open.h"

namespace weft::bgp {
namespace {

constexpr std::uint8_t kVersion = 4;
constexpr std::uint8_t kParameterCapabilities = 2;  // RFC 5492 §4
constexpr std::uint8_t kParameterExtended = 255;    // RFC 9072 §2
constexpr std::uint16_t kMinHoldTime = 3;           // RFC 4271 §4.2
constexpr std::size_t kMaxShort = 255;              // of the one-octet length fields

std::unexpected<Notification> refuse(std::uint8_t subcode, std::vector<std::uint8_t> data = {}) {
  return std::unexpected(Notification{ErrorCode::open_message, subcode, std::move(data)});
}
/// A recognized parameter that is malformed, or lengths that disagree: Unspecific (RFC 4271 §6.2).
std::unexpected<Notification> malformed() { return refuse(0); }

/// { type (1) | length (1, extended 2) | value }*
std::expected<Capabilities, Notification> read_parameters(wire::Bytes parameters, bool extended) {
  Capabilities out;
  wire::Reader r(parameters);
  while (r.left() > 0) {
    const std::uint8_t type = r.u8();
    const auto value = r.take(extended ? r.u16() : r.u8());
    if (!r.ok()) return malformed();
    if (type != kParameterCapabilities) return refuse(open_error::kUnsupportedParameter);
    if (!read_capabilities(value, out)) return malformed();
  }
  return out;
}

}  // namespace

// | version (1) | my AS (2) | hold time (2) | BGP identifier (4) | length (1) | parameters |         RFC 4271 §4.2
// | …                                | length (1), not 0 | 255 (1) | length (2) | parameters |       RFC 9072 §2
std::expected<Open, Notification> decode_open(wire::Bytes body) {
  wire::Reader r(body);
  if (r.u8() != kVersion) return refuse(open_error::kUnsupportedVersion, {0, kVersion});
  Open open;
  open.asn = r.u16();
  open.hold_time = r.u16();
  open.router_id.value = r.u32();
  std::size_t length = r.u8();
  if (!r.ok()) return malformed();
  const bool extended = length > 0 && r.left() > 0 && r.rest()[0] == kParameterExtended;
  if (extended) {
    r.u8();
    length = r.u16();
  }
  if (!r.ok() || r.left() != length) return malformed();
  auto capabilities = read_parameters(r.rest(), extended);
  if (!capabilities) return std::unexpected(std::move(capabilities).error());
  open.capabilities = std::move(*capabilities);

  // AS_TRANS names nobody (RFC 6793 §9), and no AS is 0 (RFC 7607 §2).
  open.asn = open.capabilities.four_octet_asn.value_or(open.asn);
  if (open.asn == 0 || open.asn == kAsTrans) return refuse(open_error::kBadPeerAs);
  if (open.hold_time != 0 && open.hold_time < kMinHoldTime) return refuse(open_error::kUnacceptableHoldTime);
  if (open.router_id.value == 0) return refuse(open_error::kBadIdentifier);  // RFC 6286 §2.2
  return open;
}

void put_open(wire::Buffer& out, const Open& open) {
  wire::put8(out, kVersion);
  wire::put16(out, open.asn > 0xffff ? kAsTrans : open.asn);
  wire::put16(out, open.hold_time);
  wire::put32(out, open.router_id.value);
  const auto capabilities = capabilities_value(open.capabilities);
  if (capabilities.empty()) {
    wire::put8(out, 0);
  } else if (capabilities.size() + 2 <= kMaxShort) {
    wire::put8(out, static_cast<unsigned>(capabilities.size() + 2));
    wire::put8(out, kParameterCapabilities);
    wire::put8(out, static_cast<unsigned>(capabilities.size()));
  } else {
    wire::put8(out, kMaxShort);
    wire::put8(out, kParameterExtended);
    wire::put16(out, static_cast<unsigned>(capabilities.size() + 3));
    wire::put8(out, kParameterCapabilities);
    wire::put16(out, static_cast<unsigned>(capabilities.size()));
  }
  wire::put(out, capabilities);
}

}  // namespace weft::bgp
