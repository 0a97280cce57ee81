// Why a Service or a prefix is announced to each peer, or is not: the same decisions that make the routes, asked one by
// one and kept in words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bgp/control/routes.h"

namespace weft::bgp::control {

/// About one address (or network) and one peer.
struct Reason {
  std::string instance;
  std::string peer;
  std::string service;  // "shop/cart"; empty: the node's own
  std::string type;     // "LoadBalancerIP", "PodCIDR", "Interface"
  Prefix prefix;        // the host route or the network itself
  bool advertised = false;
  std::optional<Prefix> announced;  // what goes out for it: itself or an aggregate
  std::string because;              // the rule, or what stands against it, with the mend
  std::string attributes;           // "communities 65000:1"; empty: none
  bool operator==(const Reason&) const = default;
};
using Reasons = std::vector<Reason>;

/// Every address of the Service, to every peer. Empty when there is no such Service.
Reasons why_service(const RouteBuilder& routes, const ObjectName& service);
/// Every address or network inside `prefix`, or that `prefix` lies in, of Services and of the node.
Reasons why_prefix(const RouteBuilder& routes, const Prefix& prefix);
/// Everything.
Reasons why_all(const RouteBuilder& routes);

}  // namespace weft::bgp::control
