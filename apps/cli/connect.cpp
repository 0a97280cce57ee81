#include "apps/cli/connect.h"

#include <boost/json.hpp>

#include <set>

#include "apps/cli/trust_bundle.h"

namespace weft::cli {

namespace {

std::string both(const AccessInfo& a, const AccessInfo& b) { return fmt::format("{} and {}", a.context, b.context); }

std::string bundle_of(const json::object& values) {
  const auto* now = at_path(values, "tls.caBundle.content");
  return now && now->is_string() ? std::string(now->as_string()) : std::string();
}

/// The first pair of pod CIDRs that overlap.
std::optional<std::pair<NodeCidr, NodeCidr>> overlap(const AccessInfo& a, const AccessInfo& b) {
  // Sorted by address an overlap is found beside its neighbour: CIDRs either hold each other or are apart.
  std::vector<std::pair<NodeCidr, bool>> all;
  for (const auto& c : a.pod_cidrs) all.emplace_back(c, true);
  for (const auto& c : b.pod_cidrs) all.emplace_back(c, false);
  std::sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.first.prefix < y.first.prefix; });
  std::vector<std::pair<NodeCidr, bool>> open;  // those that hold the present one, innermost last
  for (const auto& c : all) {
    while (!open.empty() && !open.back().first.prefix.contains(c.first.prefix)) open.pop_back();
    for (const auto& o : open)
      if (o.second != c.second) return c.second ? std::pair{c.first, o.first} : std::pair{o.first, c.first};
    open.push_back(c);
  }
  return std::nullopt;
}

bool both_tunnel(const AccessInfo& a, const AccessInfo& b) { return a.routing == "tunnel" && b.routing == "tunnel"; }

}  // namespace

bool same_authority(const AccessInfo& a, const AccessInfo& b) { return a.ca_key_id == b.ca_key_id; }

std::vector<std::string> refusals(const AccessInfo& a, const AccessInfo& b, bool allow_mismatching_ca) {
  std::vector<std::string> out;
  for (const auto* x : {&a, &b}) {
    const auto* y = x == &a ? &b : &a;
    if (const auto r = validate_cluster_name(x->cluster, x->id); !r)
      out.push_back(fmt::format("connecting {} to {}: {}: {} (weft upgrade --context {} --set cluster.name=NAME)",
                                a.context, b.context, x->context, r.error().message, x->context));
    if (x->id == 0) {
      out.push_back(fmt::format(
          "connecting {} to {}: {} has cluster.id 0, which means no mesh; give it a number from 1 to {} other than {} "
          "(weft upgrade --context {} --set cluster.id=N)",
          a.context, b.context, x->context, x->max_connected_clusters, y->id, x->context));
    } else if (const auto r = validate_cluster_id(x->id, x->max_connected_clusters); !r) {
      out.push_back(fmt::format("connecting {} to {}: {}: {} (weft upgrade --context {} --set cluster.id=N)", a.context,
                                b.context, x->context, r.error().message, x->context));
    }
  }
  if (a.cluster == b.cluster)
    out.push_back(
        fmt::format("{} have the same cluster.name \"{}\"; rename one (weft upgrade --context {} --set "
                    "cluster.name=NAME) and restart "
                    "its workloads",
                    both(a, b), a.cluster, b.context));
  if (a.id == b.id && a.id != 0)
    out.push_back(fmt::format(
        "{} have the same cluster.id {}; give one another number from 1 to {} (weft upgrade --context {} --set "
        "cluster.id=N) and restart its workloads",
        both(a, b), a.id, a.max_connected_clusters, b.context));
  if (a.max_connected_clusters != b.max_connected_clusters)
    out.push_back(
        fmt::format("{} differ in clustermesh.maxConnectedClusters, {} and {}: identities would mean different things; "
                    "it is chosen "
                    "when a cluster is made, reinstall one with the other's value",
                    both(a, b), a.max_connected_clusters, b.max_connected_clusters));
  if (!same_authority(a, b) && !allow_mismatching_ca)
    out.push_back(fmt::format(
        "{} have different certificate authorities, key ids {} and {}; install one with the other's (copy Secret "
        "cilium-ca before weft install), or let them trust each other with --allow-mismatching-ca",
        both(a, b), a.ca_key_id, b.ca_key_id));
  if (const auto o = overlap(a, b))
    out.push_back(fmt::format(
        "{} have overlapping pod CIDRs: {} of node {} in {} and {} of node {} in {}; a pod address must mean one pod: "
        "give one cluster another range (kube-controller-manager --cluster-cidr, from which its nodes get theirs) and "
        "register its nodes anew",
        both(a, b), o->first.prefix.to_string(), o->first.node, a.context, o->second.prefix.to_string(), o->second.node,
        b.context));
  // Everything would say ready, and no packet between pods would arrive.
  if (both_tunnel(a, b) && a.tunnel_port != b.tunnel_port && a.tunnel_port != 0 && b.tunnel_port != 0)
    out.push_back(
        fmt::format("{} differ in tunnelPort, {} and {}: neither would receive the other's packets; give both the same "
                    "(weft upgrade --context {} --set tunnelPort={})",
                    both(a, b), a.tunnel_port, b.tunnel_port, b.context, a.tunnel_port));
  const std::set<std::string> underlays{a.underlay, b.underlay};
  if (both_tunnel(a, b) && underlays == std::set<std::string>{"ipv4", "ipv6"})
    out.push_back(
        fmt::format("{} differ in underlayProtocol, {} and {}: neither would receive the other's packets; give both "
                    "one that all nodes have (weft upgrade --context {} --set underlayProtocol={})",
                    both(a, b), a.underlay, b.underlay, b.context, a.underlay));
  return out;
}

std::vector<std::string> remarks(const AccessInfo& a, const AccessInfo& b) {
  std::vector<std::string> out;
  if (!a.routing.empty() && !b.routing.empty() && a.routing != b.routing)
    out.push_back(fmt::format("{} routes pod traffic in mode {}, {} in mode {}: use the same routingMode in both",
                              a.context, a.routing, b.context, b.routing));
  // "auto" comes to the same as one of the others where all nodes have that family (and, for ipv6, no other).
  const bool known = !a.underlay.empty() && !b.underlay.empty();
  if (both_tunnel(a, b) && known && a.underlay != b.underlay && (a.underlay == "auto" || b.underlay == "auto"))
    out.push_back(
        fmt::format("{} has underlayProtocol {}, {} has {}: nodes that go by different families exchange no packets; "
                    "use the same in both",
                    a.context, a.underlay, b.context, b.underlay));
  return out;
}

json::object connected_values(json::object values, const AccessInfo& remote) {
  MeshCluster cluster{remote.cluster, remote.ips, remote.address, remote.port};
  // The name that a load balancer was given is in nobody's certificate.
  if (!remote.address.empty()) {
    const auto* domain = at_path(values, "clustermesh.config.domain");
    cluster.server_name =
        remote.cluster + "." + (domain && domain->is_string() ? std::string(domain->as_string()) : "mesh.cilium.io");
  }
  return with_cluster(std::move(values), cluster);
}

json::object trusting_values(json::object values, const AccessInfo& remote) {
  set_path(values, "tls.caBundle.content", json::string(with_authority(bundle_of(values), remote.cluster, remote.ca)));
  set_path(values, "tls.caBundle.enabled", true);
  return values;
}

json::object distrusting_values(json::object values, const std::string& remote_cluster) {
  const auto before = bundle_of(values);
  const auto after = without_authority(before, remote_cluster);
  if (before == after) return values;
  set_path(values, "tls.caBundle.content", json::string(after));
  if (after.find_first_not_of(" \t\r\n") == std::string::npos) set_path(values, "tls.caBundle.enabled", false);
  return values;
}

json::object disconnected_values(json::object values, const std::string& remote_cluster) {
  return without_cluster(std::move(values), remote_cluster);
}

bool knows(const json::object& values, const std::string& cluster) {
  const auto known = mesh_clusters(values);
  // What cannot be read may name anybody.
  return !known || std::any_of(known->begin(), known->end(), [&](const auto& c) { return c.name == cluster; });
}

bool may_read(const json::object& values, const std::string& remote) {
  return knows(values, remote) || has_reader(values, remote);
}

json::object letting_read(json::object values, const std::string& name, const std::string& remote,
                          const json::object* remote_values) {
  // Whom this cluster connects to may read anyway.
  const bool one_way = remote_values && knows(*remote_values, name) && !knows(values, remote);
  return with_reader(std::move(values), remote, one_way);
}

std::vector<std::pair<std::size_t, std::size_t>> connections(std::size_t count, ConnectionMode mode) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  const std::size_t last = mode == ConnectionMode::mesh ? count : std::min<std::size_t>(count, 1);
  for (std::size_t a = 0; a < last; ++a) {
    for (std::size_t b = a + 1; b < count; ++b) {
      out.emplace_back(a, b);
      if (mode != ConnectionMode::unicast) out.emplace_back(b, a);
    }
  }
  return out;
}

}  // namespace weft::cli
