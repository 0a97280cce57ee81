// Capabilities, each under its picture. A known capability of a wrong length is refused, with one exception: the FQDN
// capability is only a draft, so a strange one is kept among the unknown.
#include <algorithm>

#include "bgp/packet/open.h"

namespace weft::bgp {
namespace {

constexpr std::size_t kMaxValue = 255;                  // the length field is one octet (RFC 5492 §4)
constexpr std::uint16_t kRestarting = 0x8000;           // RFC 4724 §3: flags are the upper four bits
constexpr std::uint16_t kNotificationSupport = 0x4000;  // RFC 8538 §2
constexpr std::uint16_t kRestartTime = 0x0fff;
constexpr std::uint8_t kForwarding = 0x80;

// | AFI (2) | reserved (1) | SAFI (1) |   RFC 4760 §8
bool read_multiprotocol(wire::Reader& r, Capabilities& out) {
  const std::uint16_t afi = r.u16();
  r.u8();
  const AfiSafi family{afi, r.u8()};
  if (std::find(out.families.begin(), out.families.end(), family) == out.families.end()) out.families.push_back(family);
  return r.ok() && r.left() == 0;
}

// | flags (4 bits), restart time (12 bits) | { AFI (2) | SAFI (1) | flags (1) }* |   RFC 4724 §3
bool read_graceful_restart(wire::Reader& r, Capabilities& out) {
  GracefulRestart gr;
  const std::uint16_t head = r.u16();
  gr.restarting = (head & kRestarting) != 0;
  gr.notification = (head & kNotificationSupport) != 0;
  gr.restart_time = head & kRestartTime;
  while (r.ok() && r.left() > 0) {
    const std::uint16_t afi = r.u16();
    const std::uint8_t safi = r.u8();
    gr.families.push_back({{afi, safi}, (r.u8() & kForwarding) != 0});
  }
  if (!r.ok()) return false;
  out.graceful_restart = std::move(gr);  // of several the last counts (RFC 4724 §3)
  return true;
}

// { NLRI AFI (2) | NLRI SAFI (2) | next hop AFI (2) }*   RFC 8950 §4
bool read_extended_next_hop(wire::Reader& r, Capabilities& out) {
  while (r.ok() && r.left() > 0) {
    const std::uint16_t afi = r.u16(), safi = r.u16(), next_hop = r.u16();
    if (!r.ok()) return false;
    if (safi > 0xff) continue;  // SAFIs are one octet everywhere else, so this names none
    const ExtendedNextHop tuple{{afi, static_cast<std::uint8_t>(safi)}, next_hop};
    auto& known = out.extended_next_hop;
    if (std::find(known.begin(), known.end(), tuple) == known.end()) known.push_back(tuple);
  }
  return true;
}

// | length (1) | host name | length (1) | domain name |
bool read_fqdn(wire::Bytes value, Capabilities& out) {
  wire::Reader r(value);
  const auto host = r.take(r.u8());
  r.take(r.u8());
  if (!r.ok() || r.left() != 0) return false;
  out.host_name.assign(host.begin(), host.end());
  return true;
}

bool read_capability(std::uint8_t code, wire::Bytes value, Capabilities& out) {
  wire::Reader r(value);
  switch (static_cast<CapabilityCode>(code)) {
    case CapabilityCode::multiprotocol: return read_multiprotocol(r, out);
    case CapabilityCode::route_refresh: return (out.route_refresh = value.empty());
    case CapabilityCode::enhanced_route_refresh: return (out.enhanced_route_refresh = value.empty());
    case CapabilityCode::extended_message: return (out.extended_message = value.empty());
    case CapabilityCode::four_octet_asn: out.four_octet_asn = r.u32(); return r.ok() && r.left() == 0;
    case CapabilityCode::graceful_restart: return read_graceful_restart(r, out);
    case CapabilityCode::extended_next_hop: return read_extended_next_hop(r, out);
    case CapabilityCode::fqdn:
      if (read_fqdn(value, out)) return true;
      break;
  }
  out.unknown.push_back({code, {value.begin(), value.end()}});
  return true;
}

void put_capability(wire::Buffer& out, CapabilityCode code, wire::Bytes value) {
  wire::put8(out, static_cast<std::uint8_t>(code));
  wire::put8(out, static_cast<unsigned>(value.size()));
  wire::put(out, value);
}

}  // namespace

bool read_capabilities(wire::Bytes parameter, Capabilities& out) {
  wire::Reader r(parameter);
  while (r.left() > 0) {
    const std::uint8_t code = r.u8();
    const auto value = r.take(r.u8());
    if (!r.ok() || !read_capability(code, value, out)) return false;
  }
  return true;
}

wire::Buffer capabilities_value(const Capabilities& c) {
  wire::Buffer out;
  for (const AfiSafi& family : c.families) {
    wire::Buffer value;
    wire::put16(value, family.afi);
    wire::put16(value, family.safi);
    put_capability(out, CapabilityCode::multiprotocol, value);
  }
  if (c.route_refresh) put_capability(out, CapabilityCode::route_refresh, {});
  for (std::size_t i = 0; i < c.extended_next_hop.size();) {
    wire::Buffer value;
    for (; i < c.extended_next_hop.size() && value.size() + 6 <= kMaxValue; ++i) {
      wire::put16(value, c.extended_next_hop[i].nlri.afi);
      wire::put16(value, c.extended_next_hop[i].nlri.safi);
      wire::put16(value, c.extended_next_hop[i].next_hop_afi);
    }
    put_capability(out, CapabilityCode::extended_next_hop, value);
  }
  if (c.extended_message) put_capability(out, CapabilityCode::extended_message, {});
  if (c.graceful_restart) {
    const GracefulRestart& gr = *c.graceful_restart;
    wire::Buffer value;
    wire::put16(value, (gr.restarting ? kRestarting : 0u) | (gr.notification ? kNotificationSupport : 0u) |
                           std::min(gr.restart_time, kRestartTime));
    for (const auto& tuple : gr.families) {
      if (value.size() + 4 > kMaxValue) break;
      wire::put16(value, tuple.family.afi);
      wire::put8(value, tuple.family.safi);
      wire::put8(value, tuple.forwarding ? kForwarding : 0);
    }
    put_capability(out, CapabilityCode::graceful_restart, value);
  }
  if (c.four_octet_asn) {
    wire::Buffer value;
    wire::put32(value, *c.four_octet_asn);
    put_capability(out, CapabilityCode::four_octet_asn, value);
  }
  if (c.enhanced_route_refresh) put_capability(out, CapabilityCode::enhanced_route_refresh, {});
  if (!c.host_name.empty()) {
    const auto host = c.host_name.substr(0, kMaxValue - 2);
    wire::Buffer value;
    wire::put8(value, static_cast<unsigned>(host.size()));
    value.insert(value.end(), host.begin(), host.end());
    wire::put8(value, 0);  // no domain name
    put_capability(out, CapabilityCode::fqdn, value);
  }
  for (const auto& u : c.unknown)
    put_capability(out, static_cast<CapabilityCode>(u.code),
                   wire::Bytes(u.value).first(std::min(u.value.size(), kMaxValue)));
  return out;
}

}  // namespace weft::bgp
