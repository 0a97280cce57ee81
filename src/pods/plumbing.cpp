#include "pods/plumbing.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/log.h"

namespace weft::pods {

using netlink::Kernel;
using netlink::Link;
using netlink::LinkChange;

namespace {

std::optional<Address> gateway_of(const std::vector<Address>& gateways, Family family) {
  for (const auto& g : gateways)
    if (g.family() == family) return g;
  return std::nullopt;
}

bool has_family(const std::vector<Address>& addresses, Family family) {
  return gateway_of(addresses, family).has_value();
}

// A sysctl that is absent belongs to a family the kernel does not have.
Result<> sysctl_if_there(Kernel& k, const std::string& key, const std::string& value) {
  auto r = k.set_sysctl(key, value);
  if (!r && r.error().code == Errc::not_found) return {};
  return r;
}

// A host that forwards stops listening to router advertisements unless told otherwise (accept_ra = 2, see
// Documentation/networking/ip-sysctl): its default route must not die because we came.
Result<> ensure_forwarding(Kernel& k, const std::vector<Address>& gateways) {
  if (has_family(gateways, Family::v4)) WEFT_TRY(k.set_sysctl("net/ipv4/ip_forward", "1"));
  if (!has_family(gateways, Family::v6)) return {};
  const auto forwarding = k.sysctl("net/ipv6/conf/all/forwarding");
  if (forwarding && *forwarding == "1") return {};
  auto links = k.links();
  if (!links) return fail(std::move(links).error());
  for (const auto& l : *links) {
    const auto accept = k.sysctl("net/ipv6/conf/" + l.name + "/accept_ra");
    if (accept && *accept == "1" && !l.loopback) WEFT_TRY(k.set_sysctl("net/ipv6/conf/" + l.name + "/accept_ra", "2"));
  }
  return k.set_sysctl("net/ipv6/conf/all/forwarding", "1");
}

// Sysctls of a link of ours on the node: the kernel needs neither to guess the reverse path nor to listen to routers.
Result<> quiet(Kernel& k, const std::string& name) {
  WEFT_TRY(sysctl_if_there(k, "net/ipv4/conf/" + name + "/rp_filter", "0"));
  WEFT_TRY(sysctl_if_there(k, "net/ipv4/conf/" + name + "/send_redirects", "0"));
  return sysctl_if_there(k, "net/ipv6/conf/" + name + "/accept_ra", "0");
}

Result<> pod_side(Kernel& node, const LocalPod& pod, const std::vector<Address>& gateways) {
  auto inside = node.open(pod.netns);
  if (!inside) return fail(std::move(inside).error());
  Kernel& k = **inside;
  auto eth = k.link(pod.pod_ifname);
  if (!eth) return fail(std::move(eth).error());
  if (auto lo = k.link("lo"); lo && !lo->up) WEFT_TRY(k.change_link(lo->index, {.up = true}));
  if (has_family(pod.ips, Family::v6)) {
    WEFT_TRY(k.set_sysctl("net/ipv6/conf/" + pod.pod_ifname + "/disable_ipv6", "0"));  // some runtimes turn it off
    WEFT_TRY(k.set_sysctl("net/ipv6/conf/" + pod.pod_ifname + "/accept_ra", "0"));
    WEFT_TRY(sysctl_if_there(k, "net/ipv6/conf/lo/disable_ipv6", "0"));
  }
  if (!eth->up) WEFT_TRY(k.change_link(eth->index, {.up = true}));
  for (const auto& ip : pod.ips) {
    const auto gateway = gateway_of(gateways, ip.family());
    if (!gateway) continue;
    WEFT_TRY(k.add_address({eth->index, ip, ip.bits()}));
    WEFT_TRY(k.replace_neighbour({eth->index, *gateway, pod.host_mac}));
    WEFT_TRY(k.replace_route(
        {.destination = Prefix::host(*gateway), .ifindex = eth->index, .protocol = netlink::kPodRouteProtocol}));
    WEFT_TRY(k.replace_route({.destination = Prefix(Address::any(ip.family()), 0),
                              .via = gateway,
                              .ifindex = eth->index,
                              .protocol = netlink::kPodRouteProtocol}));
  }
  return {};
}

// Whether the link's other end is this pod's interface.
bool pair_is_whole(Kernel& node, const LocalPod& pod) {
  auto inside = node.open(pod.netns);
  if (!inside) return false;
  const auto eth = (*inside)->link(pod.pod_ifname);
  return eth && eth->mac == pod.pod_mac;
}

}  // namespace

std::string host_ifname(const LocalPod::Key& key) { return "lxc" + hex_encode(sha256(key)).substr(0, 12); }

Mac derive_mac(const std::string& key, const std::string& end) {
  const std::string hash = sha256(end + ":" + key);
  Mac m;
  std::copy_n(hash.begin(), m.bytes.size(), m.bytes.begin());
  m.bytes[0] = static_cast<std::uint8_t>((m.bytes[0] & 0xfc) | 0x02);  // locally administered, one station
  return m;
}

Result<> ensure_host_device(Kernel& k, const std::vector<Address>& gateways, unsigned mtu) {
  WEFT_TRY(ensure_forwarding(k, gateways));
  auto host = k.link(kHostDevice);
  if (!host && host.error().code == Errc::not_found) {
    WEFT_TRY(k.create_veth({.name = kHostDevice,
                            .mac = derive_mac(kHostDevice, "host"),
                            .peer_name = kHostDevicePeer,
                            .peer_mac = derive_mac(kHostDevice, "net"),
                            .mtu = mtu}));
    host = k.link(kHostDevice);
  }
  if (!host) return fail(std::move(host).error());
  auto peer = k.link(kHostDevicePeer);
  if (!peer) return fail(std::move(peer).error());
  for (const Link* l : {&*host, &*peer}) {
    WEFT_TRY(quiet(k, l->name));
    WEFT_TRY(k.change_link(l->index, {.mtu = mtu, .no_link_local = true}));
    if (!l->up) WEFT_TRY(k.change_link(l->index, {.up = true}));
  }
  auto addresses = k.addresses();
  if (!addresses) return fail(std::move(addresses).error());
  for (const auto& g : gateways) WEFT_TRY(k.add_address({host->index, g, g.bits()}));
  for (const auto& a : *addresses) {
    const bool ours = a.ifindex == host->index && !a.address.is_link_local();
    if (ours && std::find(gateways.begin(), gateways.end(), a.address) == gateways.end()) WEFT_TRY(k.delete_address(a));
  }
  return {};
}

Result<> repair_host_side(Kernel& k, LocalPod& pod, const std::vector<Address>& gateways) {
  auto lxc = k.link(pod.host_ifname);
  if (!lxc) return fail(std::move(lxc).error());
  pod.ifindex = lxc->index;
  WEFT_TRY(quiet(k, pod.host_ifname));
  WEFT_TRY(k.change_link(lxc->index, {.no_link_local = true}));
  if (!lxc->up) WEFT_TRY(k.change_link(lxc->index, {.up = true}));
  for (const auto& ip : pod.ips) {
    WEFT_TRY(k.replace_neighbour({lxc->index, ip, pod.pod_mac}));
    WEFT_TRY(k.replace_route({.destination = Prefix::host(ip),
                              .ifindex = lxc->index,
                              .source = gateway_of(gateways, ip.family()),
                              .protocol = netlink::kPodRouteProtocol}));
  }
  return {};
}

Result<> attach_pod(Kernel& k, LocalPod& pod, const std::vector<Address>& gateways) {
  auto lxc = k.link(pod.host_ifname);
  if (lxc && !pair_is_whole(k, pod)) {
    WEFT_TRY(k.delete_link(pod.host_ifname));  // left over from a try that failed half-way, or of another namespace
    lxc = fail(Errc::not_found, "");
  }
  if (!lxc) {
    WEFT_TRY(k.create_veth({.name = pod.host_ifname,
                            .mac = pod.host_mac,
                            .alias = kAliasPrefix + pod.key(),
                            .peer_name = pod.pod_ifname,
                            .peer_mac = pod.pod_mac,
                            .peer_netns = pod.netns,
                            .mtu = pod.mtu}));
  }
  WEFT_TRY(repair_host_side(k, pod, gateways));
  return pod_side(k, pod, gateways);
}

Result<> detach_pod(Kernel& k, const LocalPod& pod) { return k.delete_link(pod.host_ifname); }

Result<> verify_pod(Kernel& k, const LocalPod& pod, const std::vector<Address>& gateways) {
  const std::string who = "pod " + pod.pod.to_string() + ": ";
  const auto lxc = k.link(pod.host_ifname);
  if (!lxc)
    return fail(Errc::not_found, who + "interface " + pod.host_ifname +
                                     " is missing on the node; delete the pod so that it is made anew");
  if (!lxc->up)
    return fail(Errc::conflict, who + "interface " + pod.host_ifname + " is down; restart the agent to repair it");
  auto routes = k.routes({.table = netlink::kMainTable, .protocol = netlink::kPodRouteProtocol});
  if (!routes) return fail(std::move(routes).error());
  auto inside = k.open(pod.netns);
  if (!inside) return fail(std::move(inside).error());
  const auto eth = (*inside)->link(pod.pod_ifname);
  if (!eth) return fail(Errc::not_found, who + "interface " + pod.pod_ifname + " is missing in " + pod.netns);
  if (eth->mac != pod.pod_mac)
    return fail(Errc::conflict, who + "interface " + pod.pod_ifname + " has MAC " + eth->mac.to_string() +
                                    ", expected " + pod.pod_mac.to_string());
  auto addresses = (*inside)->addresses();
  if (!addresses) return fail(std::move(addresses).error());
  auto pod_routes = (*inside)->routes({.table = netlink::kMainTable});
  if (!pod_routes) return fail(std::move(pod_routes).error());
  for (const auto& ip : pod.ips) {
    const bool routed = std::any_of(routes->begin(), routes->end(), [&](const auto& r) {
      return r.destination == Prefix::host(ip) && r.ifindex == lxc->index;
    });
    if (!routed)
      return fail(Errc::not_found,
                  who + "the node has no route to " + ip.to_string() + "; restart the agent to repair it");
    const bool held = std::any_of(addresses->begin(), addresses->end(),
                                  [&](const auto& a) { return a.ifindex == eth->index && a.address == ip; });
    if (!held) return fail(Errc::not_found, who + "address " + ip.to_string() + " is missing on " + pod.pod_ifname);
    const auto gateway = gateway_of(gateways, ip.family());
    const bool leaves = std::any_of(pod_routes->begin(), pod_routes->end(), [&](const auto& r) {
      return r.destination == Prefix(Address::any(ip.family()), 0) && r.via == gateway;
    });
    if (gateway && !leaves)
      return fail(Errc::not_found, who + "the default route via " + gateway->to_string() + " is missing");
  }
  return {};
}

}  // namespace weft::pods
