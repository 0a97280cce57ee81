#include "bgp/packet/notification.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bgp/packet/wire.h"

namespace weft::bgp {
namespace {

constexpr std::size_t kMaxShutdownText = 255;  // RFC 9003 §2
constexpr std::size_t kMaxShownData = 32;      // octets of other data that to_string prints

template <std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, std::uint8_t subcode) {
  return subcode < N ? names[subcode] : std::string_view{};
}

std::string_view code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::message_header: return "Message Header Error";
    case ErrorCode::open_message: return "OPEN Message Error";
    case ErrorCode::update_message: return "UPDATE Message Error";
    case ErrorCode::hold_timer_expired: return "Hold Timer Expired";
    case ErrorCode::finite_state_machine: return "Finite State Machine Error";
    case ErrorCode::cease: return "Cease";
    case ErrorCode::route_refresh_message: return "ROUTE-REFRESH Message Error";
  }
  return {};
}

/// IANA, BGP Error Subcodes; empty for what has no name. Subcode 0 is "unspecific" and adds nothing.
std::string_view subcode_name(ErrorCode code, std::uint8_t subcode) {
  static constexpr std::array<std::string_view, 4> kHeader{"", "Connection Not Synchronized", "Bad Message Length",
                                                           "Bad Message Type"};
  static constexpr std::array<std::string_view, 12> kOpen{"",
                                                          "Unsupported Version Number",
                                                          "Bad Peer AS",
                                                          "Bad BGP Identifier",
                                                          "Unsupported Optional Parameter",
                                                          "Authentication Failure",
                                                          "Unacceptable Hold Time",
                                                          "Unsupported Capability",
                                                          "",
                                                          "",
                                                          "",
                                                          "Role Mismatch"};
  static constexpr std::array<std::string_view, 12> kUpdate{"",
                                                            "Malformed Attribute List",
                                                            "Unrecognized Well-known Attribute",
                                                            "Missing Well-known Attribute",
                                                            "Attribute Flags Error",
                                                            "Attribute Length Error",
                                                            "Invalid ORIGIN Attribute",
                                                            "AS Routing Loop",
                                                            "Invalid NEXT_HOP Attribute",
                                                            "Optional Attribute Error",
                                                            "Invalid Network Field",
                                                            "Malformed AS_PATH"};
  static constexpr std::array<std::string_view, 4> kFsm{"", "Unexpected Message in OpenSent State",
                                                        "Unexpected Message in OpenConfirm State",
                                                        "Unexpected Message in Established State"};
  static constexpr std::array<std::string_view, 11> kCease{"",
                                                           "Maximum Number of Prefixes Reached",
                                                           "Administrative Shutdown",
                                                           "Peer De-configured",
                                                           "Administrative Reset",
                                                           "Connection Rejected",
                                                           "Other Configuration Change",
                                                           "Connection Collision Resolution",
                                                           "Out of Resources",
                                                           "Hard Reset",
                                                           "BFD Down"};
  static constexpr std::array<std::string_view, 2> kRefresh{"", "Invalid Message Length"};
  switch (code) {
    case ErrorCode::message_header: return name_of(kHeader, subcode);
    case ErrorCode::open_message: return name_of(kOpen, subcode);
    case ErrorCode::update_message: return name_of(kUpdate, subcode);
    case ErrorCode::finite_state_machine: return name_of(kFsm, subcode);
    case ErrorCode::cease: return name_of(kCease, subcode);
    case ErrorCode::route_refresh_message: return name_of(kRefresh, subcode);
    case ErrorCode::hold_timer_expired: return {};
  }
  return {};
}

/// The octets of the UTF-8 character at the front, or 0 when there is none (RFC 3629 §4: no overlong forms, no
/// surrogates, nothing beyond U+10FFFF).
std::size_t utf8_character(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  std::size_t size = 0;
  if (lead >= 0xc2 && lead <= 0xdf) size = 2;
  if (lead >= 0xe0 && lead <= 0xef) size = 3;
  if (lead >= 0xf0 && lead <= 0xf4) size = 4;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  const bool bad = (lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f) || (lead == 0xf0 && at(1) < 0x90) ||
                   (lead == 0xf4 && at(1) > 0x8f);
  return bad ? 0 : size;
}

/// Printable: what a peer wrote must not move the cursor of whoever reads a log (RFC 9003 §6). Octets that are not
/// UTF-8 and control characters become "\x07".
std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    const auto lead = static_cast<std::uint8_t>(text[0]);
    // C1 controls are U+0080 to U+009F.
    const bool c1 = size == 2 && lead == 0xc2 && static_cast<std::uint8_t>(text[1]) < 0xa0;
    const std::size_t consumed = std::max<std::size_t>(size, 1);
    if (size == 0 || c1 || (size == 1 && (lead < 0x20 || lead == 0x7f))) {
      for (std::size_t i = 0; i < consumed; ++i) out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(text[i]));
    } else {
      out += text.substr(0, consumed);
    }
    text.remove_prefix(consumed);
  }
  return out;
}

}  // namespace

Notification Notification::shutdown(std::uint8_t subcode, std::string_view text) {
  std::size_t size = 0;
  while (size < text.size()) {
    const std::size_t character = std::max<std::size_t>(utf8_character(text.substr(size)), 1);
    if (size + character > kMaxShutdownText) break;
    size += character;
  }
  Notification out{ErrorCode::cease, subcode, {}};
  out.data.push_back(static_cast<std::uint8_t>(size));
  out.data.insert(out.data.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
  return out;
}

Notification Notification::hard_reset(const Notification& inner) {
  Notification out{ErrorCode::cease, cease::kHardReset, {static_cast<std::uint8_t>(inner.code), inner.subcode}};
  out.data.insert(out.data.end(), inner.data.begin(), inner.data.end());
  return out;
}

std::optional<Notification> Notification::inner() const {
  if (code != ErrorCode::cease || subcode != cease::kHardReset || data.size() < 2) return std::nullopt;
  return Notification{static_cast<ErrorCode>(data[0]), data[1], {data.begin() + 2, data.end()}};
}

std::string Notification::shutdown_text() const {
  if (code != ErrorCode::cease) return {};
  if (subcode == cease::kHardReset) {
    // One level: a hard reset inside a hard reset means nothing.
    const auto wrapped = inner();
    return wrapped && wrapped->subcode != cease::kHardReset ? wrapped->shutdown_text() : std::string{};
  }
  if ((subcode != cease::kAdminShutdown && subcode != cease::kAdminReset) || data.empty()) return {};
  const std::size_t size = std::min<std::size_t>(data[0], data.size() - 1);
  return escaped({reinterpret_cast<const char*>(data.data()) + 1, size});
}

std::string Notification::to_string() const {
  const auto name = code_name(code);
  std::string out = name.empty() ? fmt::format("error code {}", static_cast<unsigned>(code)) : std::string(name);
  const auto sub = subcode_name(code, subcode);
  if (!sub.empty()) {
    out += fmt::format("/{}", sub);
  } else if (subcode != 0) {
    out += fmt::format("/subcode {}", subcode);
  }
  if (const auto wrapped = inner(); wrapped && !wrapped->inner())
    return fmt::format("{} ({})", out, wrapped->to_string());
  if (const auto text = shutdown_text(); !text.empty()) return fmt::format("{}: \"{}\"", out, text);
  const bool text_of_shutdown =
      code == ErrorCode::cease && (subcode == cease::kAdminShutdown || subcode == cease::kAdminReset);
  if (!data.empty() && !(text_of_shutdown && data[0] == 0)) {
    out += ": data ";
    for (std::size_t i = 0; i < std::min(data.size(), kMaxShownData); ++i) out += fmt::format("{:02x}", data[i]);
    if (data.size() > kMaxShownData) out += fmt::format("… ({} octets)", data.size());
  }
  return out;
}

}  // namespace weft::bgp
