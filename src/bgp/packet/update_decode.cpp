// UPDATE from bytes: RFC 4271 §4.3 and 4760, with the error handling of RFC 7606.
#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <functional>
#include <iterator>

#include "bgp/packet/attribute_codec.h"
#include "bgp/packet/nlri.h"
#include "bgp/packet/update.h"

namespace weft::bgp {
namespace {

using Action = AttributeProblem::Action;
constexpr std::size_t kMaxFaults = 32;  // described ones: each costs more than the three octets that cause it
constexpr std::uint8_t kNoAttribute = 0;

Notification update_fault(std::uint8_t subcode, wire::Bytes data = {}) {
  return {ErrorCode::update_message, subcode, {data.begin(), data.end()}};
}

bool contains(const std::vector<AfiSafi>& families, AfiSafi family) {
  return std::find(families.begin(), families.end(), family) != families.end();
}

/// IPv4 first, whichever field it came in: the order in which it is written again.
void order_by_family(std::vector<Prefix>& prefixes) {
  const auto is_v4 = [](const Prefix& p) { return p.family() == Family::v4; };
  if (std::is_partitioned(prefixes.begin(), prefixes.end(), is_v4)) return;
  std::vector<Prefix> ordered;
  ordered.reserve(prefixes.size());
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(ordered), is_v4);
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(ordered), std::not_fn(is_v4));
  prefixes = std::move(ordered);
}

/// One UPDATE while it is read. Problems are collected and the strongest decides (RFC 7606 §3 h).
class UpdateReader {
 public:
  explicit UpdateReader(const Context& context) : context_(context) {}

  std::expected<Decoded, Notification> read(wire::Bytes body);

 private:
  bool read_fields(wire::Bytes body);
  void read_attributes(wire::Bytes field);
  void read_one(const RawAttribute& a);
  void read_mp_reach(const RawAttribute& a);
  void read_mp_unreach(const RawAttribute& a);
  bool read_mp_next_hop(wire::Bytes bytes, Family prefixes, NextHop& out) const;
  void judge_mandatory();
  Decoded finish();
  void drop_unexpected(std::vector<Prefix>& prefixes, std::uint8_t attribute);

  void note(AttributeProblem problem, std::uint8_t type, wire::Bytes attribute);
  void reset(std::uint8_t subcode, wire::Bytes data = {}) {
    if (!reset_) reset_ = update_fault(subcode, data);
  }
  bool reachable() const { return classic_reachable_ || mp_reachable_; }

  const Context& context_;
  AttributeSet set_;
  std::vector<Prefix> withdrawn_;
  std::vector<Prefix> classic_;
  Reach mp_;
  bool classic_reachable_ = false;
  bool mp_reachable_ = false;
  bool other_attributes_ = false;  // than MP_UNREACH_NLRI
  std::optional<AfiSafi> end_of_rib_;
  std::vector<AttributeFault> faults_;
  std::optional<Notification> withdraw_;  // what answers the first such problem if it cannot be survived
  std::optional<Notification> reset_;
};

void UpdateReader::note(AttributeProblem problem, std::uint8_t type, wire::Bytes attribute) {
  if (problem.action == Action::reset) return reset(problem.subcode, attribute);
  const bool first_withdraw = problem.action == Action::withdraw && !withdraw_;
  if (first_withdraw) withdraw_ = update_fault(problem.subcode, attribute);
  if (faults_.size() >= kMaxFaults) {
    if (!first_withdraw) return;
    faults_.pop_back();
  }
  const auto action =
      problem.action == Action::withdraw ? AttributeFault::Action::withdraw : AttributeFault::Action::discard;
  faults_.push_back({action, type, std::move(problem.why)});
}

// | length (2) | withdrawn prefixes | length (2) | path attributes | prefixes |   RFC 4271 §4.3
std::expected<Decoded, Notification> UpdateReader::read(wire::Bytes body) {
  if (!read_fields(body)) reset(update_error::kMalformedAttributes);
  if (reset_) return std::unexpected(std::move(*reset_));
  judge_mandatory();
  // Nothing to withdraw what is wrong with: the attribute that named the prefixes may be the broken one (§5.2).
  if (withdraw_ && other_attributes_ && !reachable()) return std::unexpected(std::move(*withdraw_));
  return finish();
}

bool UpdateReader::read_fields(wire::Bytes body) {
  wire::Reader r(body);
  const auto withdrawn = r.take(r.u16());
  const auto attributes = r.take(r.u16());
  if (!r.ok()) return false;
  const auto nlri = r.rest();
  if (withdrawn.empty() && attributes.empty() && nlri.empty()) {
    end_of_rib_ = kIpv4Unicast;  // RFC 4724 §2
    return true;
  }
  if (!read_prefixes(withdrawn, Family::v4, withdrawn_)) reset(update_error::kInvalidNetwork);
  classic_reachable_ = !nlri.empty();
  if (!read_prefixes(nlri, Family::v4, classic_)) reset(update_error::kInvalidNetwork);
  if (!reset_) read_attributes(attributes);
  return true;
}

// { flags (1) | type (1) | length (1, or 2 with Extended Length) | value }*   RFC 4271 §4.3, RFC 7606 §4
void UpdateReader::read_attributes(wire::Bytes field) {
  std::bitset<256> seen;
  wire::Reader r(field);
  while (r.left() > 0 && !reset_) {
    const auto start = r.rest();
    RawAttribute a;
    a.flags = r.u8();
    a.type = r.u8();
    const std::size_t length = (a.flags & kExtendedLength) != 0 ? r.u16() : r.u8();
    const bool header = r.ok();
    a.value = r.take(length);
    a.whole = start.first(start.size() - r.left());
    const bool mp = a.is(AttributeType::mp_reach_nlri) || a.is(AttributeType::mp_unreach_nlri);
    if (!r.ok()) {
      // The next attribute cannot be found, but the prefixes behind them all can.
      other_attributes_ = true;
      if (mp) return reset(update_error::kOptionalAttribute, a.whole);
      return note({Action::withdraw, update_error::kMalformedAttributes,
                   header ? fmt::format("{} of {} octets overruns the attributes", attribute_name(a.type), length)
                          : "the attributes end in half a header"},
                  header ? a.type : kNoAttribute, {});
    }
    if (!a.is(AttributeType::mp_unreach_nlri)) other_attributes_ = true;
    if (seen.test(a.type)) {
      if (mp) return reset(update_error::kMalformedAttributes);  // RFC 7606 §3 g
      note({Action::discard, update_error::kMalformedAttributes,
            fmt::format("{} is there more than once", attribute_name(a.type))},
           a.type, a.whole);
      continue;
    }
    seen.set(a.type);
    read_one(a);
  }
}

void UpdateReader::read_one(const RawAttribute& a) {
  const bool reach = a.is(AttributeType::mp_reach_nlri), unreach = a.is(AttributeType::mp_unreach_nlri);
  auto problem = reach || unreach ? check_flags(a) : read_attribute(a, context_, set_);
  if (problem) note(std::move(*problem), a.type, a.whole);
  if (reset_) return;
  if (reach) read_mp_reach(a);
  if (unreach) read_mp_unreach(a);
}

// | AFI (2) | SAFI (1) | length (1) | next hop | reserved (1) | prefixes |   RFC 4760 §3, RFC 7606 §7.11
void UpdateReader::read_mp_reach(const RawAttribute& a) {
  wire::Reader r(a.value);
  const std::uint16_t afi = r.u16();
  const AfiSafi afi_safi{afi, r.u8()};
  const auto next_hop = r.take(r.u8());
  r.u8();
  if (!r.ok()) return reset(update_error::kOptionalAttribute, a.whole);
  mp_reachable_ = r.left() > 0;
  const auto family = family_of(afi_safi);
  if (!family || !contains(context_.families, afi_safi))
    return note(
        {Action::discard, update_error::kOptionalAttribute, fmt::format("{} was not agreed on", afi_safi.to_string())},
        a.type, a.whole);
  if (!read_mp_next_hop(next_hop, *family, mp_.next_hop) || !read_prefixes(r.rest(), *family, mp_.prefixes))
    return reset(update_error::kOptionalAttribute, a.whole);
  if (mp_reachable_ && !is_host_address(mp_.next_hop.address))
    note({Action::withdraw, update_error::kInvalidNextHop,
          fmt::format("the next hop {} is not the address of a host", mp_.next_hop.address.to_string())},
         a.type, a.whole);
}

/// False when the length is not one of this family: then the prefixes behind it cannot be trusted.
bool UpdateReader::read_mp_next_hop(wire::Bytes bytes, Family prefixes, NextHop& out) const {
  const auto v6 = [&](std::size_t at) {
    std::array<std::uint8_t, 16> raw;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), raw.size(), raw.begin());
    return Address::v6(raw);
  };
  if (prefixes == Family::v4 && bytes.size() == 4) {
    out.address = Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
    return true;
  }
  if (bytes.size() != 16 && bytes.size() != 32) return false;
  if (prefixes == Family::v4) {  // RFC 8950 §3, and only when it was agreed on
    const ExtendedNextHop wanted{kIpv4Unicast, kIpv6Unicast.afi};
    const auto& agreed = context_.extended_next_hop;
    if (std::find(agreed.begin(), agreed.end(), wanted) == agreed.end()) return false;
  }
  out.address = v6(0);
  if (bytes.size() == 32) {
    // RFC 2545 §3. Speakers without a global address repeat the link-local one, or leave the first place empty.
    const Address second = v6(16);
    if (second.is_link_local()) {
      if (out.address.is_unspecified()) out.address = second;
      if (!out.address.is_link_local()) out.link_local = second;
    }
  }
  return true;
}

// | AFI (2) | SAFI (1) | prefixes |   RFC 4760 §4, RFC 7606 §7.12
void UpdateReader::read_mp_unreach(const RawAttribute& a) {
  wire::Reader r(a.value);
  const std::uint16_t afi = r.u16();
  const AfiSafi afi_safi{afi, r.u8()};
  if (!r.ok()) return reset(update_error::kOptionalAttribute, a.whole);
  const auto family = family_of(afi_safi);
  if (!family || !contains(context_.families, afi_safi))
    return note(
        {Action::discard, update_error::kOptionalAttribute, fmt::format("{} was not agreed on", afi_safi.to_string())},
        a.type, a.whole);
  if (r.left() == 0) {
    end_of_rib_ = afi_safi;
  } else if (!read_prefixes(r.rest(), *family, withdrawn_)) {
    reset(update_error::kOptionalAttribute, a.whole);
  }
}

/// RFC 4271 §6.3, RFC 7606 §3 d; NEXT_HOP belongs to the classic field alone (RFC 4760 §3).
void UpdateReader::judge_mandatory() {
  const auto missing = [&](AttributeType type) {
    const auto number = static_cast<std::uint8_t>(type);
    const std::array<std::uint8_t, 1> data{number};
    note({Action::withdraw, update_error::kMissingWellKnown, fmt::format("{} is missing", attribute_name(number))},
         number, data);
  };
  // One that was there and wrong has been noted already.
  if (!reachable() || withdraw_) return;
  if (!set_.has_origin) missing(AttributeType::origin);
  if (!set_.has_as_path) missing(AttributeType::as_path);
  if (classic_reachable_ && !set_.next_hop) missing(AttributeType::next_hop);
}

/// RFC 4271 §6.3: a prefix that means nothing here is ignored, its neighbours in the message are not.
void UpdateReader::drop_unexpected(std::vector<Prefix>& prefixes, std::uint8_t attribute) {
  const auto unexpected = [](const Prefix& p) { return p.length() >= 4 && p.address().is_multicast(); };
  const auto first = std::find_if(prefixes.begin(), prefixes.end(), unexpected);
  if (first == prefixes.end()) return;
  note({Action::discard, update_error::kInvalidNetwork, fmt::format("{} is not unicast", first->to_string())},
       attribute, {});
  std::erase_if(prefixes, unexpected);
}

Decoded UpdateReader::finish() {
  Update out;
  // An MP_UNREACH_NLRI without prefixes is an End-of-RIB only when it stands alone (RFC 4724 §2).
  if (!other_attributes_ && withdrawn_.empty() && !classic_reachable_) out.end_of_rib = end_of_rib_;
  if (!classic_.empty() && !contains(context_.families, kIpv4Unicast)) {
    note({Action::discard, update_error::kInvalidNetwork, "ipv4/unicast was not agreed on"}, kNoAttribute, {});
    classic_.clear();
  }
  drop_unexpected(classic_, kNoAttribute);
  drop_unexpected(mp_.prefixes, static_cast<std::uint8_t>(AttributeType::mp_reach_nlri));
  out.withdrawn = std::move(withdrawn_);
  if (withdraw_) {
    out.withdrawn.insert(out.withdrawn.end(), classic_.begin(), classic_.end());
    out.withdrawn.insert(out.withdrawn.end(), mp_.prefixes.begin(), mp_.prefixes.end());
  } else {
    if (!classic_.empty()) out.announced.push_back({{*set_.next_hop, std::nullopt}, std::move(classic_)});
    if (!mp_.prefixes.empty()) out.announced.push_back(std::move(mp_));
  }
  if (!out.announced.empty()) {
    if (!context_.four_octet_asn) merge_as4(set_);
    out.attributes = std::move(set_.attributes);
  }
  order_by_family(out.withdrawn);
  return {std::move(out), std::move(faults_)};
}

}  // namespace

std::expected<Decoded, Notification> decode_update(wire::Bytes body, const Context& context) {
  return UpdateReader(context).read(body);
}

}  // namespace weft::bgp
