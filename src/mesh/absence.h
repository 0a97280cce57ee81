// Absence: whether a remote that cannot be reached has been away for longer than clustermesh-cache-ttl allows.
// Pure: the caller brings the clock. Source: cilium-compat section 1.13.
#pragma once

#include <optional>

#include "base/clock.h"

namespace weft::mesh {

class Absence {
 public:
  /// `limit` 0: an absence never lasts too long.
  explicit Absence(Duration limit) : limit_(limit) {}

  /// Tell it how things are now and then. True exactly once an absence, when that has lasted for the limit.
  bool too_long(bool connected, Steady::time_point now) {
    if (connected || limit_ <= Duration::zero()) {
      since_.reset();
      told_ = false;
      return false;
    }
    if (!since_) since_ = now;
    if (told_ || now - *since_ < limit_) return false;
    told_ = true;
    return true;
  }

 private:
  Duration limit_;
  std::optional<Steady::time_point> since_;
  bool told_ = false;
};

}  // namespace weft::mesh
