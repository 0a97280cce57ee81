#include "bgp/rib/best_path.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "bgp/rib/local_preference.h"

namespace weft::bgp {

namespace {

/// Routes compare their MED when it comes from the same AS; what began in our own AS has none.
std::optional<Asn> neighbour_as(const Candidate& c) { return c.attributes->path.as_path.first(); }

/// Less is better.
template <class T>
std::optional<Comparison> less(const T& a, const T& b, Rule rule) {
  if (a == b) return std::nullopt;
  return Comparison{a < b, rule};
}

}  // namespace

std::string_view why_preferred(Rule rule) {
  switch (rule) {
    case Rule::local_route: return "it is announced by this node";
    case Rule::local_preference: return "its local preference is higher";
    case Rule::as_path_length: return "its AS path is shorter";
    case Rule::origin: return "its origin is better";
    case Rule::med: return "its MED is lower";
    case Rule::external: return "it comes from an external peer";
    case Rule::router_id: return "its router id is lower";
    case Rule::cluster_list: return "its cluster list is shorter";
    case Rule::peer_address: return "its peer address is lower";
    case Rule::same: return "nothing tells them apart, and it came first";
  }
  return "unknown";
}

Comparison compare(const Candidate& a, const Candidate& b) {
  const PathAttributes& pa = a.attributes->path;
  const PathAttributes& pb = b.attributes->path;
  const RouteSource& sa = *a.source;
  const RouteSource& sb = *b.source;
  const auto preference = [](const PathAttributes& p) { return p.local_pref.value_or(kDefaultLocalPreference); };
  const auto id = [](const PathAttributes& p, const RouteSource& s) { return p.originator_id.value_or(s.router_id); };
  if (const auto c = less(!sa.local, !sb.local, Rule::local_route)) return *c;
  if (const auto c = less(preference(pb), preference(pa), Rule::local_preference)) return *c;
  if (const auto c = less(pa.as_path.length(), pb.as_path.length(), Rule::as_path_length)) return *c;
  if (const auto c = less(pa.origin, pb.origin, Rule::origin)) return *c;
  if (neighbour_as(a) == neighbour_as(b))
    if (const auto c = less(pa.med.value_or(0), pb.med.value_or(0), Rule::med)) return *c;
  if (const auto c = less(sa.ibgp, sb.ibgp, Rule::external)) return *c;
  if (const auto c = less(id(pa, sa), id(pb, sb), Rule::router_id)) return *c;
  if (const auto c = less(pa.cluster_list.size(), pb.cluster_list.size(), Rule::cluster_list)) return *c;
  if (const auto c = less(sa.address, sb.address, Rule::peer_address)) return *c;
  return {true, Rule::same};
}

bool equal_cost(const Candidate& a, const Candidate& b) { return compare(a, b).rule > Rule::external; }

Ranking rank(std::span<const Candidate> candidates) {
  WEFT_CHECK(!candidates.empty());
  const std::size_t n = candidates.size();
  Ranking out;
  out.places.resize(n);

  // The winner of each neighbouring AS, then the winner of those.
  std::vector<std::size_t> winners;
  for (std::size_t i = 0; i < n; ++i) {
    const auto group = std::find_if(winners.begin(), winners.end(), [&](std::size_t w) {
      return neighbour_as(candidates[w]) == neighbour_as(candidates[i]);
    });
    if (group == winners.end())
      winners.push_back(i);
    else if (!compare(candidates[*group], candidates[i]).first_wins)
      *group = i;
  }
  out.best = winners[0];
  for (const std::size_t w : winners)
    if (!compare(candidates[out.best], candidates[w]).first_wins) out.best = w;

  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t group = *std::find_if(winners.begin(), winners.end(), [&](std::size_t w) {
      return neighbour_as(candidates[w]) == neighbour_as(candidates[i]);
    });
    Ranking::Place& place = out.places[i];
    place.best = i == out.best;
    place.multipath =
        equal_cost(candidates[i], candidates[group]) && equal_cost(candidates[group], candidates[out.best]);
    if (place.best) continue;
    place.lost_to = i == group ? out.best : group;
    place.lost_by = compare(candidates[place.lost_to], candidates[i]).rule;
  }
  return out;
}

}  // namespace weft::bgp
