#include "bgp/packet/attributes.h"

#include <fmt/format.h>

#include <algorithm>

#include "bgp/packet/keyed_hash.h"

namespace weft::bgp {
namespace {

void add(KeyedHash& h, const AsPath& path) {
  h.add(path.segments.size());
  for (const auto& segment : path.segments) {
    h.add(static_cast<std::uint64_t>(segment.type) << 32 | segment.asns.size());
    for (const Asn asn : segment.asns) h.add(asn);
  }
}

}  // namespace

bool PathAttributes::has_community(Community c) const {
  return std::find(communities.begin(), communities.end(), c) != communities.end();
}

// Every list is preceded by its length: what stands in one may not pass for the beginning of the next.
std::size_t hash_value(const PathAttributes& a) {
  KeyedHash h;
  h.add(static_cast<std::uint64_t>(a.origin) | std::uint64_t{a.atomic_aggregate} << 8);
  add(h, a.as_path);
  // Present-and-zero differs from absent.
  h.add(a.med ? std::uint64_t{*a.med} + 1 : 0);
  h.add(a.local_pref ? std::uint64_t{*a.local_pref} + 1 : 0);
  h.add(a.originator_id ? std::uint64_t{a.originator_id->value} + 1 : 0);
  h.add(a.aggregator ? 1 : 0);
  if (a.aggregator) {
    h.add(a.aggregator->asn);
    h.add(a.aggregator->address);
  }
  h.add(a.communities.size());
  for (const Community c : a.communities) h.add(c);
  h.add(a.extended_communities.size());
  for (const ExtendedCommunity c : a.extended_communities) h.add(c);
  h.add(a.large_communities.size());
  for (const LargeCommunity& c : a.large_communities) {
    h.add(std::uint64_t{c.global} << 32 | c.local1);
    h.add(c.local2);
  }
  h.add(a.cluster_list.size());
  for (const RouterId id : a.cluster_list) h.add(id.value);
  h.add(a.unknown.size());
  for (const auto& u : a.unknown) {
    h.add(std::uint64_t{u.value.size()} << 16 | std::uint64_t{u.flags} << 8 | u.type);
    for (const std::uint8_t byte : u.value) h.add(byte);
  }
  return h.value();
}

std::string NextHop::to_string() const {
  return link_local ? fmt::format("{} ({})", address.to_string(), link_local->to_string()) : address.to_string();
}

std::string attribute_name(std::uint8_t type) {
  switch (static_cast<AttributeType>(type)) {
    case AttributeType::origin: return "ORIGIN";
    case AttributeType::as_path: return "AS_PATH";
    case AttributeType::next_hop: return "NEXT_HOP";
    case AttributeType::med: return "MULTI_EXIT_DISC";
    case AttributeType::local_pref: return "LOCAL_PREF";
    case AttributeType::atomic_aggregate: return "ATOMIC_AGGREGATE";
    case AttributeType::aggregator: return "AGGREGATOR";
    case AttributeType::communities: return "COMMUNITIES";
    case AttributeType::originator_id: return "ORIGINATOR_ID";
    case AttributeType::cluster_list: return "CLUSTER_LIST";
    case AttributeType::mp_reach_nlri: return "MP_REACH_NLRI";
    case AttributeType::mp_unreach_nlri: return "MP_UNREACH_NLRI";
    case AttributeType::extended_communities: return "EXTENDED_COMMUNITIES";
    case AttributeType::as4_path: return "AS4_PATH";
    case AttributeType::as4_aggregator: return "AS4_AGGREGATOR";
    case AttributeType::large_communities: return "LARGE_COMMUNITY";
  }
  return type == 0 ? "NLRI" : fmt::format("attribute {}", type);
}

}  // namespace weft::bgp
