// Exponential backoff with jitter.
#pragma once

#include <chrono>

namespace weft {

/// next() gives first, 2·first, 4·first … up to max, each varied by ±jitter so that a herd spreads.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max, double jitter = 0.2);
  std::chrono::milliseconds next();
  void reset() { current_ = std::chrono::milliseconds{0}; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds max_;
  double jitter_;
  std::chrono::milliseconds current_{0};
};

}  // namespace weft
