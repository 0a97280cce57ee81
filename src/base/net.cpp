#include "base/net.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weft {

std::string_view to_string(Family f) { return f == Family::v4 ? "IPv4" : "IPv6"; }

Address Address::v4(std::uint32_t host_order) {
  return v4({static_cast<std::uint8_t>(host_order >> 24), static_cast<std::uint8_t>(host_order >> 16),
             static_cast<std::uint8_t>(host_order >> 8), static_cast<std::uint8_t>(host_order)});
}

Address Address::v4(std::array<std::uint8_t, 4> bytes) {
  Address a;
  std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
  return a;
}

Address Address::v6(std::array<std::uint8_t, 16> bytes) {
  Address a;
  a.family_ = Family::v6;
  a.bytes_ = bytes;
  return a;
}

Address Address::any(Family f) { return f == Family::v4 ? Address{} : v6({}); }

Result<Address> Address::parse(std::string_view text) {
  const std::string copy(text);  // inet_pton wants a terminated string
  Address a;
  if (copy.find(':') != std::string::npos) {
    a.family_ = Family::v6;
    if (inet_pton(AF_INET6, copy.c_str(), a.bytes_.data()) == 1) return a;
  } else if (inet_pton(AF_INET, copy.c_str(), a.bytes_.data()) == 1) {
    return a;
  }
  return fail(Errc::invalid, fmt::format("\"{}\" is not an IPv4 or IPv6 address", text));
}

std::uint32_t Address::to_v4() const {
  if (!is_v4()) return 0;
  return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 | std::uint32_t{bytes_[2]} << 8 | bytes_[3];
}

bool Address::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

bool Address::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}

bool Address::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool Address::is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

Address Address::plus(std::uint64_t n) const {
  Address out = *this;
  std::uint64_t carry = n;
  for (std::size_t i = bits() / 8; i-- > 0 && carry != 0;) {
    carry += out.bytes_[i];
    out.bytes_[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  return out;
}

std::string Address::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

namespace {

Address clear_host_bits(const Address& a, unsigned length) {
  std::array<std::uint8_t, 16> b = a.raw();
  for (unsigned i = 0; i < a.bits() / 8; ++i) {
    const unsigned first = i * 8;
    if (first >= length) {
      b[i] = 0;
    } else if (length - first < 8) {
      b[i] &= static_cast<std::uint8_t>(0xff00 >> (length - first));
    }
  }
  return a.is_v4() ? Address::v4(std::array<std::uint8_t, 4>{b[0], b[1], b[2], b[3]}) : Address::v6(b);
}

}  // namespace

Prefix::Prefix(Address address, unsigned length)
    : address_(clear_host_bits(address, std::min(length, address.bits()))), length_(std::min(length, address.bits())) {}

Result<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = Address::parse(text.substr(0, slash));
  if (!address) return fail(Errc::invalid, fmt::format("\"{}\" is not a CIDR", text));
  if (slash == std::string_view::npos) return host(*address);
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (ec != std::errc{} || end != digits.data() + digits.size() || length > address->bits())
    return fail(Errc::invalid, fmt::format("\"{}\" is not a CIDR: the length must be 0 to {}", text, address->bits()));
  return Prefix{*address, length};
}

bool Prefix::contains(const Address& a) const {
  return a.family() == family() && clear_host_bits(a, length_) == address_;
}

std::string Prefix::mask_bytes() const {
  std::string out(address_.bits() / 8, '\0');
  for (unsigned i = 0; i < length_; ++i) out[i / 8] = static_cast<char>(out[i / 8] | (0x80 >> (i % 8)));
  return out;
}

std::string Prefix::to_string() const { return fmt::format("{}/{}", address_.to_string(), length_); }

Result<Mac> Mac::parse(std::string_view text) {
  Mac mac;
  if (text.size() != 17) return fail(Errc::invalid, fmt::format("\"{}\" is not a MAC address", text));
  for (std::size_t i = 0; i < 6; ++i) {
    const char* at = text.data() + i * 3;
    const auto [end, ec] = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (ec != std::errc{} || end != at + 2 || (i < 5 && at[2] != ':' && at[2] != '-'))
      return fail(Errc::invalid, fmt::format("\"{}\" is not a MAC address", text));
  }
  return mac;
}

std::string Mac::to_string() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                     bytes[5]);
}

std::string_view to_string(Protocol p) {
  switch (p) {
    case Protocol::tcp: return "TCP";
    case Protocol::udp: return "UDP";
    case Protocol::sctp: return "SCTP";
    case Protocol::any: return "ANY";
  }
  return "ANY";
}

Result<Protocol> parse_protocol(std::string_view text) {
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp, Protocol::any})
    if (text == to_string(p)) return p;
  return fail(Errc::invalid, fmt::format("\"{}\" is not a protocol: use TCP, UDP or SCTP", text));
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  const auto bad = [&] { return fail(Errc::invalid, fmt::format("\"{}\" is not address:port", text)); };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto address = Address::parse(host);
  if (!address || address->is_v6() != bracketed) return bad();
  const std::string_view digits = text.substr(colon + 1);
  Port port = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc{} || end != digits.data() + digits.size()) return bad();
  return SocketAddress{*address, port};
}

std::string SocketAddress::to_string() const {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

}  // namespace weft

std::size_t std::hash<weft::Address>::operator()(const weft::Address& a) const noexcept {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  std::memcpy(&lo, a.raw().data(), 8);
  std::memcpy(&hi, a.raw().data() + 8, 8);
  std::uint64_t h = (lo ^ (hi * 0x9e3779b97f4a7c15ull)) + static_cast<std::uint64_t>(a.family());
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ull;
  h ^= h >> 32;
  return static_cast<std::size_t>(h);
}
