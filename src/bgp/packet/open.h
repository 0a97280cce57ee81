// OPEN and its capabilities between bytes and values. Callers outside this folder use message.h.
#pragma once

#include <expected>

#include "bgp/packet/message.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {

/// The message without its header.
std::expected<Open, Notification> decode_open(wire::Bytes body);
void put_open(wire::Buffer& out, const Open& open);

/// The value of one Capabilities parameter (RFC 5492 §4), added to `out`. False when a capability that we know has a
/// wrong length, or one overruns the parameter.
bool read_capabilities(wire::Bytes parameter, Capabilities& out);
wire::Buffer capabilities_value(const Capabilities& capabilities);

}  // namespace weft::bgp
