#include "bgp/control/objects.h"

#include <algorithm>

namespace weft::bgp::control {

namespace {

template <class T>
void unite(std::vector<T>& into, const std::vector<T>& more) {
  into.insert(into.end(), more.begin(), more.end());
  std::sort(into.begin(), into.end());
  into.erase(std::unique(into.begin(), into.end()), into.end());
}

template <class T, class Better>
void choose(std::optional<T>& into, const std::optional<T>& other, Better better) {
  if (other && (!into || better(*other, *into))) into = other;
}

}  // namespace

std::string_view to_string(ServiceAddress a) {
  switch (a) {
    case ServiceAddress::load_balancer_ip: return "LoadBalancerIP";
    case ServiceAddress::cluster_ip: return "ClusterIP";
    case ServiceAddress::external_ip: return "ExternalIP";
  }
  return "";
}

std::string_view to_string(AdvertisementSpec::Entry::Type t) {
  switch (t) {
    case AdvertisementSpec::Entry::Type::pod_cidr: return "PodCIDR";
    case AdvertisementSpec::Entry::Type::pod_ip_pool: return "CiliumPodIPPool";
    case AdvertisementSpec::Entry::Type::service: return "Service";
    case AdvertisementSpec::Entry::Type::interface: return "Interface";
  }
  return "";
}

AdvertisedAttributes merge(AdvertisedAttributes a, const AdvertisedAttributes& b) {
  unite(a.communities, b.communities);
  unite(a.large, b.large);
  unite(a.extended, b.extended);
  choose(a.local_pref, b.local_pref, std::greater<>{});
  choose(a.med, b.med, std::less<>{});
  choose(a.prepend, b.prepend, std::less<>{});
  choose(a.origin, b.origin, std::less<>{});
  const auto never = [](const Address&, const Address&) { return false; };
  choose(a.next_hop_v4, b.next_hop_v4, never);
  choose(a.next_hop_v6, b.next_hop_v6, never);
  return a;
}

std::string to_string(const AdvertisedAttributes& a) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  std::string communities;
  for (const Community c : a.communities) communities += " " + community_text(c);
  for (const LargeCommunity& c : a.large) communities += " " + bgp::to_string(c);
  for (const ExtendedCommunity c : a.extended) communities += " " + extended_community_text(c);
  if (!communities.empty()) add("communities" + communities);
  if (a.local_pref) add("local preference " + std::to_string(*a.local_pref));
  if (a.med) add("MED " + std::to_string(*a.med));
  if (a.prepend) add("prepended " + std::to_string(*a.prepend) + " times");
  if (a.origin) {
    static constexpr const char* kNames[] = {"igp", "egp", "incomplete"};
    add(std::string("origin ") + kNames[static_cast<std::size_t>(*a.origin)]);
  }
  for (const auto* hop : {&a.next_hop_v4, &a.next_hop_v6})
    if (*hop) add("next hop " + (*hop)->to_string());
  return out;
}

PeerSettings default_peer_settings() {
  PeerSettings s;
  s.families = {{kIpv6Unicast, std::nullopt}, {kIpv4Unicast, std::nullopt}};
  return s;
}

bool PoolSpec::contains(const Address& a) const {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& r) { return r.first.family() == a.family() && r.first <= a && a <= r.last; });
}

}  // namespace weft::bgp::control
