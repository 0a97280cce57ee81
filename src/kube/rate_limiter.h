// RateLimiter: a token bucket that answers "how long must this request wait". Pure: the caller brings the clock.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace weft::kube {

class RateLimiter {
 public:
  /// `burst` at once, `qps` a second in the long run; qps 0 never waits.
  RateLimiter(double qps, unsigned burst) : qps_(qps), burst_(std::max(1u, burst)), tokens_(burst_) {}

  /// Takes one token, on credit if need be, and says after how long it may be used.
  Duration reserve(Steady::time_point now) {
    if (qps_ <= 0) return Duration::zero();
    if (last_ != Steady::time_point{}) {
      const double passed = std::chrono::duration<double>(now - last_).count();
      tokens_ = std::min<double>(burst_, tokens_ + std::max(0.0, passed) * qps_);
    }
    last_ = now;
    tokens_ -= 1;
    if (tokens_ >= 0) return Duration::zero();
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(-tokens_ / qps_));
  }

 private:
  double qps_;
  unsigned burst_;
  double tokens_;
  Steady::time_point last_{};
};

}  // namespace weft::kube
