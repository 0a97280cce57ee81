// Path attributes as values (RFC 4271 §5, 4456, 4360, 6793, 8092). What is about reachability (MP_REACH_NLRI,
// MP_UNREACH_NLRI, NEXT_HOP) stands in Update; everything that routes share stands here, so that routes with equal
// attributes compare, hash and are kept once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bgp/packet/types.h"

namespace weft::bgp {

/// "LOCAL_PREF", as the RFCs spell it; "attribute 23" for what has no name here, "NLRI" for 0 (see AttributeFault).
std::string attribute_name(std::uint8_t type);

/// RFC 4271 §4.3 (path attribute type codes), IANA.
enum class AttributeType : std::uint8_t {
  origin = 1,
  as_path = 2,
  next_hop = 3,
  med = 4,
  local_pref = 5,
  atomic_aggregate = 6,
  aggregator = 7,
  communities = 8,
  originator_id = 9,
  cluster_list = 10,
  mp_reach_nlri = 14,
  mp_unreach_nlri = 15,
  extended_communities = 16,
  as4_path = 17,
  as4_aggregator = 18,
  large_communities = 32,
};

struct AsPathSegment {
  enum class Type : std::uint8_t { set = 1, sequence = 2, confed_sequence = 3, confed_set = 4 };
  Type type = Type::sequence;
  std::vector<Asn> asns;
  bool operator==(const AsPathSegment&) const = default;
};

struct AsPath {
  std::vector<AsPathSegment> segments;
  /// Hops as best path counts them: a set is one, confederation segments none (RFC 4271 §9.1.2.2, 5065).
  unsigned length() const;
  bool contains(Asn asn) const;
  /// The neighbouring AS: the first of the first sequence; none of an empty or set-first path.
  std::optional<Asn> first() const;
  /// `asn` put before the path `count` times, in the leading sequence (RFC 4271 §5.1.2).
  void prepend(Asn asn, unsigned count = 1);
  /// "65000 65001 {65002,65003}".
  std::string to_string() const;
  bool operator==(const AsPath&) const = default;
};

struct Aggregator {
  Asn asn = 0;
  Address address;
  bool operator==(const Aggregator&) const = default;
};

/// An attribute that we do not know: passed on with Partial set when transitive, dropped when not (RFC 4271 §5).
struct UnknownAttribute {
  std::uint8_t flags = 0;
  std::uint8_t type = 0;
  std::vector<std::uint8_t> value;
  bool operator==(const UnknownAttribute&) const = default;
};

struct PathAttributes {
  Origin origin = Origin::igp;
  AsPath as_path;
  std::optional<std::uint32_t> med;
  std::optional<std::uint32_t> local_pref;
  bool atomic_aggregate = false;
  std::optional<Aggregator> aggregator;
  std::vector<Community> communities;                   // sorted, no duplicates
  std::vector<ExtendedCommunity> extended_communities;  // sorted, no duplicates
  std::vector<LargeCommunity> large_communities;        // sorted, no duplicates
  std::optional<RouterId> originator_id;
  std::vector<RouterId> cluster_list;
  std::vector<UnknownAttribute> unknown;  // by type
  bool has_community(Community c) const;
  bool operator==(const PathAttributes&) const = default;
};
/// With the secret of the process: the attributes are chosen by the peer (keyed_hash.h).
std::size_t hash_value(const PathAttributes& a);

/// Where packets to a route go. `link_local` goes with a global IPv6 address (RFC 2545 §3) or stands alone in
/// `address` on an unnumbered link. An IPv6 address for an IPv4 prefix is RFC 8950.
struct NextHop {
  Address address;
  std::optional<Address> link_local;
  std::string to_string() const;
  auto operator<=>(const NextHop&) const = default;
};

}  // namespace weft::bgp
