// What the agent answers on its socket: read-only views of its tables.
#pragma once

#include <functional>
#include <vector>

#include "api/server.h"
#include "apps/agent/mesh_report.h"
#include "apps/agent/options.h"
#include "apps/agent/tables.h"
#include "datapath/lb_reconciler.h"

namespace weft::agent {

using TellUnserved = std::function<std::vector<Unserved>()>;

/// Everything must outlive the server.
void add_views(api::Server& server, const Options& options, Tables& tables, const LbReconciler& lb,
               const ReconcileHealth& lb_health, const LbMaps& maps, TellProblems problems, TellUnserved unserved);

}  // namespace weft::agent
