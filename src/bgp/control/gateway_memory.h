// Default gateways for some time after their route went: a DHCP client or a network manager that restarts takes it out
// of the kernel for a moment, and a peer that is removed loses all routes, graceful restart or not.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "base/clock.h"
#include "bgp/control/plan.h"

namespace weft::bgp::control {

/// Of one family.
class GatewayMemory {
 public:
  /// How long a gateway stays without its route. BGP's usual hold time: whoever does not answer is away by then.
  static constexpr std::chrono::seconds kHold{90};
  explicit GatewayMemory(std::chrono::milliseconds hold = kHold) : hold_(hold) {}

  struct Known {
    std::vector<Gateway> all;   // sorted: those with a route, and those that are waited for
    std::vector<Gateway> lost;  // of `all`, those whose route went since the last look
  };
  /// Is told what default_gateways() says now. One that is gone stays while its link is up, until routes name another
  /// one on the same link or its time is over.
  Known look(const std::vector<Gateway>& now_routed, const std::vector<netlink::Link>& links, Steady::time_point now);

 private:
  struct Entry {
    Steady::time_point routed;  // when it last had a route
    bool lost = false;
  };
  std::chrono::milliseconds hold_;
  std::map<Gateway, Entry> entries_;
};

}  // namespace weft::bgp::control
