// The header, the small messages, and who decodes what.
#include "bgp/packet/message.h"

#include <algorithm>

#include "base/log.h"
#include "bgp/packet/open.h"
#include "bgp/packet/update.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {
namespace {

using wire::kMarkerSize;
constexpr std::uint8_t kInvalidRefreshLength = 1;  // RFC 7313 §5

std::unexpected<Notification> header_fault(std::uint8_t subcode, std::vector<std::uint8_t> data = {}) {
  return std::unexpected(Notification{ErrorCode::message_header, subcode, std::move(data)});
}

std::unexpected<Notification> bad_length(std::size_t length) {
  return header_fault(header_error::kBadLength,
                      {static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)});
}

struct Bounds {
  std::size_t least, most;
};
/// RFC 4271 §6.1, 2918 §3; RFC 8654 §4 leaves OPEN and KEEPALIVE as they were. None for an unknown type.
std::optional<Bounds> bounds(std::uint8_t type, const Context& context) {
  const std::size_t most = context.extended_message ? kMaxExtendedMessage : kMaxMessage;
  switch (static_cast<MessageType>(type)) {
    case MessageType::open: return Bounds{29, kMaxMessage};
    case MessageType::update: return Bounds{23, most};
    case MessageType::notification: return Bounds{21, most};
    case MessageType::keepalive: return Bounds{kHeaderSize, kHeaderSize};
    case MessageType::route_refresh: return Bounds{23, most};
  }
  return std::nullopt;
}

// | code (1) | subcode (1) | data |   RFC 4271 §4.5
Notification decode_notification(wire::Bytes body) {
  return {static_cast<ErrorCode>(body[0]), body[1], {body.begin() + 2, body.end()}};
}

// | AFI (2) | subtype (1) | SAFI (1) |   RFC 7313 §3.2; RFC 2918 had the third octet reserved
std::expected<RouteRefresh, Notification> decode_route_refresh(wire::Bytes message, const Context& context) {
  wire::Reader r(message.subspan(kHeaderSize));
  RouteRefresh out;
  out.family.afi = r.u16();
  const std::uint8_t subtype = r.u8();
  if (context.enhanced_route_refresh) out.subtype = static_cast<RouteRefresh::Subtype>(subtype);
  out.family.safi = r.u8();
  // What may follow a request is a filter (RFC 5291), which we never offer to honour: the whole family is an answer to
  // it. The marks of RFC 7313 have no such excuse.
  const bool mark = out.subtype == RouteRefresh::Subtype::begin || out.subtype == RouteRefresh::Subtype::end;
  if (mark && r.left() > 0)
    return std::unexpected(
        Notification{ErrorCode::route_refresh_message, kInvalidRefreshLength, {message.begin(), message.end()}});
  return out;
}

wire::Buffer start(MessageType type) {
  wire::Buffer out(kMarkerSize, 0xff);
  wire::put16(out, 0);
  wire::put8(out, static_cast<unsigned>(type));
  return out;
}

wire::Buffer body_of(const Open& open, const Context&) {
  auto out = start(MessageType::open);
  put_open(out, open);
  return out;
}

wire::Buffer body_of(const Update& update, const Context& context) {
  auto out = start(MessageType::update);
  put_update(out, update, context);
  return out;
}

wire::Buffer body_of(const Notification& n, const Context& context) {
  auto out = start(MessageType::notification);
  wire::put8(out, static_cast<unsigned>(n.code));
  wire::put8(out, n.subcode);
  // The data may quote a message that was as long as messages get.
  const std::size_t most = context.extended_message ? kMaxExtendedMessage : kMaxMessage;
  wire::put(out, wire::Bytes(n.data).first(std::min(n.data.size(), most - out.size())));
  return out;
}

wire::Buffer body_of(const Keepalive&, const Context&) { return start(MessageType::keepalive); }

wire::Buffer body_of(const RouteRefresh& refresh, const Context&) {
  auto out = start(MessageType::route_refresh);
  wire::put16(out, refresh.family.afi);
  wire::put8(out, static_cast<unsigned>(refresh.subtype));
  wire::put8(out, refresh.family.safi);
  return out;
}

}  // namespace

// | marker (16), all ones | length (2), of everything | type (1) |   RFC 4271 §4.1
std::expected<std::size_t, Notification> message_length(std::span<const std::uint8_t> data, const Context& context) {
  WEFT_CHECK(data.size() >= kHeaderSize);
  const auto marker = data.first(kMarkerSize);
  if (std::any_of(marker.begin(), marker.end(), [](std::uint8_t b) { return b != 0xff; }))
    return header_fault(header_error::kNotSynchronized);
  wire::Reader r(data.subspan(kMarkerSize));
  const std::size_t length = r.u16();
  const std::uint8_t type = r.u8();
  const auto limits = bounds(type, context);
  if (length < kHeaderSize || length > (context.extended_message ? kMaxExtendedMessage : kMaxMessage))
    return bad_length(length);
  if (!limits) return header_fault(header_error::kBadType, {type});
  if (length < limits->least || length > limits->most) return bad_length(length);
  return length;
}

std::expected<Decoded, Notification> decode(std::span<const std::uint8_t> message, const Context& context) {
  if (message.size() < kHeaderSize) return bad_length(message.size());
  const auto length = message_length(message, context);
  if (!length) return std::unexpected(length.error());
  if (*length != message.size()) return bad_length(*length);
  const auto body = message.subspan(kHeaderSize);
  switch (static_cast<MessageType>(message[kHeaderSize - 1])) {
    case MessageType::open: {
      auto open = decode_open(body);
      if (!open) return std::unexpected(std::move(open).error());
      return Decoded{std::move(*open), {}};
    }
    case MessageType::update: return decode_update(body, context);
    case MessageType::notification: return Decoded{decode_notification(body), {}};
    case MessageType::keepalive: return Decoded{Keepalive{}, {}};
    case MessageType::route_refresh: {
      auto refresh = decode_route_refresh(message, context);
      if (!refresh) return std::unexpected(std::move(refresh).error());
      return Decoded{*refresh, {}};
    }
  }
  return header_fault(header_error::kBadType, {message[kHeaderSize - 1]});
}

std::vector<std::uint8_t> encode(const Message& message, const Context& context) {
  auto out = std::visit([&](const auto& m) { return body_of(m, context); }, message);
  WEFT_CHECK(out.size() <= kMaxExtendedMessage);
  wire::patch16(out, kMarkerSize, out.size());
  return out;
}

}  // namespace weft::bgp
