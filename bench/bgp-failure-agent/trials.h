// The failures, each tried so many times.
#pragma once

#include "bench/figures/figures.h"
#include "world.h"

namespace weft::bench {

struct Kills {
  Figure lost;  // questions to a pod of the node without an answer
  Figure back;  // from the kill until the router has routes of the agent that came after
  std::uint64_t asked = 0;
};
/// The agent of a node gets SIGKILL under graceful restart, while a client beyond the router asks a pod of the node.
Task<Result<Kills>> kill_the_agent(World& world, unsigned trials);

/// The node's link is cut, BFD watches it with 3 × 100 ms: from the cut until its pods' routes of both families have
/// left the router's kernel.
Task<Result<Figure>> cut_the_link(World& world, unsigned trials);

}  // namespace weft::bench
