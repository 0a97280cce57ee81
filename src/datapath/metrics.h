// What Prometheus is told about service load balancing: how full the maps are and what the programs did.
#pragma once

#include "datapath/lb_maps.h"
#include "datapath/lb_plan.h"
#include "metrics/registry.h"

namespace weft {

/// cilium_bpf_map_pressure (used / size) of lb_frontends, lb_backends, lb_slots and lb_members, and the counters of
/// sock_lb. Cheap: the state knows what it wrote, no map is walked.
void collect_metrics(metrics::Samples& out, const LbState& state, const LbMaps& maps);

}  // namespace weft
