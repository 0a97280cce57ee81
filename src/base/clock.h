// Time as the code sees it. Steady time for timers, wall time for what leaves the process.
#pragma once

#include <chrono>
#include <string>

namespace weft {

using Duration = std::chrono::nanoseconds;
using Steady = std::chrono::steady_clock;
using Wall = std::chrono::system_clock;

/// RFC 3339 in UTC with whole seconds, as Kubernetes' metav1.Time: 2026-03-01T10:00:00Z.
std::string rfc3339(Wall::time_point t);
/// RFC 3339 in UTC with microseconds, as Kubernetes' metav1.MicroTime.
std::string rfc3339_micro(Wall::time_point t);
/// Reads either form (fraction of any length, Z or an offset). Epoch if it is not a time, or not of the years 1700 to
/// 2200.
Wall::time_point parse_rfc3339(const std::string& text);

}  // namespace weft
