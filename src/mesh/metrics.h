// What Prometheus is told about the remote clusters: the cilium_clustermesh_* family of cilium-compat section 9, as far
// as RemoteStatus rows know it.
#pragma once

#include "metrics/registry.h"
#include "model/remote_status.h"
#include "state/table.h"

namespace weft::mesh {

void collect_metrics(metrics::Samples& out, const Table<RemoteStatus>& remotes);

}  // namespace weft::mesh
