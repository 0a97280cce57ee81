// Which of several routes to a prefix is best, and by which rule (RFC 4271 §9.1.2.2, 4456 §9), always with MED
// compared deterministically: first among routes of one neighbouring AS, then between the winners.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bgp/rib/route.h"

namespace weft::bgp {

/// Whom a route comes from, as far as the decision asks.
struct RouteSource {
  bool local = false;  // one of ours: beats what is received
  bool ibgp = false;
  Asn peer_as = 0;
  RouterId router_id;
  Address address;
  bool operator==(const RouteSource&) const = default;
};

struct Candidate {
  const RouteAttributes* attributes = nullptr;
  const RouteSource* source = nullptr;
};

/// The rule that told two routes apart, in the order in which they are asked.
enum class Rule : std::uint8_t {
  local_route,       // ours before received ones
  local_preference,  // higher; 100 when absent
  as_path_length,    // shorter
  origin,            // IGP, EGP, incomplete
  med,               // lower, of one neighbouring AS; 0 when absent
  external,          // eBGP before iBGP
  router_id,         // lower; ORIGINATOR_ID when there is one
  cluster_list,      // shorter
  peer_address,      // lower
  same,              // nothing tells them apart
};
/// What speaks for the winning one: "its AS path is shorter".
std::string_view why_preferred(Rule rule);

struct Comparison {
  bool first_wins = true;
  Rule rule = Rule::same;
};
/// Two candidates by themselves; `med` is asked only when both came through the same neighbouring AS.
Comparison compare(const Candidate& a, const Candidate& b);
/// Up to and with `external` nothing tells them apart: packets may take both (ECMP).
bool equal_cost(const Candidate& a, const Candidate& b);

struct Ranking {
  struct Place {
    bool best = false;
    bool multipath = false;     // equal cost with the best one; the best one too
    Rule lost_by = Rule::same;  // of those that are not best
    std::size_t lost_to = 0;    // index of the candidate that beat it
  };
  std::size_t best = 0;
  std::vector<Place> places;  // as the candidates stand
};
/// `candidates` is not empty. The result does not depend on their order, except between equal ones.
Ranking rank(std::span<const Candidate> candidates);

}  // namespace weft::bgp
