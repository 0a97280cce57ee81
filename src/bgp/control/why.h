// Why a Service or a prefix is announced to each peer, or is not: the same decisions that make the routes, asked one by
// one and kept in words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bgp/control/routes.h"

namespace weft::bgp::control {

/// About one address (or network) and one peer; or a sentence about what there is none of, without prefix and peer.
struct Reason {
  std::string instance;
  std::string peer;
  std::string service;           // "shop/cart"; empty: the node's own
  std::string type;              // "LoadBalancerIP", "PodCIDR", "Interface"
  std::optional<Prefix> prefix;  // the host route or the network itself
  bool advertised = false;
  std::optional<Prefix> announced;  // what goes out for it: itself or an aggregate
  std::string because;              // the rule, or what stands against it, with the mend
  std::string attributes;           // "communities 65000:1"; empty: none
  bool operator==(const Reason&) const = default;
};
using Reasons = std::vector<Reason>;

/// What somebody asks about: a Service, a prefix, or everything.
struct WhyQuestion {
  std::optional<ObjectName> service;
  std::optional<Prefix> prefix;
};
/// The reasons, and where there are none a sentence that says why not: no object selects the node, the Service has no
/// address, nobody has the prefix, `waiting_for` is not listed yet. Errc::not_found: there is no such Service.
Result<Reasons> why(const RouteBuilder& routes, const WhyQuestion& question, const std::string& waiting_for);

/// Every address of the Service, to every peer. Empty when there is no such Service.
Reasons why_service(const RouteBuilder& routes, const ObjectName& service);
/// Every address or network inside `prefix`, or that `prefix` lies in, of Services and of the node.
Reasons why_prefix(const RouteBuilder& routes, const Prefix& prefix);
/// Everything.
Reasons why_all(const RouteBuilder& routes);

}  // namespace weft::bgp::control
