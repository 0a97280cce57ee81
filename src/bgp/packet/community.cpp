// Communities of the three kinds as people write them.
#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "bgp/packet/types.h"

namespace weft::bgp {
namespace {

/// Types and subtypes of RFC 4360 §3, §4, §5 and RFC 5668.
enum : std::uint8_t { kTwoOctetAs = 0x00, kIpv4Address = 0x01, kFourOctetAs = 0x02 };
enum : std::uint8_t { kRouteTarget = 0x02, kRouteOrigin = 0x03 };

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> not_extended(std::string_view text) {
  return fail(Errc::invalid, fmt::format("\"{}\" is not an extended community: write rt:ASN:NUMBER, rt:ADDRESS:NUMBER, "
                                         "the same with soo, or 0x and sixteen hexadecimal digits",
                                         text));
}

ExtendedCommunity extended(std::uint8_t type, std::uint8_t subtype, std::uint64_t value) {
  return std::uint64_t{type} << 56 | std::uint64_t{subtype} << 48 | value;
}

}  // namespace

Result<Community> parse_community(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    if (const auto whole = number<std::uint32_t>(text)) return *whole;
  } else {
    const auto upper = number<std::uint16_t>(text.substr(0, colon));
    const auto lower = number<std::uint16_t>(text.substr(colon + 1));
    if (upper && lower) return Community{*upper} << 16 | *lower;
  }
  return fail(
      Errc::invalid,
      fmt::format("\"{}\" is not a community: write two numbers of 0 to 65535 with a colon between them, or one "
                  "of 0 to 4294967295",
                  text));
}

Result<LargeCommunity> parse_large_community(std::string_view text) {
  const auto first = text.find(':');
  const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second != std::string_view::npos) {
    const auto global = number<std::uint32_t>(text.substr(0, first));
    const auto local1 = number<std::uint32_t>(text.substr(first + 1, second - first - 1));
    const auto local2 = number<std::uint32_t>(text.substr(second + 1));
    if (global && local1 && local2) return LargeCommunity{*global, *local1, *local2};
  }
  return fail(Errc::invalid,
              fmt::format("\"{}\" is not a large community: write three numbers of 0 to 4294967295 with colons", text));
}

Result<ExtendedCommunity> parse_extended_community(std::string_view text) {
  if (text.starts_with("0x") && text.size() == 18) {
    ExtendedCommunity raw = 0;
    const auto [end, ec] = std::from_chars(text.data() + 2, text.data() + text.size(), raw, 16);
    if (ec == std::errc{} && end == text.data() + text.size()) return raw;
    return not_extended(text);
  }
  std::uint8_t subtype = 0;
  if (text.starts_with("rt:")) subtype = kRouteTarget;
  if (text.starts_with("soo:")) subtype = kRouteOrigin;
  const auto last = text.rfind(':');
  const auto start = text.find(':') + 1;
  if (subtype == 0 || last < start) return not_extended(text);
  const std::string_view administrator = text.substr(start, last - start);
  const auto local = number<std::uint32_t>(text.substr(last + 1));
  if (!local) return not_extended(text);
  const bool short_local = *local <= std::numeric_limits<std::uint16_t>::max();
  if (const auto asn = number<std::uint32_t>(administrator)) {
    if (*asn <= std::numeric_limits<std::uint16_t>::max())
      return extended(kTwoOctetAs, subtype, std::uint64_t{*asn} << 32 | *local);
    if (short_local) return extended(kFourOctetAs, subtype, std::uint64_t{*asn} << 16 | *local);
    return not_extended(text);
  }
  const auto address = Address::parse(administrator);
  if (!address || !address->is_v4() || !short_local) return not_extended(text);
  return extended(kIpv4Address, subtype, std::uint64_t{address->to_v4()} << 16 | *local);
}

std::string community_text(Community c) { return fmt::format("{}:{}", c >> 16, c & 0xffff); }

std::string to_string(const LargeCommunity& c) { return fmt::format("{}:{}:{}", c.global, c.local1, c.local2); }

std::string extended_community_text(ExtendedCommunity c) {
  const auto type = static_cast<std::uint8_t>(c >> 56), subtype = static_cast<std::uint8_t>(c >> 48);
  if (subtype == kRouteTarget || subtype == kRouteOrigin) {
    const std::string_view name = subtype == kRouteTarget ? "rt" : "soo";
    const auto upper32 = static_cast<std::uint32_t>(c >> 16);
    if (type == kTwoOctetAs) return fmt::format("{}:{}:{}", name, (c >> 32) & 0xffff, c & 0xffffffff);
    if (type == kIpv4Address) return fmt::format("{}:{}:{}", name, Address::v4(upper32).to_string(), c & 0xffff);
    // A small number in the long form would be read back as the short one: print it raw.
    if (type == kFourOctetAs && upper32 > 0xffff) return fmt::format("{}:{}:{}", name, upper32, c & 0xffff);
  }
  return fmt::format("0x{:016x}", c);
}

}  // namespace weft::bgp
