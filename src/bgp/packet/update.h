// UPDATE between bytes and values. Callers outside this folder use message.h.
#pragma once

#include <expected>

#include "bgp/packet/message.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {

/// The message without its header.
std::expected<Decoded, Notification> decode_update(wire::Bytes body, const Context& context);
void put_update(wire::Buffer& out, const Update& update, const Context& context);

}  // namespace weft::bgp
