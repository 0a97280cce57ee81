#include "identity/endpoint.h"

#include <algorithm>

#include "base/encoding.h"

namespace weft::identity {

std::string node_label_value(const std::string& node_name) {
  return node_name.size() <= 63 ? node_name : "hash-" + hex_encode(sha256(node_name)).substr(0, 32);
}

EndpointIntent derive_intent(const LocalPod& local, const kube::Pod& pod, Labels labels, const std::string& node_name,
                             const Address& node) {
  EndpointIntent i;
  auto& e = i.object;
  e.name = pod.name;
  e.pod_uid = pod.uid;
  e.endpoint_id = local.ifindex;
  e.addresses = local.ips;
  e.node = node;
  e.container_id = local.container_id;
  e.service_account = pod.service_account;
  e.state = "ready";
  e.labels = pod.labels;
  e.labels[kNodeLabel] = node_label_value(node_name);
  for (const auto& p : pod.ports)
    if (!p.name.empty()) e.named_ports.push_back({p.name, p.protocol, p.port});
  std::sort(e.named_ports.begin(), e.named_ports.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  i.labels = std::move(labels);
  i.interface = local.host_ifname;
  return i;
}

bool same_endpoint(const kube::CiliumEndpoint& a, const kube::CiliumEndpoint& b) {
  auto x = a, y = b;
  x.uid = y.uid = "";
  return x == y;
}

std::vector<IpIdentity> ip_identities(const kube::CiliumEndpoint& e, const std::string& cluster) {
  std::vector<IpIdentity> out;
  if (e.identity == 0 || !e.node) return out;
  for (const auto& a : e.addresses) {
    IpIdentity row;
    row.cluster = cluster;
    row.prefix = Prefix::host(a);
    row.host = *e.node;
    row.id = e.identity;
    row.encryption_key = e.encryption_key;
    row.ns = e.name.ns;
    row.pod = e.name.name;
    row.service_account = e.service_account;
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace weft::identity
