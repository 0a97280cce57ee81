// The measuring processes: one in a node of cluster1 changes the slice in cluster2 and waits for the node's map; one
// beside cluster2's API server notes when its etcd has a change.
#pragma once

#include "job.h"

namespace weft::bench {

/// Changes that are made first and not counted.
inline constexpr int kWarmUp = 40;
/// One address for each change, all of one length, so that nothing of an earlier change can be taken for this one.
std::string address_of(int change);

/// Prints a JSON array of changes with their moments (report.h), all but `committed`. Returns the exit code.
int measure(const Job& job);

/// Runs beside cluster2's API server: prints "address seconds" for each change that its etcd commits, until the last.
int record(const Job& job);

}  // namespace weft::bench
