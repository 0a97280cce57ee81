// Bytes of BGP messages, right ones and wrong ones, written without any code of src/bgp: what judges ours must not
// share its mistakes. Values are texts of raw bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::interop::packet {

enum Type : std::uint8_t { kOpen = 1, kUpdate = 2, kNotification = 3, kKeepalive = 4, kRouteRefresh = 5 };

std::string u8(unsigned v);
std::string u16(unsigned v);
std::string u32(std::uint32_t v);
/// 4 or 16 bytes of an address; throws when it is none.
std::string address(const std::string& text);
/// Length in bits and as many bytes as it needs (RFC 4271 §4.3).
std::string prefix(const std::string& text);

/// Marker, length, type, body (RFC 4271 §4.1).
std::string message(unsigned type, const std::string& body);
std::string keepalive();
std::string notification(unsigned code, unsigned subcode, const std::string& data = {});

struct Open {
  unsigned version = 4;
  std::uint32_t asn = 0;
  unsigned hold_time = 90;
  std::string router_id = "192.0.2.99";
  std::vector<std::string> capabilities;  // code, length, value each
};
std::string capability(unsigned code, const std::string& value);
std::string multiprotocol(unsigned afi, unsigned safi = 1);
std::string four_octet_as(std::uint32_t asn);
/// Multiprotocol for IPv4 and IPv6, route refresh, 4-byte AS numbers.
std::vector<std::string> usual_capabilities(std::uint32_t asn);
std::string open(const Open& o);

/// A path attribute (RFC 4271 §4.3); the extended length flag is set when the value needs it.
std::string attribute(unsigned flags, unsigned type, const std::string& value);
inline constexpr unsigned kWellKnown = 0x40, kOptional = 0x80, kTransitive = 0x40, kPartial = 0x20, kExtended = 0x10;
std::string origin(unsigned v = 0);
std::string as_path(const std::vector<std::uint32_t>& asns);  // 4-byte numbers
std::string next_hop(const std::string& v4);
std::string communities(const std::vector<std::uint32_t>& values);
std::string mp_reach(const std::string& hop, const std::string& nlri);  // IPv6 unicast

/// UPDATE of IPv4 routes: withdrawn prefixes, attributes, prefixes, all ready made and possibly empty.
std::string update(const std::string& withdrawn, const std::string& attributes, const std::string& nlri);

}  // namespace weft::interop::packet
