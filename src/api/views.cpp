#include "api/views.h"

#include <boost/json.hpp>

namespace weft::api {

namespace {

json::object labels_json(const Labels& labels) {
  json::object out;
  for (const auto& [k, v] : labels) out[k] = v;
  return out;
}

std::string_view affinity_text(ServiceAffinity a) {
  switch (a) {
    case ServiceAffinity::local: return "local";
    case ServiceAffinity::remote: return "remote";
    case ServiceAffinity::none: break;
  }
  return "none";
}

template <class Row, class Fn>
json::array rows(const Table<Row>& table, Fn&& one) {
  json::array out;
  out.reserve(table.size());
  table.for_each([&](const Row& row) { out.push_back(one(row)); });
  return out;
}

}  // namespace

std::string_view to_string(FrontendKind k) {
  switch (k) {
    case FrontendKind::cluster_ip: return "ClusterIP";
    case FrontendKind::external_ip: return "ExternalIP";
    case FrontendKind::load_balancer: return "LoadBalancer";
    case FrontendKind::node_port: return "NodePort";
  }
  return "Unknown";
}

std::string_view to_string(BackendState s) { return s == BackendState::active ? "active" : "terminating"; }

json::object view(const Frontend& f, const Programmed& datapath, const std::string& local_cluster) {
  json::array backends;
  for (const Backend& b : f.backends) {
    backends.push_back(json::object{{"address", b.address.to_string()},
                                    {"state", to_string(b.state)},
                                    {"cluster", b.cluster.empty() ? local_cluster : b.cluster},
                                    {"local", b.cluster.empty()},
                                    {"node", b.node},
                                    {"zone", b.zone},
                                    {"preferred", b.preferred},
                                    {"heldBack", b.held_back}});
  }
  const char* state = !datapath.error.empty() ? "error" : datapath.id == 0 ? "pending" : "programmed";
  return {{"id", datapath.id},
          {"state", state},
          {"reason", datapath.error},
          {"frontend", f.address.to_string()},
          {"type", to_string(f.kind)},
          {"namespace", f.service.ns},
          {"name", f.service.name},
          {"portName", f.port_name},
          {"global", f.global},
          {"affinity", affinity_text(f.affinity)},
          {"algorithm", f.algorithm == LbAlgorithm::maglev ? "maglev" : "random"},
          {"sessionAffinitySeconds", f.session_affinity_seconds},
          {"backends", std::move(backends)}};
}

json::array services_view(const Table<Frontend>& table, const FrontendInfo& info, const std::string& local_cluster,
                          const std::vector<Unserved>& unserved) {
  std::multimap<FrontendKey, const Unserved*> in_vain;
  for (const Unserved& u : unserved) in_vain.emplace(u.frontend.address, &u);
  json::array out;
  out.reserve(table.size() + in_vain.size());
  auto next = in_vain.begin();
  const auto add_in_vain = [&] {
    out.push_back(view(next->second->frontend, Programmed{0, next->second->why}, local_cluster));
    ++next;
  };
  table.for_each([&](const Frontend& f) {
    while (next != in_vain.end() && next->first < f.address) add_in_vain();
    out.push_back(view(f, info ? info(f.address) : Programmed{}, local_cluster));
  });
  while (next != in_vain.end()) add_in_vain();
  return out;
}

json::object view(const Node& n) {
  json::array addresses, cidrs, health;
  for (const NodeAddress& a : n.addresses)
    addresses.push_back(json::object{{"type", weft::to_string(a.type)}, {"ip", a.value}});
  for (const Prefix& p : n.pod_cidrs) cidrs.emplace_back(p.to_string());
  for (const auto& a : {n.health_v4, n.health_v6})
    if (a) health.emplace_back(a->to_string());
  return {{"cluster", n.cluster},
          {"clusterId", n.cluster_id},
          {"name", n.name},
          {"addresses", std::move(addresses)},
          {"podCIDRs", std::move(cidrs)},
          {"healthIPs", std::move(health)},
          {"encryptionKey", n.encryption_key},
          {"labels", labels_json(n.labels)},
          {"source", n.source}};
}

json::array nodes_view(const Table<Node>& table) {
  return rows(table, [](const Node& n) { return view(n); });
}

json::object view(const Identity& i) {
  return {{"id", i.id},
          {"cluster", i.cluster},
          {"labels", labels_json(i.labels)},
          {"reserved", i.id < kIdentityMinimumAllocated}};
}

json::array identities_view(const Table<Identity>& table) {
  return rows(table, [](const Identity& i) { return view(i); });
}

json::object view(const IpIdentity& i) {
  return {{"prefix", i.prefix.to_string()},
          {"cluster", i.cluster},
          {"host", i.host.to_string()},
          {"identity", i.id},
          {"namespace", i.ns},
          {"pod", i.pod},
          {"serviceAccount", i.service_account}};
}

json::array ip_identities_view(const Table<IpIdentity>& table) {
  return rows(table, [](const IpIdentity& i) { return view(i); });
}

json::object view(const EndpointInfo& e) {
  json::array addresses;
  for (const Address& a : e.addresses) addresses.emplace_back(a.to_string());
  return {{"id", e.id},
          {"namespace", e.pod.ns},
          {"pod", e.pod.name},
          {"addresses", std::move(addresses)},
          {"identity", e.identity},
          {"labels", labels_json(e.labels)},
          {"interface", e.interface},
          {"containerID", e.container_id},
          {"state", e.state},
          {"why", e.why}};
}

json::object view(const LbMapEntry& e) {
  json::array backends;
  for (std::size_t i = 0; i < e.backends.size(); ++i) {
    const auto& b = e.backends[i];
    backends.push_back(json::object{
        {"slot", i + 1}, {"backendId", b.backend_id}, {"address", b.address.to_string()}, {"state", b.state}});
  }
  return {{"frontend", e.frontend.to_string()}, {"id", e.id}, {"flags", e.flags}, {"backends", std::move(backends)}};
}

}  // namespace weft::api
