// What the agent says of BGP: answers of its socket, the status of its CiliumBGPNodeConfig, metrics. Pure.
#pragma once

#include <boost/json.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bgp/control/plan.h"
#include "bgp/control/why.h"
#include "bgp/speaker/diff.h"
#include "bgp/speaker/status.h"

namespace weft::bgp::control {

namespace json = boost::json;

/// [{instance, name, localASN, peerASN, address, port, state, uptimeSeconds, establishedTime, families: [{family,
/// received, advertised, …}], down: {kind, words, at}, heldDown, bfd, …}]
json::array peers_view(const std::vector<PeerStatus>& peers, const Plan& plan, Wall::time_point now);
/// [{instance, localASN, peer, prefix, nextHop, ageSeconds, attributes, stale, best, note}]
json::array routes_view(const std::vector<RouteView>& routes, const Plan& plan, Wall::time_point now);
/// The same of what we have to say, each route once, with whom it is for: {…, peers: [names]} instead of peer and note.
json::array available_view(const std::vector<RouteView>& routes, const Plan& plan, Wall::time_point now);
/// Adds what an answer that was cut says last: {more: how many routes were left out}. Nothing when all are there.
json::array with_more(json::array routes, std::size_t more);

/// What came of the plan at the speaker.
struct Delivery {
  std::vector<PeerStatus> peers;
  std::vector<PeerFault> faults;
  std::function<std::vector<PrefixAnswer>(const Prefix&)> why;  // asked once a prefix
};
/// [{instance, peer, service, type, prefix, advertised, announced, because, attributes, session, unsent, refused}].
/// `advertised` is what the objects want. Of such a route `session` says that the peer is down, and why; `unsent` why
/// a peer that is up does not have it. `refused`: the peer's newest configuration cannot be used.
json::array why_view(const Reasons& reasons, const Delivery& delivery);
/// {source, ignored, waitingFor, findings, faults}; `findings`: the plan's and those of its routes.
json::object plan_view(const Plan& plan, const Findings& findings, const std::vector<PeerFault>& faults,
                       const std::string& waiting_for);

/// "[{Origin: i} {AsPath: 65000 65001} {Communities: 65000:1}]", as GoBGP writes them.
std::string attributes_text(const PathAttributes& attributes, const NextHop& next_hop);

/// status.bgpInstances of a CiliumBGPNodeConfig.
json::array status_instances(const std::vector<PeerStatus>& peers, const Plan& plan);

/// What `weft bgp peers` and `routes` were asked for: words such as "ipv4 unicast vrouter 65001 peer 10.0.0.1".
/// Of each node as many routes as `limit`: an answer is made in one turn of the thread that sessions live on.
inline constexpr std::size_t kRoutesShown = 10'000, kMostRoutesShown = 100'000;
struct RouteWords {
  std::optional<Family> family;
  std::optional<Asn> vrouter;
  std::string peer;
  std::size_t limit = kRoutesShown;
};
/// A number of routes as somebody asks for it; empty: kRoutesShown. Errc::invalid beyond kMostRoutesShown.
Result<std::size_t> parse_route_limit(const std::string& text);
/// The instance and peer names that a query by ASN and address means; nothing when there is no such.
std::vector<RouteQuery> queries(const RouteWords& words, const Plan& plan);

}  // namespace weft::bgp::control
