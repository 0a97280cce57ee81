// What the agent's end means for the node's routes: whether its routers shall wait for it or look elsewhere.
#pragma once

#include "bgp/control/plan.h"
#include "kube/types/core.h"

namespace weft::agent {

enum class Farewell {
  restart,   // it comes back: peers with graceful restart keep the routes (RFC 4724)
  drained,   // the drain is over, no peer is told a route any more
  shutdown,  // the node goes down, and its datapath with it
};

/// `node`: this node's own object; null: not known. A node that only began to drain is still wanted, and so is what
/// graceful restart keeps of it.
Farewell farewell(const kube::CoreNode* node, bool draining, const bgp::control::Plan& plan);

}  // namespace weft::agent
