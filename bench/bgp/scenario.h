// The four measurements. Each makes its own hosts and daemons, cold, and takes them away again.
#pragma once

#include <optional>

#include "bench/bgp/subject.h"

namespace weft::bgpbench {

struct Figure {
  double seconds = 0;
  double cpu_seconds = 0;      // of the speaker that is measured, its daemon alone
  std::uint64_t peak_kib = 0;  // the same; most since its start
};

/// Sent from a cold start, and withdrawn again.
struct Sent {
  Figure sent, withdrawn;
};

/// From the start of the sender to the last of `routes` at an FRR peer; then until all are withdrawn there.
Sent send_to_frr(Kind sender, std::uint32_t routes);
/// The same to `peers` sessions with equal output, until the slowest has all.
Sent send_to_crowd(Kind sender, std::uint32_t routes, unsigned peers);
/// From the start of the receiver until it has counted all `routes` of a peer that sends as fast as it can.
Figure receive(Kind receiver, std::uint32_t routes);

}  // namespace weft::bgpbench
