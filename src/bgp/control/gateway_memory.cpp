#include "bgp/control/gateway_memory.h"

#include <algorithm>
#include <utility>

namespace weft::bgp::control {

GatewayMemory::Known GatewayMemory::look(const std::vector<Gateway>& now_routed,
                                         const std::vector<netlink::Link>& links, Steady::time_point now) {
  const auto replaced = [&](const Gateway& g) {
    return std::any_of(now_routed.begin(), now_routed.end(),
                       [&](const Gateway& other) { return other.interface == g.interface; });
  };
  const auto link_is_up = [&](const Gateway& g) {
    return std::any_of(links.begin(), links.end(),
                       [&](const netlink::Link& l) { return l.name == g.interface && l.up; });
  };
  for (const Gateway& g : now_routed) entries_[g] = {now, false};
  std::erase_if(entries_, [&](const auto& entry) {
    const auto& [gateway, e] = entry;
    return e.routed != now && (replaced(gateway) || !link_is_up(gateway) || now - e.routed >= hold_);
  });
  Known known;
  for (auto& [gateway, e] : entries_) {
    known.all.push_back(gateway);
    if (e.routed != now && !std::exchange(e.lost, true)) known.lost.push_back(gateway);
  }
  return known;
}

}  // namespace weft::bgp::control
