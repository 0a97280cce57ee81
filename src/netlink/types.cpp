#include "netlink/types.h"

namespace weft::netlink {

std::string Route::to_string() const {
  std::string out = type == RouteType::unicast ? "" : type == RouteType::blackhole ? "blackhole " : "unreachable ";
  out += destination.to_string();
  if (via) out += " via " + via->to_string();
  if (ifindex > 0) out += " dev " + std::to_string(ifindex);
  for (const RouteHop& hop : hops) {
    out += " nexthop";
    if (hop.via) out += " via " + hop.via->to_string();
    if (hop.ifindex > 0) out += " dev " + std::to_string(hop.ifindex);
  }
  if (onlink) out += " onlink";
  if (source) out += " src " + source->to_string();
  if (table != kMainTable) out += " table " + std::to_string(table);
  if (metric > 0) out += " metric " + std::to_string(metric);
  return out;
}

}  // namespace weft::netlink
