// The agents' answers about BGP as tables, and a node's status object in the form of an agent's answer. Pure; what is
// missing shows as "-".
#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

#include "base/result.h"

namespace weft::cli {

namespace json = boost::json;

/// cilium-compat section 7.4: a second family of a peer stands on a row of its own. Below the table, why a session is
/// down, in words. With `capabilities` a row a capability instead of a family.
std::string bgp_peers_text(const json::value& peers, bool capabilities);
/// `table` is "available", "advertised" or "received": the latter two name the peer.
std::string bgp_routes_text(const json::value& routes, const std::string& table);
/// "… and 990000 more on n1: …": what the agents left out of such an answer; empty when nothing.
std::string bgp_more_text(const json::value& routes);
std::string bgp_why_text(const json::value& reasons);

/// What the status of CiliumBGPNodeConfigs says of the peers: less than an agent does.
json::array bgp_peers_of_status(const std::vector<json::object>& node_configs);

/// "advertised ipv4 unicast vrouter 65001 peer 10.0.0.1": words of the command line.
struct BgpRouteQuery {
  std::string table = "available";
  std::string afi = "ipv4";
  std::string safi = "unicast";
  std::string vrouter;
  std::string peer;
  std::string limit;  // of routes a node; empty: as many as the agent shows by itself
  /// "/v1/bgp/routes/advertised?afi=ipv4&…"
  std::string target() const;
};
Result<BgpRouteQuery> parse_route_words(const std::vector<std::string>& words);
/// A Service ("shop/cart", "cart") or a prefix, as the agent's socket wants to be asked.
std::string bgp_why_target(const std::string& what);

}  // namespace weft::cli
