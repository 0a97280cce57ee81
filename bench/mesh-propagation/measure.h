// The measuring process: runs in a node of cluster1, changes the slice in cluster2 and waits for the node's map.
#pragma once

#include "job.h"

namespace weft::bench {

/// Prints the report (report.h) as one line of JSON. Returns the exit code.
int measure(const Job& job);

}  // namespace weft::bench
