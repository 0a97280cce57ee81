// Addresses, prefixes, MACs: the value types every layer shares. Both families from the first line:
// an Address is IPv4 or IPv6 and compares, hashes and prints (RFC 5952) as one type.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };
std::string_view to_string(Family);

/// An IP address. IPv4 lives in the first four bytes, network order; the rest is zero.
class Address {
 public:
  constexpr Address() = default;  // 0.0.0.0
  static Address v4(std::uint32_t host_order);
  static Address v4(std::array<std::uint8_t, 4> bytes);
  static Address v6(std::array<std::uint8_t, 16> bytes);
  /// "10.1.2.3", "fd00::1". No zone, no port, no prefix length; IPv4-mapped IPv6 stays IPv6.
  static Result<Address> parse(std::string_view text);
  static Address any(Family f);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::v4; }
  bool is_v6() const { return family_ == Family::v6; }
  /// 4 or 16 bytes, network order.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4u : 16u}; }
  const std::array<std::uint8_t, 16>& raw() const { return bytes_; }
  /// IPv4 as a number in host order; 0 for IPv6.
  std::uint32_t to_v4() const;
  /// 32 or 128.
  unsigned bits() const { return is_v4() ? 32 : 128; }
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_multicast() const;
  /// The address `n` after this one, wrapping within the family.
  Address plus(std::uint64_t n) const;
  std::string to_string() const;

  auto operator<=>(const Address&) const = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

/// An address and a length, host bits always zero (10.1.2.0/24).
class Prefix {
 public:
  Prefix() = default;
  /// Host bits of `address` are cleared. `length` is at most address.bits().
  Prefix(Address address, unsigned length);
  /// "10.1.0.0/16"; host bits set are accepted and cleared; a plain address is a host prefix.
  static Result<Prefix> parse(std::string_view text);
  /// The /32 or /128 of an address.
  static Prefix host(Address a) { return {a, a.bits()}; }

  const Address& address() const { return address_; }
  unsigned length() const { return length_; }
  Family family() const { return address_.family(); }
  bool is_host() const { return length_ == address_.bits(); }
  bool contains(const Address& a) const;
  bool contains(const Prefix& p) const { return p.length_ >= length_ && contains(p.address_); }
  bool overlaps(const Prefix& p) const { return contains(p) || p.contains(*this); }
  /// Netmask bytes, 4 or 16 of them, as Go's net.IPMask has them.
  std::string mask_bytes() const;
  std::string to_string() const;

  auto operator<=>(const Prefix&) const = default;

 private:
  Address address_;
  unsigned length_ = 0;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};
  static Result<Mac> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const Mac&) const = default;
};

/// Transport protocols by their IANA numbers, as Kubernetes spells them.
enum class Protocol : std::uint8_t { any = 0, tcp = 6, udp = 17, sctp = 132 };
std::string_view to_string(Protocol);  // "TCP", "UDP", "SCTP", "ANY"
Result<Protocol> parse_protocol(std::string_view text);

/// A transport port, host order.
using Port = std::uint16_t;

/// "10.0.0.1:80", "[fd00::1]:80".
struct SocketAddress {
  Address address;
  Port port = 0;
  static Result<SocketAddress> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const SocketAddress&) const = default;
};

}  // namespace weft

template <>
struct std::hash<weft::Address> {
  std::size_t operator()(const weft::Address& a) const noexcept;
};
template <>
struct std::hash<weft::Prefix> {
  std::size_t operator()(const weft::Prefix& p) const noexcept {
    return std::hash<weft::Address>{}(p.address()) * 31 + p.length();
  }
};
