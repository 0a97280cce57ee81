// GET /metrics of a Server, for Prometheus and for `curl --unix-socket`.
#pragma once

#include "api/server.h"
#include "metrics/registry.h"

namespace weft::api {

/// `registry` must live as long as `server` runs.
void add_metrics(Server& server, const metrics::Registry& registry);

}  // namespace weft::api
