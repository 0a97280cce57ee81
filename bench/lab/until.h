// Waiting for facts.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "async/task.h"
#include "base/result.h"

namespace weft::bench {

inline constexpr std::chrono::seconds kPatience{120};  // for one fact, on a machine busy with other work

/// Looks again and again until `fact` holds; after kPatience fails with `what` and what `seen` says.
Task<Result<>> until(std::string what, std::function<bool()> fact, std::function<std::string()> seen);

}  // namespace weft::bench
