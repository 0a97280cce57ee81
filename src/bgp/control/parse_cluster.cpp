// CiliumBGPClusterConfig, CiliumBGPNodeConfigOverride and CiliumBGPNodeConfig.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "bgp/control/parse.h"
#include "bgp/control/parse_common.h"
#include "kube/json.h"

namespace weft::bgp::control {

namespace {

std::string read_name(const Reader& r) {
  r.require("name");
  std::string name = r.text("name");
  if (r.has("name") && (name.empty() || name.size() > 255))
    r.error("name", name.empty() ? "is empty" : "is longer than 255 characters", "give 1 to 255 characters");
  return name;
}

// "192.0.2.1", "fe80::1%eth0".
void read_peer_address(const Reader& r, PeerSpec& p) {
  std::string text = r.text("peerAddress");
  if (text.empty()) return;
  if (const auto zone = text.find('%'); zone != std::string::npos) {
    p.zone = text.substr(zone + 1);
    text.resize(zone);
  }
  const auto a = Address::parse(text);
  if (!a) {
    r.error(
        "peerAddress", "is not an IP address",
        text.find('/') != std::string::npos ? "give it without a length" : "give one such as 192.0.2.1 or 2001:db8::1");
    return;
  }
  if (!usable_peer(r, "peerAddress", *a)) return;
  p.address = *a;
  if (a->is_v6() && a->is_link_local() && p.zone.empty() && p.interface.empty())
    r.error("peerAddress", "is a link-local address without its link", "give fe80::1%eth0, or interface beside it");
  if (!p.zone.empty() && !p.interface.empty() && p.zone != p.interface)
    r.error("peerAddress", "names another link than interface", "give one of them");
  if (!p.interface.empty() && !a->is_link_local())
    r.error("interface", "stands beside a peerAddress that is not link-local", "give one of them");
  if (!p.zone.empty() && !a->is_link_local())
    r.warn("peerAddress", "names a link, which has no effect", "only link-local addresses need one");
}

PeerSpec read_peer(const Reader& r) {
  PeerSpec p;
  p.name = read_name(r);
  p.interface = read_interface(r, "interface");
  read_peer_address(r, p);
  p.remote_as = read_peer_as(r);
  if (const auto discovery = r.maybe("autoDiscovery")) {
    discovery->require("mode");
    const bool known = discovery->choice("mode", {"DefaultGateway"}).has_value();
    const auto gateway = discovery->maybe("defaultGateway");
    if (known && !gateway)
      discovery->error("defaultGateway", "is missing", "mode DefaultGateway needs it, with addressFamily");
    if (gateway) {
      gateway->require("addressFamily");
      if (const auto f = gateway->choice("addressFamily", {"ipv4", "ipv6"}))
        p.default_gateway = *f == 0 ? Family::v4 : Family::v6;
    }
    if (r.has("peerAddress")) r.error("peerAddress", "stands beside autoDiscovery", "give one of them");
    if (r.has("interface")) r.error("interface", "stands beside autoDiscovery", "give one of them");
  } else if (!r.has("peerAddress") && !r.has("interface")) {
    r.error("peerAddress", "is missing", "give it, or autoDiscovery, or interface for an unnumbered peer");
  }
  p.local_address = r.address("localAddress");
  if (const auto ref = r.maybe("peerConfigRef")) {
    ref->require("name");
    p.config = ref->text("name");
  }
  return p;
}

InstanceSpec read_instance(const Reader& r, bool of_node) {
  InstanceSpec out;
  out.name = read_name(r);
  if (of_node) r.require("localASN");
  out.local_as = read_local_as(r);
  if (const auto port = r.integer("localPort", 1, 65535)) out.local_port = static_cast<Port>(*port);
  if (of_node) out.router_id = read_router_id(r, "routerID");
  Unique names, addresses;
  for (const Reader& entry : r.list("peers")) {
    PeerSpec p = read_peer(entry);
    if (!names.add(entry, "name", p.name)) continue;
    const std::string link = p.interface.empty() ? p.zone : p.interface;
    if (p.address && !addresses.add(entry, "peerAddress", p.address->to_string() + "%" + link)) continue;
    if (!p.address && !link.empty() && !addresses.add(entry, "interface", "%" + link)) continue;
    out.peers.push_back(std::move(p));
  }
  return out;
}

std::vector<InstanceSpec> read_instances(const Reader& spec, bool of_node) {
  std::vector<InstanceSpec> out;
  Unique names, ports;
  for (const Reader& r : spec.list("bgpInstances", 1, 16)) {
    auto instance = read_instance(r, of_node);
    if (!names.add(r, "name", instance.name)) continue;
    if (instance.local_port && !ports.add(r, "localPort", std::to_string(*instance.local_port))) continue;
    out.push_back(std::move(instance));
  }
  return out;
}

}  // namespace

Parsed<ClusterConfigSpec> parse_cluster_config(const json::object& object) {
  Parsed<ClusterConfigSpec> out;
  const Reader root(object, {kClusterConfigKind, kube::name_of(object).name}, out.findings);
  const Reader spec = root.at("spec");
  out.spec.node_selector = spec.selector("nodeSelector");
  out.spec.instances = read_instances(spec, false);
  return out;
}

Parsed<NodeConfigSpec> parse_node_config(const json::object& object) {
  Parsed<NodeConfigSpec> out;
  const Reader root(object, {kNodeConfigKind, kube::name_of(object).name}, out.findings);
  out.spec.instances = read_instances(root.at("spec"), true);
  return out;
}

Parsed<NodeConfigOverrideSpec> parse_node_override(const json::object& object) {
  Parsed<NodeConfigOverrideSpec> out;
  const Reader root(object, {kOverrideKind, kube::name_of(object).name}, out.findings);
  Unique names;
  for (const Reader& r : root.at("spec").list("bgpInstances", 1)) {
    NodeConfigOverrideSpec::Instance i;
    i.name = read_name(r);
    i.router_id = read_router_id(r, "routerID");
    if (const auto port = r.integer("localPort", 1, 65535)) i.local_port = static_cast<Port>(*port);
    i.local_as = read_local_as(r);
    Unique peers;
    for (const Reader& entry : r.list("peers")) {
      NodeConfigOverrideSpec::Peer p{read_name(entry), entry.address("localAddress")};
      if (entry.integer("localPort", 1, 65535))
        entry.warn("localPort", "has no effect", "the local port of outgoing connections is the kernel's choice");
      if (peers.add(entry, "name", p.name)) i.peers.push_back(std::move(p));
    }
    if (names.add(r, "name", i.name)) out.spec.instances.push_back(std::move(i));
  }
  return out;
}

}  // namespace weft::bgp::control
