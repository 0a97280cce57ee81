// When the API server's watch said what about a pod, in the EndpointSlices of a namespace.
#pragma once

#include <map>
#include <string>

#include "async/task.h"
#include "base/clock.h"
#include "kube/client.h"

namespace weft::bench {

struct SliceMoments {
  std::map<std::string, Steady::time_point> ready, terminating;  // by pod, the first time
  std::string error;                                             // why the watch ended
};

/// Follows the slices until cancelled; an end of the watch is in `out.error`.
Task<> watch_slices(kube::Client& client, std::string ns, SliceMoments& out);

}  // namespace weft::bench
