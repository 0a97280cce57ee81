// Each path attribute and what RFC 7606 §7 does with a malformed one. AS_PATH and its relatives: as_path_codec.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bgp/packet/as_path_codec.h"
#include "bgp/packet/attribute_codec.h"

namespace weft::bgp {
namespace {

using Problem = std::optional<AttributeProblem>;
using Action = AttributeProblem::Action;

AttributeProblem wrong_length(const RawAttribute& a, Action action) {
  return {action, update_error::kAttributeLength,
          fmt::format("{} has a length of {}", attribute_name(a.type), a.value.size())};
}

bool is_list_of(wire::Bytes value, std::size_t item) { return !value.empty() && value.size() % item == 0; }

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

// RFC 7606 §7.1
Problem read_origin(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (a.value.size() != 1) return wrong_length(a, Action::withdraw);
  if (a.value[0] > static_cast<std::uint8_t>(Origin::incomplete))
    return AttributeProblem{Action::withdraw, update_error::kInvalidOrigin,
                            fmt::format("ORIGIN has the undefined value {}", a.value[0])};
  out.attributes.origin = static_cast<Origin>(a.value[0]);
  out.has_origin = true;
  return {};
}

// RFC 7606 §7.2, RFC 7607 §2
Problem read_path(const RawAttribute& a, const Context& context, AttributeSet& out) {
  auto path = read_as_path(a.value, context.four_octet_asn ? 4 : 2);
  std::string why;
  if (!path) {
    why = path.error();
  } else if (path->contains(0)) {
    why = "holds AS 0";
  } else if (!context.ibgp && has_confederation(*path)) {
    why = "has a confederation segment from outside of the confederation";  // RFC 5065 §5
  }
  if (!why.empty())
    return AttributeProblem{Action::withdraw, update_error::kMalformedAsPath, fmt::format("AS_PATH {}", why)};
  out.attributes.as_path = std::move(*path);
  out.has_as_path = true;
  return {};
}

// RFC 7606 §7.3
Problem read_next_hop(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (a.value.size() != 4) return wrong_length(a, Action::withdraw);
  const auto address = Address::v4({a.value[0], a.value[1], a.value[2], a.value[3]});
  if (!is_host_address(address))
    return AttributeProblem{Action::withdraw, update_error::kInvalidNextHop,
                            fmt::format("NEXT_HOP {} is not the address of a host", address.to_string())};
  out.next_hop = address;
  return {};
}

// RFC 7606 §7.4, §7.5, §7.9
template <auto Member>
Problem read_number(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (a.value.size() != 4) return wrong_length(a, Action::withdraw);
  (out.attributes.*Member) = std::remove_cvref_t<decltype(*(out.attributes.*Member))>{wire::Reader(a.value).u32()};
  return {};
}

// RFC 7606 §7.6
Problem read_atomic_aggregate(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (!a.value.empty()) return wrong_length(a, Action::discard);
  out.attributes.atomic_aggregate = true;
  return {};
}

Problem read_aggregator_value(const RawAttribute& a, std::size_t asn_size, std::optional<Aggregator>& out) {
  if (a.value.size() != asn_size + 4) return wrong_length(a, Action::discard);
  wire::Reader r(a.value);
  const Asn asn = asn_size == 4 ? r.u32() : r.u16();
  if (asn == 0)  // RFC 7607 §2
    return AttributeProblem{Action::discard, update_error::kOptionalAttribute,
                            fmt::format("{} holds AS 0", attribute_name(a.type))};
  out = Aggregator{asn, Address::v4(r.u32())};
  return {};
}

// RFC 7606 §7.7
Problem read_aggregator(const RawAttribute& a, const Context& context, AttributeSet& out) {
  return read_aggregator_value(a, context.four_octet_asn ? 4 : 2, out.attributes.aggregator);
}

AttributeProblem from_new_speaker(const RawAttribute& a) {
  return {Action::discard, update_error::kOptionalAttribute,
          fmt::format("{} came over a session with four-octet AS numbers", attribute_name(a.type))};
}

// RFC 6793 §4.1, §6
Problem read_as4_path(const RawAttribute& a, const Context& context, AttributeSet& out) {
  if (context.four_octet_asn) return from_new_speaker(a);
  auto path = read_as_path(a.value, 4);
  std::string why;
  if (!path) {
    why = path.error();
  } else if (path->segments.empty()) {
    why = "is empty";
  } else if (path->contains(0)) {
    why = "holds AS 0";
  }
  if (!why.empty())
    return AttributeProblem{Action::discard, update_error::kOptionalAttribute, fmt::format("AS4_PATH {}", why)};
  drop_confederation(*path);
  out.as4_path = std::move(*path);
  return {};
}

Problem read_as4_aggregator(const RawAttribute& a, const Context& context, AttributeSet& out) {
  if (context.four_octet_asn) return from_new_speaker(a);
  return read_aggregator_value(a, 4, out.as4_aggregator);
}

// RFC 7606 §7.8
Problem read_communities(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (!is_list_of(a.value, 4)) return wrong_length(a, Action::withdraw);
  auto& list = out.attributes.communities;
  for (wire::Reader r(a.value); r.left() > 0;) list.push_back(r.u32());
  sort_unique(list);
  return {};
}

// RFC 7606 §7.14
Problem read_extended_communities(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (!is_list_of(a.value, 8)) return wrong_length(a, Action::withdraw);
  auto& list = out.attributes.extended_communities;
  for (wire::Reader r(a.value); r.left() > 0;) list.push_back(r.u64());
  sort_unique(list);
  return {};
}

// RFC 8092 §6
Problem read_large_communities(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (!is_list_of(a.value, 12)) return wrong_length(a, Action::withdraw);
  auto& list = out.attributes.large_communities;
  for (wire::Reader r(a.value); r.left() > 0;) {
    LargeCommunity c;
    c.global = r.u32();
    c.local1 = r.u32();
    c.local2 = r.u32();
    list.push_back(c);
  }
  sort_unique(list);
  return {};
}

// RFC 7606 §7.10
Problem read_cluster_list(const RawAttribute& a, const Context&, AttributeSet& out) {
  if (!is_list_of(a.value, 4)) return wrong_length(a, Action::withdraw);
  for (wire::Reader r(a.value); r.left() > 0;) out.attributes.cluster_list.push_back(RouterId{r.u32()});
  return {};
}

struct Rule {
  AttributeType type;
  std::uint8_t flags;   // the Optional and Transitive bits it must have
  Action on_bad_flags;  // RFC 7606 §3 c; f for what may be lost without harm; §5.3 for MP
  bool internal_only;   // from an external peer it is discarded unread
  Problem (*read)(const RawAttribute&, const Context&, AttributeSet&);
};

constexpr std::array kRules{
    Rule{AttributeType::origin, kWellKnown, Action::withdraw, false, read_origin},
    Rule{AttributeType::as_path, kWellKnown, Action::withdraw, false, read_path},
    Rule{AttributeType::next_hop, kWellKnown, Action::withdraw, false, read_next_hop},
    Rule{AttributeType::med, kOptional, Action::withdraw, false, read_number<&PathAttributes::med>},
    Rule{AttributeType::local_pref, kWellKnown, Action::withdraw, true, read_number<&PathAttributes::local_pref>},
    Rule{AttributeType::atomic_aggregate, kWellKnown, Action::discard, false, read_atomic_aggregate},
    Rule{AttributeType::aggregator, kOptionalTransitive, Action::discard, false, read_aggregator},
    Rule{AttributeType::communities, kOptionalTransitive, Action::withdraw, false, read_communities},
    Rule{AttributeType::originator_id, kOptional, Action::withdraw, true, read_number<&PathAttributes::originator_id>},
    Rule{AttributeType::cluster_list, kOptional, Action::withdraw, true, read_cluster_list},
    Rule{AttributeType::mp_reach_nlri, kOptional, Action::reset, false, nullptr},
    Rule{AttributeType::mp_unreach_nlri, kOptional, Action::reset, false, nullptr},
    Rule{AttributeType::extended_communities, kOptionalTransitive, Action::withdraw, false, read_extended_communities},
    Rule{AttributeType::as4_path, kOptionalTransitive, Action::withdraw, false, read_as4_path},
    Rule{AttributeType::as4_aggregator, kOptionalTransitive, Action::withdraw, false, read_as4_aggregator},
    Rule{AttributeType::large_communities, kOptionalTransitive, Action::withdraw, false, read_large_communities},
};

const Rule* rule_of(std::uint8_t type) {
  const auto found = std::find_if(kRules.begin(), kRules.end(),
                                  [&](const Rule& r) { return static_cast<std::uint8_t>(r.type) == type; });
  return found == kRules.end() ? nullptr : &*found;
}

// RFC 4271 §5, §6.3. One that is not transitive ends here, quietly.
Problem read_unknown(const RawAttribute& a, AttributeSet& out) {
  if ((a.flags & kOptional) == 0)
    return AttributeProblem{Action::reset, update_error::kUnrecognizedWellKnown,
                            fmt::format("attribute {} claims to be well-known", a.type)};
  if ((a.flags & kTransitive) == 0) return {};
  auto& list = out.attributes.unknown;
  const auto at = std::find_if(list.begin(), list.end(), [&](const UnknownAttribute& u) { return u.type > a.type; });
  list.insert(at, {kOptionalTransitive | kPartial, a.type, {a.value.begin(), a.value.end()}});
  return {};
}

}  // namespace

bool is_host_address(const Address& a) {
  const bool reserved = a.is_v4() && a.raw()[0] >= 240;  // RFC 1112 §4, and broadcast
  const bool this_network = a.is_v4() && a.raw()[0] == 0;
  return !a.is_unspecified() && !a.is_loopback() && !a.is_multicast() && !reserved && !this_network;
}

std::optional<AttributeProblem> check_flags(const RawAttribute& a) {
  const Rule* rule = rule_of(a.type);
  if (rule == nullptr || (a.flags & kOptionalTransitive) == rule->flags) return {};
  return AttributeProblem{rule->on_bad_flags, update_error::kAttributeFlags,
                          fmt::format("{} has the flags {:#04x}", attribute_name(a.type), a.flags)};
}

std::optional<AttributeProblem> read_attribute(const RawAttribute& a, const Context& context, AttributeSet& out) {
  const Rule* rule = rule_of(a.type);
  if (rule == nullptr) return read_unknown(a, out);
  if (rule->internal_only && !context.ibgp)
    return AttributeProblem{Action::discard, update_error::kOptionalAttribute,
                            fmt::format("{} came from an external peer", attribute_name(a.type))};
  if (auto problem = check_flags(a)) return problem;
  return rule->read != nullptr ? rule->read(a, context, out) : Problem{};
}

}  // namespace weft::bgp
