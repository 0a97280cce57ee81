// Waiting for facts.
#pragma once

#include <functional>
#include <string>

#include "async/task.h"
#include "base/result.h"

namespace weft::bench {

/// Looks again and again until `fact` holds; after two minutes fails with `what` and what `seen` says.
Task<Result<>> until(std::string what, std::function<bool()> fact, std::function<std::string()> seen);

}  // namespace weft::bench
