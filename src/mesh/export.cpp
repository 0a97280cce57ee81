#include "mesh/export.h"

#include <algorithm>

namespace weft::mesh {

std::optional<ClusterService> export_service(const Service& service,
                                             std::vector<std::shared_ptr<const EndpointSlice>> slices,
                                             const LocalCluster& local) {
  if (!service.global || !service.shared) return std::nullopt;
  ClusterService out;
  out.cluster = local.name;
  out.cluster_id = local.id;
  out.name = service.name;
  out.labels = service.labels;
  out.selector = service.selector;

  ClusterService::PortMap front;
  for (const auto& p : service.ports) front[p.name] = {p.protocol, p.port};
  if (!service.headless)
    for (const auto& ip : service.cluster_ips) out.frontends[ip] = front;

  std::sort(slices.begin(), slices.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  for (const auto& slice : slices) {
    ClusterService::PortMap ports;
    for (const auto& p : slice->ports) ports[p.name] = {p.protocol, p.port};
    for (const auto& endpoint : slice->endpoints) {
      if (!endpoint.ready && !endpoint.serving) continue;
      for (const auto& ip : endpoint.addresses) {
        out.backends[ip] = ports;
        out.hostnames.erase(ip);
        out.zones.erase(ip);
        out.states.erase(ip);
        if (!endpoint.hostname.empty()) out.hostnames[ip] = endpoint.hostname;
        if (!endpoint.zone.empty() || !endpoint.for_zones.empty()) out.zones[ip] = {endpoint.zone, endpoint.for_zones};
        const ClusterService::State state{endpoint.ready, endpoint.serving, endpoint.terminating};
        if (state != ClusterService::State{}) out.states[ip] = state;
      }
    }
  }
  return out;
}

std::vector<IpIdentity> export_endpoint(const kube::CiliumEndpoint& endpoint, const LocalCluster& local) {
  std::vector<IpIdentity> out;
  if (endpoint.identity == kIdentityUnknown || !endpoint.node) return out;
  for (const auto& ip : endpoint.addresses) {
    IpIdentity row;
    row.cluster = local.name;
    row.prefix = Prefix::host(ip);
    row.host = *endpoint.node;
    row.id = endpoint.identity;
    row.encryption_key = endpoint.encryption_key;
    row.ns = endpoint.name.ns;
    row.pod = endpoint.name.name;
    row.service_account = endpoint.service_account;
    out.push_back(std::move(row));
  }
  return out;
}

Node export_node(Node node, const LocalCluster& local) {
  node.cluster = local.name;
  node.cluster_id = local.id;
  node.source = "custom-resource";
  return node;
}

}  // namespace weft::mesh
