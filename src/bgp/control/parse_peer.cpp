// CiliumBGPPeerConfig and CiliumBGPAdvertisement.
#include <boost/json.hpp>

#include "bgp/control/parse.h"
#include "bgp/control/parse_common.h"
#include "kube/json.h"

namespace weft::bgp::control {

namespace {

using Entry = AdvertisementSpec::Entry;

void read_service(const Reader& r, Entry& out) {
  const auto service = r.maybe("service");
  if (out.type != Entry::Type::service) {
    if (service) r.error("service", "is not allowed here", "it goes with advertisementType Service alone");
    return;
  }
  if (!service) {
    r.error("service", "is missing", "advertisementType Service needs it, with addresses");
    return;
  }
  const auto texts = service->texts("addresses", 1);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (auto a = parse_service_address(texts[i])) {
      if (std::find(out.addresses.begin(), out.addresses.end(), *a) == out.addresses.end()) out.addresses.push_back(*a);
    } else {
      service->error_at("addresses", i, "\"" + texts[i] + "\"", "is no kind of address",
                        "give LoadBalancerIP, ClusterIP or ExternalIP");
    }
  }
  if (const auto n = service->integer("aggregationLengthIPv4", 0, 31)) out.aggregate_v4 = static_cast<unsigned>(*n);
  if (const auto n = service->integer("aggregationLengthIPv6", 0, 127)) out.aggregate_v6 = static_cast<unsigned>(*n);
}

void read_interface_entry(const Reader& r, Entry& out) {
  const auto interface = r.maybe("interface");
  if (out.type != Entry::Type::interface) {
    if (interface) r.error("interface", "is not allowed here", "it goes with advertisementType Interface alone");
    return;
  }
  if (!interface) {
    r.error("interface", "is missing", "advertisementType Interface needs it, with a name");
    return;
  }
  interface->require("name");
  out.interface = read_interface(*interface, "name");
}

Entry read_entry(const Reader& r) {
  Entry out;
  r.require("advertisementType");
  const auto type = r.choice("advertisementType", {"PodCIDR", "CiliumPodIPPool", "Service", "Interface"});
  if (!type) return out;
  out.type = static_cast<Entry::Type>(*type);
  read_service(r, out);
  read_interface_entry(r, out);
  out.selector = r.selector("selector");
  switch (out.type) {
    case Entry::Type::pod_cidr:
      if (r.has("selector"))
        r.error("selector", "is not allowed here", "the node's own pod CIDRs are announced; remove it");
      break;
    case Entry::Type::service:
      if (!r.has("selector")) r.warn("selector", "is missing", "no Service is selected; give {} for all of them");
      break;
    case Entry::Type::pod_ip_pool:
      r.warn("advertisementType", "has no effect",
             "pods have their addresses from the node's pod CIDRs here: use PodCIDR");
      break;
    case Entry::Type::interface: break;
  }
  if (const auto attributes = r.maybe("attributes")) out.attributes = read_attributes(*attributes);
  return out;
}

}  // namespace

std::optional<ServiceAddress> parse_service_address(std::string_view text) {
  for (const auto a : {ServiceAddress::load_balancer_ip, ServiceAddress::cluster_ip, ServiceAddress::external_ip})
    if (to_string(a) == text) return a;
  return std::nullopt;
}

Parsed<AdvertisementSpec> parse_advertisement(const json::object& object) {
  Parsed<AdvertisementSpec> out;
  const Reader root(object, {kAdvertisementKind, kube::name_of(object).name}, out.findings);
  root.require("spec");
  const Reader spec = root.at("spec");
  spec.require("advertisements");
  for (const Reader& r : spec.list("advertisements")) out.spec.entries.push_back(read_entry(r));
  return out;
}

Parsed<PeerConfigSpec> parse_peer_config(const json::object& object) {
  Parsed<PeerConfigSpec> out{default_peer_settings(), {}};
  const Reader root(object, {kPeerConfigKind, kube::name_of(object).name}, out.findings);
  const Reader spec = root.at("spec");
  const Reader transport = spec.at("transport");
  out.spec.port = static_cast<Port>(transport.integer_or("peerPort", 1, 65535, 179));
  out.spec.source_interface = read_interface(transport, "sourceInterface");
  if (transport.integer("localPort", 1, 65535))
    transport.warn("localPort", "has no effect", "the local port of outgoing connections is the kernel's choice");
  read_timers(spec.at("timers"), out.spec);
  out.spec.auth_secret = spec.text("authSecretRef");
  out.spec.graceful_restart = read_graceful_restart(spec);
  out.spec.ebgp_multihop = static_cast<std::uint8_t>(spec.integer_or("ebgpMultihop", 1, 255, 1));
  if (!spec.none("families")) out.spec.families = read_families(spec, true);
  read_extensions(spec, "ebgpMultihop", out.spec);
  return out;
}

}  // namespace weft::bgp::control
