// Since when this node drains: over a restart of the agent too, or a node drained long ago would announce its routes
// again for a while.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"

namespace weft::bgp::control {

inline std::string drain_file(const std::string& state_dir) { return state_dir + "/bgp-drain-since"; }

class DrainClock {
 public:
  /// The moment is kept in the file `path`; empty: in memory only.
  explicit DrainClock(std::string path) : path_(std::move(path)) {}

  /// Says whether the node drains, and is told for how long it has; none when it does not.
  std::optional<std::chrono::seconds> update(bool draining, Wall::time_point wall, Steady::time_point now);
  bool draining() const { return since_.has_value(); }

 private:
  Steady::time_point remembered(Wall::time_point wall, Steady::time_point now) const;

  std::string path_;
  std::optional<Steady::time_point> since_;
  bool looked_ = false;  // at the file, if only to remove it
};

}  // namespace weft::bgp::control
