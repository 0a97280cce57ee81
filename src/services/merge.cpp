#include "services/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace weft::services {
namespace {

// A backend while it is being judged: what the datapath needs, and what the rules look at.
struct Candidate {
  Backend backend;
  bool remote = false;
  bool last_known = false;  // of a cluster that has not spoken yet
  std::vector<std::string> for_zones;
  std::vector<std::string> for_nodes;
};

/// Nothing: the endpoint must get no traffic at all. Kubernetes' meaning of the three conditions, here and in other
/// clusters: who is ready takes traffic, and whether a terminating pod, or one that is not ready, is to count as ready
/// (publishNotReadyAddresses) has been decided when the slice was written. A terminating endpoint that still serves
/// keeps its connections and is the last resort for new ones.
std::optional<BackendState> state_of(bool ready, bool serving, bool terminating) {
  if (ready) return BackendState::active;
  if (terminating && serving) return BackendState::terminating;
  return std::nullopt;
}

void add(std::map<SocketAddress, Candidate>& out, Candidate c) {
  const auto [it, fresh] = out.try_emplace(c.backend.address, c);
  // The same address in two slices (a slice being moved): the living one counts.
  if (!fresh && it->second.backend.state == BackendState::terminating && c.backend.state == BackendState::active)
    it->second = std::move(c);
}

void add_local(std::map<SocketAddress, Candidate>& out, const ServicePort& port, Family family,
               const std::vector<std::shared_ptr<const EndpointSlice>>& slices) {
  for (const auto& slice : slices) {
    if (slice->family != family) continue;
    for (const SlicePort& sp : slice->ports) {
      if (sp.name != port.name || sp.protocol != port.protocol || sp.port == 0) continue;
      for (const SliceEndpoint& ep : slice->endpoints) {
        const auto state = state_of(ep.ready, ep.serving, ep.terminating);
        if (!state) continue;
        for (const Address& a : ep.addresses) {
          Candidate c;
          c.backend = {.address = {a, sp.port}, .state = *state, .node = ep.node_name, .zone = ep.zone};
          c.for_zones = ep.for_zones;
          c.for_nodes = ep.for_nodes;
          add(out, std::move(c));
        }
      }
    }
  }
}

// Section 3.3: same family and protocol; if both sides name their ports the names must match.
bool port_matches(const ServicePort& ours, const std::string& their_name, const ClusterService::PortSpec& theirs) {
  return theirs.protocol == ours.protocol && theirs.port != 0 &&
         (ours.name.empty() || their_name.empty() || ours.name == their_name);
}

void add_remote(std::map<SocketAddress, Candidate>& out, const ServicePort& port, Family family,
                const ClusterService& feed) {
  for (const auto& [address, ports] : feed.backends) {
    if (address.family() != family) continue;
    auto state = std::optional(BackendState::active);
    if (const auto it = feed.states.find(address); it != feed.states.end())
      state = state_of(it->second.ready, it->second.serving, it->second.terminating);
    if (!state) continue;
    for (const auto& [name, spec] : ports) {
      if (!port_matches(port, name, spec)) continue;
      Candidate c;
      c.remote = true;
      c.backend = {
          .address = {address, spec.port}, .state = *state, .cluster_id = feed.cluster_id, .cluster = feed.cluster};
      if (const auto zone = feed.zones.find(address); zone != feed.zones.end()) {
        c.backend.zone = zone->second.zone;
        c.for_zones = zone->second.for_zones;
      }
      add(out, std::move(c));
    }
  }
}

void hold_back(Candidate& c, std::string why) {
  if (!c.backend.preferred) return;
  c.backend.preferred = false;
  c.backend.held_back = std::move(why);
}

// Section 3.3: remote backends carry no node name and pass.
void apply_traffic_policy(std::vector<Candidate*>& all, const Site& site, const Service& service) {
  if (service.internal_traffic_policy != TrafficPolicy::local) return;
  for (Candidate* c : all)
    if (!c->backend.node.empty() && c->backend.node != site.node)
      hold_back(*c, fmt::format("internalTrafficPolicy is Local and the pod is on node {}", c->backend.node));
}

// Section 3.3: hints count only if every backend that takes traffic has some and at least one hints at us. (Slices give
// no hints to endpoints that terminate.)
bool prefer_hinted(std::vector<Candidate*>& all, std::vector<std::string> Candidate::* hints, const std::string& us,
                   std::string_view what) {
  const auto active = [](const Candidate* c) {
    return c->backend.preferred && c->backend.state == BackendState::active;
  };
  // Feeds carry no hints for nodes, and a remote pod is on none of ours. What a silent cluster's hints are nobody
  // knows: they do not keep those of others from counting.
  const bool by_node = hints == &Candidate::for_nodes;
  const auto hinted = [&](const Candidate* c) {
    return !(c->*hints).empty() || c->last_known || (by_node && c->remote);
  };
  const auto for_us = [&](const Candidate* c) { return std::ranges::find(c->*hints, us) != (c->*hints).end(); };
  if (us.empty() || !std::ranges::all_of(all, [&](const Candidate* c) { return !active(c) || hinted(c); }))
    return false;
  if (std::ranges::none_of(all, [&](const Candidate* c) { return active(c) && for_us(c); })) return false;
  for (Candidate* c : all)
    if (active(c) && !for_us(c)) hold_back(*c, fmt::format("its topology hints do not name {} {}", what, us));
  return true;
}

// PreferClose is what PreferSameZone was called before Kubernetes 1.33. Without a pod on the node, the zone counts.
void apply_topology(std::vector<Candidate*>& all, const Site& site, const Service& service) {
  const std::string& wish = service.traffic_distribution;
  const bool node = wish == "PreferSameNode";
  if (!site.service_topology || (!node && wish != "PreferSameZone" && wish != "PreferClose")) return;
  if (node && prefer_hinted(all, &Candidate::for_nodes, site.node, "node")) return;
  prefer_hinted(all, &Candidate::for_zones, site.zone, "zone");
}

// Section 3.4. A terminating local backend does not hold traffic that an active remote one could take, nor the
// other way round: the state of remote endpoints is known here, unlike in the reference.
void apply_affinity(std::vector<Candidate*>& all, ServiceAffinity affinity) {
  if (affinity == ServiceAffinity::none) return;
  const auto usable = [&](bool remote, bool active_only) {
    return std::any_of(all.begin(), all.end(), [&](const Candidate* c) {
      return c->remote == remote && c->backend.preferred && (!active_only || c->backend.state == BackendState::active);
    });
  };
  const bool preferred_is_remote = affinity == ServiceAffinity::remote;
  const bool fall_back = !usable(preferred_is_remote, true) && usable(!preferred_is_remote, false);
  if (fall_back) return;
  for (Candidate* c : all)
    if (c->remote != preferred_is_remote)
      hold_back(*c, preferred_is_remote ? "affinity is remote and a remote backend is healthy"
                                        : "affinity is local and a local backend is healthy");
}

}  // namespace

std::vector<Frontend> merge(const Site& site, const Service& service,
                            const std::vector<std::shared_ptr<const EndpointSlice>>& slices,
                            const std::vector<std::shared_ptr<const ClusterService>>& remotes,
                            const LastKnown& last_known) {
  std::vector<Frontend> out;
  if (service.type == ServiceType::external_name || service.headless) return out;

  const auto emit = [&](const Address& ip, FrontendKind kind) {
    if (ip.is_v4() ? !site.ipv4 : !site.ipv6) return;
    for (const ServicePort& port : service.ports) {
      std::map<SocketAddress, Candidate> candidates;
      add_local(candidates, port, ip.family(), slices);
      if (service.global)
        for (const auto& feed : remotes)
          if (feed->shared && feed->cluster != site.cluster) add_remote(candidates, port, ip.family(), *feed);
      if (service.global && last_known)
        for (Backend& b : last_known({{ip, port.port}, port.protocol})) {
          const SocketAddress address = b.address;
          if (address.address.family() != ip.family()) continue;
          candidates.try_emplace(address, Candidate{.backend = std::move(b), .remote = true, .last_known = true});
        }

      std::vector<Candidate*> all;
      for (auto& [address, c] : candidates) all.push_back(&c);
      // From inside the cluster an external IP is a short cut to the service, whatever node has the pod.
      if (kind == FrontendKind::cluster_ip) apply_traffic_policy(all, site, service);
      apply_topology(all, site, service);
      if (service.global) apply_affinity(all, service.affinity);

      Frontend f;
      f.address = {{ip, port.port}, port.protocol};
      f.kind = kind;
      f.service = service.name;
      f.port_name = port.name;
      f.session_affinity_seconds = service.session_affinity_seconds.value_or(0);
      f.algorithm = service.algorithm.value_or(site.default_algorithm);
      f.affinity = service.global ? service.affinity : ServiceAffinity::none;
      f.global = service.global;
      for (auto& [address, c] : candidates) f.backends.push_back(std::move(c.backend));
      out.push_back(std::move(f));
    }
  };
  for (const Address& ip : service.cluster_ips) emit(ip, FrontendKind::cluster_ip);
  for (const Address& ip : service.external_ips)
    if (std::ranges::find(service.cluster_ips, ip) == service.cluster_ips.end()) emit(ip, FrontendKind::external_ip);
  std::sort(out.begin(), out.end(), [](const Frontend& a, const Frontend& b) { return a.address < b.address; });
  return out;
}

}  // namespace weft::services
