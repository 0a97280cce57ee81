// Events and actions as short lines: for debug logs, and for tests that read like a transcript.
#pragma once

#include <string>

#include "bgp/fsm/events.h"

namespace weft::bgp::fsm {

std::string describe(const Message& message);  // "OPEN as 65001 hold 90", "NOTIFICATION 6/2"
std::string describe(const Event& event);      // "received KEEPALIVE on 1"
std::string describe(const Action& action);    // "send KEEPALIVE on 1", "set hold 1 to 90s"

}  // namespace weft::bgp::fsm
