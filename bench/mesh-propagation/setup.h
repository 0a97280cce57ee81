// What must be in the two clusters before the measuring starts.
#pragma once

#include "bench/lab/lab.h"
#include "job.h"

namespace weft::bench {

/// Installs Weft in both clusters and meshes them, as everybody does.
Result<> install(Lab& lab);

/// Makes a global Service without selector in both clusters and its EndpointSlice in cluster2, and gathers what the
/// measuring process needs. Safe to do twice in the same lab.
Result<Job> prepare(const std::string& kubeconfig, int changes);

}  // namespace weft::bench
