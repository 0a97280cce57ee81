#include "tests/interop/harness/packet.h"

#include <arpa/inet.h>

#include <stdexcept>

namespace weft::interop::packet {

std::string u8(unsigned v) { return {static_cast<char>(v)}; }
std::string u16(unsigned v) { return u8(v >> 8) + u8(v); }
std::string u32(std::uint32_t v) { return u16(v >> 16) + u16(v & 0xffff); }

std::string address(const std::string& text) {
  unsigned char bytes[16];
  const bool v6 = text.find(':') != std::string::npos;
  if (::inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes) != 1) throw std::runtime_error(text + " is no address");
  return {reinterpret_cast<char*>(bytes), v6 ? 16u : 4u};
}

std::string prefix(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) throw std::runtime_error(text + " is no prefix");
  const auto length = static_cast<unsigned>(std::stoul(text.substr(slash + 1)));
  return u8(length) + address(text.substr(0, slash)).substr(0, (length + 7) / 8);
}

std::string message(unsigned type, const std::string& body) {
  return std::string(16, '\xff') + u16(static_cast<unsigned>(19 + body.size())) + u8(type) + body;
}

std::string keepalive() { return message(kKeepalive, {}); }

std::string notification(unsigned code, unsigned subcode, const std::string& data) {
  return message(kNotification, u8(code) + u8(subcode) + data);
}

std::string capability(unsigned code, const std::string& value) {
  return u8(code) + u8(static_cast<unsigned>(value.size())) + value;
}

std::string multiprotocol(unsigned afi, unsigned safi) { return capability(1, u16(afi) + u8(0) + u8(safi)); }
std::string four_octet_as(std::uint32_t asn) { return capability(65, u32(asn)); }

std::vector<std::string> usual_capabilities(std::uint32_t asn) {
  return {multiprotocol(1), multiprotocol(2), capability(2, {}), four_octet_as(asn)};
}

std::string open(const Open& o) {
  std::string all;
  for (const auto& c : o.capabilities) all += c;
  // One optional parameter of type 2 holds all capabilities (RFC 5492 §4).
  const std::string parameter = all.empty() ? "" : u8(2) + u8(static_cast<unsigned>(all.size())) + all;
  return message(kOpen, u8(o.version) + u16(o.asn > 0xffff ? 23456 : o.asn) + u16(o.hold_time) + address(o.router_id) +
                            u8(static_cast<unsigned>(parameter.size())) + parameter);
}

std::string attribute(unsigned flags, unsigned type, const std::string& value) {
  const auto size = static_cast<unsigned>(value.size());
  if (size > 255) flags |= kExtended;
  return u8(flags) + u8(type) + (flags & kExtended ? u16(size) : u8(size)) + value;
}

std::string origin(unsigned v) { return attribute(kWellKnown, 1, u8(v)); }

std::string as_path(const std::vector<std::uint32_t>& asns) {
  std::string value;
  if (!asns.empty()) value = u8(2) + u8(static_cast<unsigned>(asns.size()));
  for (const auto n : asns) value += u32(n);
  return attribute(kWellKnown, 2, value);
}

std::string next_hop(const std::string& v4) { return attribute(kWellKnown, 3, address(v4)); }

std::string communities(const std::vector<std::uint32_t>& values) {
  std::string value;
  for (const auto v : values) value += u32(v);
  return attribute(kOptional | kTransitive, 8, value);
}

std::string mp_reach(const std::string& hop, const std::string& nlri) {
  const std::string bytes = address(hop);
  return attribute(kOptional, 14, u16(2) + u8(1) + u8(static_cast<unsigned>(bytes.size())) + bytes + u8(0) + nlri);
}

std::string update(const std::string& withdrawn, const std::string& attributes, const std::string& nlri) {
  return message(kUpdate, u16(static_cast<unsigned>(withdrawn.size())) + withdrawn +
                              u16(static_cast<unsigned>(attributes.size())) + attributes + nlri);
}

}  // namespace weft::interop::packet
