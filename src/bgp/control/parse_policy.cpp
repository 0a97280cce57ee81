// CiliumBGPPeeringPolicy (v2alpha1), and CiliumLoadBalancerIPPool as far as its path attributes refer to it.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "bgp/control/parse.h"
#include "bgp/control/parse_common.h"
#include "kube/json.h"

namespace weft::bgp::control {

namespace {

std::vector<PathAttributeRule> read_rules(const Reader& r) {
  std::vector<PathAttributeRule> out;
  for (const Reader& e : r.list("advertisedPathAttributes")) {
    e.require("selectorType");
    const auto type = e.choice("selectorType", {"PodCIDR", "CiliumLoadBalancerIPPool", "CiliumPodIPPool"});
    PathAttributeRule rule;
    rule.selector = e.selector("selector");
    rule.attributes = read_attributes(e);
    if (!type) continue;
    rule.type = static_cast<PathAttributeRule::Type>(*type);
    if (rule.type == PathAttributeRule::Type::pod_ip_pool)
      e.warn("selectorType", "has no effect", "pods have their addresses from the node's pod CIDRs here: use PodCIDR");
    out.push_back(std::move(rule));
  }
  return out;
}

// "10.0.0.1/32"; the plain address is taken too.
std::optional<Address> read_host(const Reader& r, std::string_view key) {
  r.require(key);
  const std::string text = r.text(key);
  if (text.empty()) return std::nullopt;
  const auto prefix = Prefix::parse(text);
  if (!prefix) {
    r.error(key, "is not an address with its length", "give one such as 10.0.0.1/32 or 2001:db8::1/128");
    return std::nullopt;
  }
  if (!prefix->is_host()) {
    const unsigned bits = prefix->address().bits();
    r.error(key, "is a network, not one router", fmt::format("give length /{}", bits));
    return std::nullopt;
  }
  if (!usable_peer(r, key, prefix->address())) return std::nullopt;
  if (prefix->address().is_link_local()) {
    r.error(key, "is a link-local address without its link",
            "use CiliumBGPClusterConfig with peers[].interface, or with peerAddress fe80::1%eth0");
    return std::nullopt;
  }
  return prefix->address();
}

std::optional<Neighbor> read_neighbor(const Reader& r) {
  Neighbor n;
  const auto address = read_host(r, "peerAddress");
  r.require("peerASN");
  n.remote_as = read_peer_as(r);
  PeerSettings& s = n.settings;
  s.port = static_cast<Port>(r.integer_or("peerPort", 1, 65535, 179));
  s.auth_secret = r.text("authSecretRef");
  s.ebgp_multihop = static_cast<std::uint8_t>(r.integer_or("eBGPMultihopTTL", 1, 255, 1));
  read_timers(r, s);
  s.graceful_restart = read_graceful_restart(r);
  s.families = default_peer_settings().families;
  if (!r.none("families")) s.families = read_families(r, false);
  n.attributes = read_rules(r);
  read_extensions(r, "eBGPMultihopTTL", s);
  if (!address) return std::nullopt;
  n.address = *address;
  return n;
}

VirtualRouter read_router(const Reader& r) {
  VirtualRouter out;
  r.require("localASN");
  out.local_as = read_local_as(r).value_or(0);
  out.export_pod_cidr = r.boolean("exportPodCIDR", false);
  out.service_selector = r.selector("serviceSelector");
  out.pod_ip_pool_selector = r.selector("podIPPoolSelector");
  if (out.pod_ip_pool_selector)
    r.warn("podIPPoolSelector", "has no effect",
           "pods have their addresses from the node's pod CIDRs: use exportPodCIDR");
  if (r.has("serviceAdvertisements")) {
    out.service_addresses.clear();
    const auto texts = r.texts("serviceAdvertisements");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (const auto a = parse_service_address(texts[i])) {
        if (std::find(out.service_addresses.begin(), out.service_addresses.end(), *a) == out.service_addresses.end())
          out.service_addresses.push_back(*a);
      } else {
        r.error_at("serviceAdvertisements", i, "\"" + texts[i] + "\"", "is no kind of address",
                   "give LoadBalancerIP, ClusterIP or ExternalIP");
      }
    }
  }
  Unique addresses;
  for (const Reader& entry : r.list("neighbors", 1))
    if (auto n = read_neighbor(entry); n && addresses.add(entry, "peerAddress", n->address.to_string()))
      out.neighbors.push_back(std::move(*n));
  return out;
}

}  // namespace

Meta meta_of(const json::object& object) {
  Meta m;
  m.name = kube::name_of(object).name;
  m.uid = kube::uid_of(object);
  m.generation = kube::number_at(kube::metadata(object), "generation").value_or(0);
  m.created = kube::created_at(object);
  m.labels = kube::labels_at(kube::metadata(object), "labels");
  return m;
}

Parsed<PeeringPolicySpec> parse_peering_policy(const json::object& object) {
  Parsed<PeeringPolicySpec> out;
  const Reader root(object, {kPolicyKind, kube::name_of(object).name}, out.findings);
  const Reader spec = root.at("spec");
  out.spec.node_selector = spec.selector("nodeSelector");
  Unique asns;
  for (const Reader& r : spec.list("virtualRouters", 1)) {
    auto router = read_router(r);
    if (asns.add(r, "localASN", std::to_string(router.local_as))) out.spec.routers.push_back(std::move(router));
  }
  return out;
}

Parsed<PoolSpec> parse_pool(const json::object& object) {
  Parsed<PoolSpec> out;
  const Reader root(object, {kPoolKind, kube::name_of(object).name}, out.findings);
  const Reader spec = root.at("spec");
  for (const char* list : {"blocks", "cidrs"})  // cidrs: releases before 1.15
    for (const Reader& r : spec.list(list)) {
      if (r.has("cidr")) {
        const auto prefix = Prefix::parse(r.text("cidr"));
        if (!prefix) {
          r.error("cidr", "is not a prefix", "give one such as 192.0.2.0/24");
          continue;
        }
        Address last = prefix->address();
        auto bytes = last.raw();
        for (unsigned bit = prefix->length(); bit < last.bits(); ++bit)
          bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80u >> (bit % 8)));
        last = last.is_v4() ? Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : Address::v6(bytes);
        out.spec.ranges.push_back({prefix->address(), last});
      } else {
        const auto first = r.address("start");
        if (!first) continue;
        const auto last = r.has("stop") ? r.address("stop") : first;
        if (last && last->family() == first->family() && *first <= *last) out.spec.ranges.push_back({*first, *last});
      }
    }
  return out;
}

}  // namespace weft::bgp::control
