// The routes that a router's daemon has put into its kernel, followed as the kernel tells of them.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/interop/harness/host.h"

namespace weft::bench {

/// Counts routes of protocol "bgp" (186). Start it before there are any.
class RouteWatch {
 public:
  explicit RouteWatch(const interop::Host& host);
  ~RouteWatch();
  RouteWatch(const RouteWatch&) = delete;
  RouteWatch& operator=(const RouteWatch&) = delete;

  std::size_t routes() const;
  /// When the last change came.
  Steady::time_point last_change() const;

 private:
  void run();
  Fd netlink_, stop_;
  mutable std::mutex mutex_;
  std::map<std::string, int> routes_;  // family, length and destination → how often
  Steady::time_point last_change_{};
  std::thread thread_;
};

}  // namespace weft::bench
