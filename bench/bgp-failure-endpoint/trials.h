// A pod that is the last local endpoint of its node comes and goes, so many times.
#pragma once

#include "bench/figures/figures.h"
#include "world.h"

namespace weft::bench {

struct Goings {
  Figure announced;    // the pod's first answer → announced
  Figure gone;         // deletion sent → the routers have no route to its node
  Figure terminating;  // the slice says "terminating" → the same
  Figure margin;       // the same → its last answer
  Figure lost;         // questions to the Service's addresses without an answer
  std::uint64_t asked = 0;
};

/// `grace`: seconds for which a pod goes on answering after SIGTERM.
Task<Result<Goings>> let_endpoints_go(World& world, kube::Client& client, unsigned trials, unsigned grace);

}  // namespace weft::bench
