// Runs one probe or lifecycle hook against a running container.
#pragma once

#include "async/task.h"
#include "lab/node/pod.h"
#include "lab/sys/process.h"

namespace weft::lab {

/// Where a handler acts.
struct ProbeTarget {
  ProcessId process;   // the container's
  std::string netns;   // path; empty: the node's own
  std::string host;    // the pod's address, for handlers that name none
  std::string cgroup;  // that exec joins
  std::vector<std::string> env;
};

/// Success, or why not. Takes at most `limit`. Exec runs in the container's namespaces; HTTP and TCP connect from
/// within the pod's network namespace.
Task<Result<>> run_handler(Handler handler, ContainerSpec container, ProbeTarget target,
                           std::chrono::milliseconds limit);

}  // namespace weft::lab
