#include "lab/controllers/ipam.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace weft::lab {
namespace {

unsigned mask_of(const NodeCidrOptions& o, Family f) { return f == Family::v4 ? o.mask_v4 : o.mask_v6; }

// Number `index` of the subnets of `length` in `pool`; nothing beyond its end.
std::optional<Prefix> subnet(const Prefix& pool, unsigned length, std::uint64_t index) {
  const unsigned width = length - pool.length();
  if (width < 64 && index >= (std::uint64_t{1} << width)) return std::nullopt;
  // Addition of index << (bits - length) to the network address, byte by byte from the right.
  std::array<std::uint8_t, 16> raw = pool.address().raw();
  const unsigned shift = pool.address().bits() - length;
  int byte = static_cast<int>(pool.address().bits() / 8 - 1 - shift / 8);
  unsigned carry = 0;
  for (std::uint64_t add = index << (shift % 8); (add || carry) && byte >= 0; --byte) {
    const unsigned sum = raw[static_cast<std::size_t>(byte)] + static_cast<unsigned>(add & 0xff) + carry;
    raw[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(sum);
    carry = sum >> 8;
    add >>= 8;
  }
  const Address address =
      pool.family() == Family::v4 ? Address::v4({raw[0], raw[1], raw[2], raw[3]}) : Address::v6(raw);
  return Prefix(address, length);
}

std::vector<Prefix> cidrs_of(const json::object& node) {
  std::vector<Prefix> out;
  const auto take = [&](const std::string& s) {
    if (auto p = Prefix::parse(s)) out.push_back(*p);
  };
  for (const auto& v : list(node, "spec/podCIDRs"))
    if (v.is_string()) take(std::string(v.get_string()));
  if (out.empty() && has(node, "spec/podCIDR")) take(text(node, "spec/podCIDR"));
  return out;
}

}  // namespace

Result<NodeCidrOptions> parse_node_cidr_options(const std::string& cluster_cidr, unsigned mask_v4, unsigned mask_v6) {
  NodeCidrOptions out{{}, mask_v4, mask_v6};
  std::size_t from = 0;
  while (from <= cluster_cidr.size() && !cluster_cidr.empty()) {
    const auto comma = std::min(cluster_cidr.find(',', from), cluster_cidr.size());
    const std::string one = cluster_cidr.substr(from, comma - from);
    from = comma + 1;
    auto prefix = Prefix::parse(one);
    if (!prefix)
      return fail(Errc::invalid,
                  fmt::format("--cluster-cidr: '{}' is not a prefix; write it like 10.1.0.0/16,fd00:1::/48", one));
    for (const auto& other : out.cluster_cidrs)
      if (other.family() == prefix->family())
        return fail(Errc::invalid, fmt::format("--cluster-cidr: {} and {} are of one family; give at most one of each",
                                               other.to_string(), one));
    const unsigned mask = mask_of(out, prefix->family());
    const char* mask_flag =
        prefix->family() == Family::v4 ? "--node-cidr-mask-size-ipv4" : "--node-cidr-mask-size-ipv6";
    if (mask < prefix->length() || mask > prefix->address().bits())
      return fail(Errc::invalid, fmt::format("{}: {} does not fit into {}; it must be from {} to {}", mask_flag, mask,
                                             one, prefix->length(), prefix->address().bits()));
    out.cluster_cidrs.push_back(*prefix);
  }
  return out;
}

NodeCidrPlan plan_node_cidrs(const NodeCidrOptions& options, const std::vector<ObjectPtr>& nodes) {
  NodeCidrPlan plan;
  std::vector<Prefix> used;
  std::vector<std::string> waiting;
  for (const auto& n : nodes) {
    const auto have = cidrs_of(**n);
    used.insert(used.end(), have.begin(), have.end());
    if (have.empty() && !deleting(**n)) waiting.push_back(n->name.name);
  }
  std::sort(waiting.begin(), waiting.end());
  const auto is_free = [&](const Prefix& p) {
    return std::none_of(used.begin(), used.end(), [&](const Prefix& u) { return u.overlaps(p); });
  };
  for (const auto& node : waiting) {
    if (options.cluster_cidrs.empty()) break;
    for (std::uint64_t index = 0;; ++index) {
      std::vector<Prefix> set;
      for (const auto& pool : options.cluster_cidrs)
        if (const auto p = subnet(pool, mask_of(options, pool.family()), index)) set.push_back(*p);
      if (set.size() < options.cluster_cidrs.size()) {
        plan.exhausted.push_back(node);
        break;
      }
      if (!std::all_of(set.begin(), set.end(), is_free)) continue;
      NodeCidrs got{node, {}};
      for (const auto& p : set) got.cidrs.push_back(p.to_string());
      used.insert(used.end(), set.begin(), set.end());
      plan.assign.push_back(std::move(got));
      break;
    }
  }
  return plan;
}

}  // namespace weft::lab
