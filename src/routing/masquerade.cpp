#include "routing/masquerade.h"

#include <algorithm>

namespace weft::routing {

namespace {

Prefix must(const char* text) { return *Prefix::parse(text); }

// Interval sets refuse elements that overlap.
std::vector<Prefix> normalized(std::vector<Prefix> all) {
  std::sort(all.begin(), all.end(), [](const Prefix& a, const Prefix& b) {
    return a.address() != b.address() ? a.address() < b.address() : a.length() < b.length();
  });
  std::vector<Prefix> out;
  for (const auto& p : all)
    if (out.empty() || !out.back().contains(p)) out.push_back(p);
  return out;
}

std::string list_text(const std::vector<Prefix>& elements) {
  std::string out = "{ ";
  for (std::size_t i = 0; i < elements.size(); ++i) out += (i > 0 ? ", " : "") + elements[i].to_string();
  return out + " }\n";
}

std::string set_text(const std::string& name, const std::string& type, const std::vector<Prefix>& elements) {
  std::string out = "  set " + name + " {\n    type " + type + "\n    flags interval\n";
  if (!elements.empty()) out += "    elements = " + list_text(elements);
  return out + "  }\n";
}

std::string addition(const std::string& set, const std::vector<Prefix>& elements) {
  return elements.empty() ? "" : "add element inet weft_masquerade " + set + " " + list_text(elements);
}

}  // namespace

MasqueradeSets masquerade_sets(const Config& config, const std::vector<std::shared_ptr<const Node>>& nodes) {
  MasqueradeSets s;
  s.direct4 = {must("169.254.0.0/16"), must("224.0.0.0/4")};
  s.direct6 = {must("fe80::/10"), must("ff00::/8")};
  const auto direct = [&](const Prefix& p) { (p.family() == Family::v4 ? s.direct4 : s.direct6).push_back(p); };
  for (const auto& p : config.native_routing_cidrs) direct(p);
  for (const auto& n : nodes) {
    const bool local = n->key() == config.local;
    for (const auto& cidr : n->pod_cidrs) {
      direct(cidr);
      if (local) (cidr.family() == Family::v4 ? s.pods4 : s.pods6).push_back(cidr);
    }
    if (config.mode != Mode::native) continue;
    for (const auto& a : n->addresses)
      if (a.type == NodeAddressType::internal_ip)
        if (const auto ip = Address::parse(a.value)) direct(Prefix::host(*ip));
  }
  for (auto* set : {&s.pods4, &s.pods6, &s.direct4, &s.direct6}) *set = normalized(std::move(*set));
  return s;
}

std::string masquerade_ruleset(const Config& config, const MasqueradeSets& s) {
  const bool v4 = config.masquerade_v4 && !s.pods4.empty();
  const bool v6 = config.masquerade_v6 && !s.pods6.empty();
  // Deleting what may not exist is an error, so it is added first; both are one transaction.
  std::string out = "add table inet weft_masquerade\ndelete table inet weft_masquerade\n";
  if (!v4 && !v6) return out;
  out += "table inet weft_masquerade {\n";
  if (v4) out += set_text("pods4", "ipv4_addr", s.pods4) + set_text("direct4", "ipv4_addr", s.direct4);
  if (v6) out += set_text("pods6", "ipv6_addr", s.pods6) + set_text("direct6", "ipv6_addr", s.direct6);
  out += "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n";
  if (v4) out += "    ip saddr @pods4 ip daddr != @direct4 counter masquerade\n";
  if (v6) out += "    ip6 saddr @pods6 ip6 daddr != @direct6 counter masquerade\n";
  return out + "  }\n}\n";
}

std::vector<std::string> masquerade_additions(const Config& config, const MasqueradeSets& s) {
  std::vector<std::string> out;
  if (config.masquerade_v4 && !s.pods4.empty())
    out.push_back(addition("pods4", s.pods4) + addition("direct4", s.direct4));
  if (config.masquerade_v6 && !s.pods6.empty())
    out.push_back(addition("pods6", s.pods6) + addition("direct6", s.direct6));
  return out;
}

}  // namespace weft::routing
