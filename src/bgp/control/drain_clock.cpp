#include "bgp/control/drain_clock.h"

#include <filesystem>

#include "base/file.h"
#include "base/log.h"

namespace weft::bgp::control {

Steady::time_point DrainClock::remembered(Wall::time_point wall, Steady::time_point now) const {
  if (path_.empty()) return now;
  if (const auto text = read_file(path_)) {
    const Wall::time_point then = parse_rfc3339(*text);
    // A clock that was set back, or no time at all: it begins anew.
    if (then != Wall::time_point{} && then <= wall)
      return now - std::chrono::duration_cast<Steady::duration>(wall - then);
  }
  if (const auto r = write_file(path_, rfc3339(wall)); !r)
    log::warn("a restart will not know since when this node drains", {{"error", r.error().message}});
  return now;
}

std::optional<std::chrono::seconds> DrainClock::update(bool draining, Wall::time_point wall, Steady::time_point now) {
  if (draining) {
    if (!since_) since_ = remembered(wall, now);
    looked_ = true;
    return std::chrono::duration_cast<std::chrono::seconds>(now - *since_);
  }
  if ((since_ || !looked_) && !path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  looked_ = true;
  since_.reset();
  return std::nullopt;
}

}  // namespace weft::bgp::control
