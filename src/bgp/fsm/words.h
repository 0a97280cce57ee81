// NOTIFICATIONs in words for people: what it means here, and what to do about it.
#pragma once

#include <string>

#include "bgp/packet/message.h"

namespace weft::bgp::fsm {

/// The peer sent `n`; `ours` is what we had offered.
std::string explain_received(const Notification& n, const Open& ours);
/// We sent `n` because of something the peer did.
std::string explain_sent(const Notification& n);

/// A Hard Reset (RFC 8538 §3.1): the session ends for good, no routes are kept.
bool is_hard_reset(const Notification& n);

}  // namespace weft::bgp::fsm
