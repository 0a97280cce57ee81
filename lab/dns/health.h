// A few bytes of HTTP for readiness probes.
#pragma once

#include <functional>

#include "async/scope.h"

namespace weft::lab {

/// Answers every GET on `port` with 200 while `healthy` says so, with 503 otherwise. Until cancelled.
Task<> serve_health(Scope& scope, unsigned port, std::function<bool()> healthy);

}  // namespace weft::lab
