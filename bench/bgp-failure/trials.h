// The failures, each tried so many times.
#pragma once

#include "bench/figures/figures.h"

namespace weft::bench {

struct Cuts {
  Figure whole;    // from the cut until the last of a hundred routes, of both families, has left the router's kernel
  Figure silence;  // of it and a little before: from BFD's last packet until the router's BFD says Down
  Figure router;   // of it: from there until the routes are gone
};
/// The node's link is cut, BFD watches it with 3 × 100 ms. With FRR on the node too, the same shows what is the
/// router's part.
Cuts cut_the_link(unsigned trials, bool frr_node);

struct Restarts {
  Figure lost;  // packets of each trial
  Figure gap;   // the longest silence of each trial, milliseconds
};
/// The speaker is killed and started again under constant traffic to an address behind the node. With graceful restart
/// nothing may be lost; without it, the same shows what that is worth.
Restarts kill_the_speaker(unsigned trials, bool graceful);

}  // namespace weft::bench
