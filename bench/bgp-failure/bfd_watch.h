// BFD's packets on the router's side of the link: when the last came from the node, and when the router said Down.
#pragma once

#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/interop/harness/host.h"

namespace weft::bench {

/// IPv4, single hop. Start it when the interface is there; moments are those at which the kernel saw the packets.
class BfdWatch {
 public:
  BfdWatch(const interop::Host& router, const std::string& interface);
  ~BfdWatch();
  BfdWatch(const BfdWatch&) = delete;
  BfdWatch& operator=(const BfdWatch&) = delete;

  void forget_down();
  std::optional<Steady::time_point> last_from_node() const;
  /// The first packet of the router whose state is Down, since forget_down().
  std::optional<Steady::time_point> first_down() const;

 private:
  void run();
  Fd packets_, stop_;
  mutable std::mutex mutex_;
  std::optional<Steady::time_point> last_, down_;
  std::thread thread_;
};

}  // namespace weft::bench
