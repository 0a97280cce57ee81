#include "bgp/rib/export.h"

#include <algorithm>

#include "bgp/rib/local_preference.h"

namespace weft::bgp {

namespace {

bool next_hop_fits(const NextHop& next_hop, const ExportRules& rules) {
  if (next_hop.address.is_v6()) return rules.family == Family::v6 || rules.v6_next_hop_for_v4;
  return rules.family == Family::v4;
}

}  // namespace

std::string_view to_string(NotAdvertised why) {
  switch (why) {
    case NotAdvertised::no_next_hop:
      return "the session has no local address of the prefix's family to be the next hop: give it one, or let both "
             "sides agree on extended next hops (RFC 8950)";
    case NotAdvertised::next_hop_family:
      return "the next hop is of the other family, which the peer did not agree to understand (RFC 8950)";
    case NotAdvertised::attributes_too_long:
      return "its attributes leave no room for a prefix in a message (RFC 4271 section 9.2): use fewer communities";
  }
  return "unknown";
}

Context session_context(const ExportRules& rules) {
  Context context;
  context.four_octet_asn = rules.four_octet_asn;
  context.extended_message = rules.extended_message;
  context.ibgp = rules.ibgp;
  context.families = {kIpv4Unicast, kIpv6Unicast};
  if (rules.v6_next_hop_for_v4) context.extended_next_hop = {{kIpv4Unicast, kIpv6Unicast.afi}};
  return context;
}

std::variant<Exported, NotAdvertised> export_route(const RouteAttributes& attributes, const ExportRules& rules) {
  const std::optional<NextHop>& next_hop = attributes.next_hop ? attributes.next_hop : rules.next_hop;
  if (!next_hop) return NotAdvertised::no_next_hop;
  if (!next_hop_fits(*next_hop, rules)) return NotAdvertised::next_hop_family;

  Exported out{attributes.path, *next_hop, {}};
  PathAttributes& path = out.path;
  if (rules.ibgp) {
    path.local_pref = rules.graceful_shutdown ? 0 : path.local_pref.value_or(kDefaultLocalPreference);
  } else {
    path.as_path.prepend(rules.local_as, 1 + attributes.prepend);
    path.local_pref.reset();
    path.originator_id.reset();
    path.cluster_list.clear();
  }
  if (rules.graceful_shutdown && !path.has_community(kGracefulShutdown))
    path.communities.insert(std::upper_bound(path.communities.begin(), path.communities.end(), kGracefulShutdown),
                            kGracefulShutdown);

  const Context context = session_context(rules);
  out.encoded = encode_attributes(path, context);
  const Prefix longest = Prefix::host(Address::any(rules.family));
  std::vector<std::uint8_t> trial;
  if (append_announcements(trial, {&longest, 1}, out.next_hop, out.encoded, context) == 0)
    return NotAdvertised::attributes_too_long;
  return out;
}

}  // namespace weft::bgp
