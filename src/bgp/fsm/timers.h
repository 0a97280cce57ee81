// The timers that a session has one of, whatever its connections.
#pragma once

#include "bgp/fsm/events.h"

namespace weft::bgp::fsm {

inline constexpr Timer kRetry{Timer::Kind::connect_retry, 0};
inline constexpr Timer kPath{Timer::Kind::path, 0};

}  // namespace weft::bgp::fsm
