#include "bgp/control/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "bgp/control/parse.h"
#include "bgp/control/router_annotation.h"

namespace weft::bgp::control {

namespace {

constexpr std::size_t kMd5Limit = 80;   // TCP_MD5SIG_MAXKEYLEN
constexpr std::size_t kSha1Limit = 20;  // RFC 5880 §6.7.4

/// How far a draining node is with one peer: marked routes carry the graceful-shutdown community (RFC 8326), then they
/// are withdrawn.
enum class Drain { none, marked, withdrawn };

Drain drain_of(const NodeFacts& node, const PeerSettings& s, const std::string& instance, const std::string& peer,
               std::optional<std::chrono::seconds>& changes_in) {
  if (!node.draining_for) {
    const bool keeps = s.graceful_restart && !node.without_restart.contains({instance, peer});
    return node.stopping && !keeps ? Drain::marked : Drain::none;
  }
  const auto limit = s.graceful_shutdown.value_or(kDrainTime);
  if (*node.draining_for >= limit) return Drain::withdrawn;
  const auto left = limit - *node.draining_for;
  if (!changes_in || left < *changes_in) changes_in = left;
  return Drain::marked;
}

/// The text of a Secret, or why a session that needs it must not run.
std::optional<std::string> secret(const Objects& o, const std::string& name, std::size_t limit, std::string& why_not) {
  const std::string full = fmt::format("Secret {}/{}", o.secrets_namespace, name);
  if (!o.passwords) {
    why_not = full + " is not read yet";
    if (!o.passwords_error.empty())
      why_not += ": " + o.passwords_error + "; " + secrets_mend("weft-agent", o.secrets_namespace);
    return std::nullopt;
  }
  const auto it = o.passwords->find(name);
  if (it == o.passwords->end()) {
    why_not = full + " is missing or has no key `password`: create it; without it the session stays down";
    return std::nullopt;
  }
  if (it->second.empty() || it->second.size() > limit) {
    why_not = fmt::format("{}: `password` has {} bytes; give 1 to {}", full, it->second.size(), limit);
    return std::nullopt;
  }
  return it->second;
}

void apply_settings(const PeerSettings& s, const Objects& objects, PeerConfig& out) {
  out.port = s.port;
  out.source_interface = s.source_interface;
  out.connect_retry = s.connect_retry;
  out.hold_time = s.hold_time;
  out.keepalive = s.keepalive;
  out.ebgp_multihop = s.ebgp_multihop;
  out.ttl_security = s.ttl_security;
  out.passive = s.passive;
  out.graceful_restart = s.graceful_restart;
  out.extended_next_hop = s.extended_next_hop;
  out.max_received = s.max_received;
  out.import = s.import;
  out.families.clear();
  for (const auto& f : s.families) out.families.push_back(f.family);
  std::sort(out.families.begin(), out.families.end());  // another order in the object is no other session
  const bool secrets = !s.auth_secret.empty() || (s.bfd && !s.bfd->auth_secret.empty());
  out.held_for_now = secrets && !objects.passwords;
  if (!s.auth_secret.empty()) out.password = secret(objects, s.auth_secret, kMd5Limit, out.held_down);
  if (s.bfd) {
    PeerBfd bfd{.transmit = s.bfd->transmit,
                .receive = s.bfd->receive,
                .multiplier = s.bfd->multiplier,
                .sha1_key = std::nullopt,
                .sha1_key_id = s.bfd->key_id,
                .multihop = s.bfd->multihop,
                .minimum_ttl = s.bfd->minimum_ttl};
    if (!s.bfd->auth_secret.empty()) {
      std::string why_not;
      bfd.sha1_key = secret(objects, s.bfd->auth_secret, kSha1Limit, why_not);
      if (!why_not.empty()) out.held_down = "BFD: " + why_not;
    }
    out.bfd = std::move(bfd);
  }
}

/// Adds a peer to an instance, sharing the groups of peers with equal rules.
class InstanceBuilder {
 public:
  InstanceBuilder(Plan::Instance& out, const ObjectRef& object, Findings& findings)
      : out_(out), object_(object), findings_(findings) {}

  void add(PeerConfig peer, std::map<AfiSafi, Group> groups, Drain drain, const std::string& field) {
    for (const PeerConfig& other : out_.config.peers)
      if (other.address == peer.address && other.interface == peer.interface) {
        findings_.push_back({Finding::Severity::error, object_, field, peer.address ? peer.address->to_string() : "",
                             "is the address of peer " + other.name + " too", "one of the two is left out: remove it"});
        return;
      }
    if (peer.passive && !out_.config.listen_port && peer.held_down.empty())
      peer.held_down =
          fmt::format("the peer is passive, but instance {} does not listen: give its localPort, or remove passive",
                      out_.config.name);
    peer.graceful_shutdown = drain == Drain::marked;
    if (drain == Drain::withdrawn) {
      groups.clear();
      out_.withdrawn.insert(peer.name);
    }
    for (auto& [family, group] : groups) {
      if (group.rules.empty()) continue;
      const auto same = std::find_if(out_.groups.begin(), out_.groups.end(),
                                     [&g = group](const auto& entry) { return entry.second == g; });
      if (same != out_.groups.end()) {
        peer.routes[family] = same->first;
        continue;
      }
      const std::string name = fmt::format("{} of {}", family == kIpv4Unicast ? "ipv4" : "ipv6", peer.name);
      out_.groups.emplace(name, std::move(group));
      peer.routes[family] = name;
    }
    out_.config.peers.push_back(std::move(peer));
  }

 private:
  Plan::Instance& out_;
  const ObjectRef& object_;
  Findings& findings_;
};

/// A bad annotation leaves what the last good one said in force, else the parts that can be read.
RouterAnnotation annotation_in_force(const NodeFacts& node, Asn asn, Findings& findings) {
  const auto it = node.annotations.find(router_annotation(asn));
  if (it == node.annotations.end()) return {};
  Findings wrong;
  RouterAnnotation out = read_router_annotation(node.name, asn, it->second, wrong);
  if (wrong.empty()) return out;
  const auto good = node.good_annotations.find(it->first);
  const bool known = good != node.good_annotations.end();
  for (Finding& f : wrong) {
    f.mend += known ? "; what it said last goes on" : "; the part is passed over";
    findings.push_back(std::move(f));
  }
  Findings none;
  return known ? read_router_annotation(node.name, asn, good->second, none) : out;
}

void plan_policy(const NodeFacts& node, const Objects& objects, const Object<PeeringPolicySpec>& policy, Plan& out) {
  const ObjectRef object{kPolicyKind, policy.meta.name};
  out.source = object.to_string();
  std::size_t index = 0;
  std::map<Port, std::string> listening;
  for (const VirtualRouter& router : policy.good->routers) {
    const std::string field = fmt::format("spec.virtualRouters[{}]", index++);
    const auto said = annotation_in_force(node, router.local_as, out.findings);
    Plan::Instance instance;
    instance.field = field;
    instance.uses = {object};
    instance.config.name = std::to_string(router.local_as);
    instance.config.local_as = router.local_as;
    instance.config.router_id = said.router_id.value_or(default_router_id(node));
    if (said.local_port && !listening.emplace(*said.local_port, instance.config.name).second) {
      out.findings.push_back({Finding::Severity::error,
                              {"Node", node.name},
                              "metadata.annotations[" + router_annotation(router.local_as) + "]",
                              fmt::format("local-port={}", *said.local_port),
                              "is the port of another virtual router",
                              "give each its own; this one does not listen"});
    } else {
      instance.config.listen_port = said.local_port;
    }

    std::vector<Rule> rules;
    if (router.export_pod_cidr) rules.push_back({object, field + ".exportPodCIDR", {}});
    if (router.service_selector)
      rules.push_back({object,
                       field + ".serviceSelector",
                       {.type = AdvertisementSpec::Entry::Type::service,
                        .addresses = router.service_addresses,
                        .aggregate_v4 = {},
                        .aggregate_v6 = {},
                        .interface = {},
                        .selector = router.service_selector,
                        .attributes = {}}});
    InstanceBuilder builder(instance, object, out.findings);
    std::size_t n = 0;
    for (const Neighbor& neighbor : router.neighbors) {
      PeerConfig peer;
      peer.name = neighbor.address.to_string();
      peer.address = neighbor.address;
      peer.remote_as = neighbor.remote_as;
      apply_settings(neighbor.settings, objects, peer);
      const Drain drain = drain_of(node, neighbor.settings, instance.config.name, peer.name, out.changes_in);
      std::map<AfiSafi, Group> groups;
      for (const AfiSafi family : peer.families) groups[family] = {family, rules, neighbor.attributes};
      builder.add(std::move(peer), std::move(groups), drain, fmt::format("{}.neighbors[{}].peerAddress", field, n++));
    }
    out.instances.emplace(instance.config.name, std::move(instance));
  }
}

std::vector<Rule> rules_for(const Objects& objects, const std::optional<Selector>& selector,
                            std::set<std::string>& used) {
  std::vector<Rule> out;
  for (const auto& [name, object] : objects.advertisements) {
    if (!matches_or_none(selector, object->meta.labels)) continue;
    used.insert(name);
    if (!object->good) continue;
    std::size_t i = 0;
    for (const auto& entry : object->good->entries)
      out.push_back({{kAdvertisementKind, name}, fmt::format("spec.advertisements[{}]", i++), entry});
  }
  return out;
}

/// The addresses that a peer of an instance stands for: one, or as many as there are default gateways.
std::vector<PeerConfig> places(const NodeFacts& node, const PeerSpec& spec, const ObjectRef& object,
                               const std::string& field, Findings& findings) {
  PeerConfig base;
  base.name = spec.name;
  base.address = spec.address;
  // A link tells nothing of an address that routes lead to.
  if (!spec.address || spec.address->is_link_local())
    base.interface = spec.interface.empty() ? spec.zone : spec.interface;
  base.remote_as = spec.remote_as;
  base.local_address = spec.local_address;
  if (!spec.default_gateway) return {base};
  const auto& gateways = *spec.default_gateway == Family::v4 ? node.gateways_v4 : node.gateways_v6;
  if (gateways.empty())
    findings.push_back({Finding::Severity::error, object, field + ".autoDiscovery", "",
                        fmt::format("finds no {} default route with a gateway on node {}",
                                    *spec.default_gateway == Family::v4 ? "IPv4" : "IPv6", node.name),
                        "give the node one, or name the peer by peerAddress"});
  std::vector<PeerConfig> out;
  for (const Gateway& g : gateways) {
    PeerConfig p = base;
    p.address = g.address;
    p.interface = g.address.is_link_local() ? g.interface : "";
    // Also when there is one: a second gateway that comes or goes must not give this one's session another name.
    p.name = spec.name + "-" + g.address.to_string() + (p.interface.empty() ? "" : "%" + p.interface);
    out.push_back(std::move(p));
  }
  return out;
}

void plan_node_config(const NodeFacts& node, const Objects& objects, Plan& out) {
  const auto& config = *objects.node_config;
  const ObjectRef object{kNodeConfigKind, config.meta.name};
  out.source = object.to_string();
  std::set<std::string> used_peers, used_advertisements;
  std::size_t index = 0;
  for (const InstanceSpec& spec : config.good->instances) {
    const std::string field = fmt::format("spec.bgpInstances[{}]", index++);
    Plan::Instance instance;
    instance.field = field;
    instance.uses = {object};
    instance.config.name = spec.name;
    instance.config.local_as = *spec.local_as;
    instance.config.router_id = spec.router_id.value_or(default_router_id(node));
    if (const auto key = router_annotation(*spec.local_as); node.annotations.contains(key))
      out.findings.push_back({Finding::Severity::warning,
                              {"Node", node.name},
                              "metadata.annotations[" + key + "]",
                              "",
                              "has no effect on a CiliumBGPNodeConfig",
                              "give routerID and localPort in CiliumBGPNodeConfigOverride " + node.name});
    instance.config.listen_port = spec.local_port;
    InstanceBuilder builder(instance, object, out.findings);
    std::size_t n = 0;
    for (const PeerSpec& peer : spec.peers) {
      const std::string peer_field = fmt::format("{}.peers[{}]", field, n++);
      static const PeerSettings kDefault = default_peer_settings();
      const PeerSettings* settings = &kDefault;
      std::string held_down;
      if (!peer.config.empty()) {
        used_peers.insert(peer.config);
        instance.uses.insert({kPeerConfigKind, peer.config});
        const auto it = objects.peer_configs.find(peer.config);
        if (it == objects.peer_configs.end()) {
          held_down = fmt::format("{} {} does not exist: create it", kPeerConfigKind, peer.config);
          out.findings.push_back({Finding::Severity::error, object, peer_field + ".peerConfigRef.name",
                                  "\"" + peer.config + "\"", "does not exist", "create the CiliumBGPPeerConfig"});
        } else if (!it->second->good) {
          held_down = join(it->second->findings, 300);
        } else {
          settings = it->second->good.get();
        }
      }
      std::map<AfiSafi, Group> groups;
      std::set<std::string> advertisements;
      for (const auto& f : settings->families)
        groups[f.family] = {f.family, rules_for(objects, f.advertisements, advertisements), {}};
      for (const auto& name : advertisements) instance.uses.insert({kAdvertisementKind, name});
      used_advertisements.merge(advertisements);
      for (PeerConfig& place : places(node, peer, object, peer_field, out.findings)) {
        apply_settings(*settings, objects, place);
        if (!held_down.empty()) {
          place.held_down = held_down;
          place.held_for_now = false;
        }
        const Drain drain = drain_of(node, *settings, spec.name, place.name, out.changes_in);
        builder.add(std::move(place), groups, drain, peer_field + ".peerAddress");
      }
    }
    out.instances.emplace(instance.config.name, std::move(instance));
  }
  for (const auto& name : used_peers)
    if (const auto it = objects.peer_configs.find(name); it != objects.peer_configs.end())
      out.findings.insert(out.findings.end(), it->second->findings.begin(), it->second->findings.end());
  for (const auto& name : used_advertisements) {
    const auto& findings = objects.advertisements.at(name)->findings;
    out.findings.insert(out.findings.end(), findings.begin(), findings.end());
  }
}

}  // namespace

std::vector<Gateway> default_gateways(const std::vector<netlink::Route>& routes,
                                      const std::vector<netlink::Link>& links, Family family) {
  // 0 is how the kernel's default metric of IPv6 reads here (1024).
  const auto metric = [&](const netlink::Route& r) { return r.metric == 0 && family == Family::v6 ? 1024u : r.metric; };
  std::optional<std::uint32_t> best;
  std::vector<Gateway> out;
  for (const netlink::Route& r : routes) {
    if (r.destination.length() != 0 || r.destination.family() != family || r.table != netlink::kMainTable) continue;
    // A default route that a peer told us must not make the peer.
    if (r.type != netlink::RouteType::unicast || r.protocol == netlink::kBgpRouteProtocol) continue;
    auto hops = r.hops;
    if (hops.empty()) hops.push_back({r.via, r.ifindex});
    for (const netlink::RouteHop& hop : hops) {
      const auto link =
          std::find_if(links.begin(), links.end(), [&](const netlink::Link& l) { return l.index == hop.ifindex; });
      if (!hop.via || link == links.end() || !link->up || (best && metric(r) > *best)) continue;
      if (!best || metric(r) < *best) out.clear();
      best = metric(r);
      out.push_back({*hop.via, link->name});
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string secrets_mend(const std::string& who, const std::string& secrets_namespace) {
  return fmt::format(
      "let {} list and watch Secrets in {} (Role and RoleBinding weft-bgp-secrets, which the chart makes "
      "in bgpControlPlane.secretsNamespace.name)",
      who, secrets_namespace);
}

bool concerns(const Finding& finding, const Plan::Instance& instance) {
  if (finding.object.kind == "Node") return finding.field.ends_with(router_annotation(instance.config.local_as) + "]");
  if (!instance.uses.contains(finding.object)) return false;
  // Of the object in force: not what stands at another instance.
  const auto list = instance.field.substr(0, instance.field.find('[') + 1);
  return !finding.field.starts_with(list) || finding.field.starts_with(instance.field);
}

RouterId default_router_id(const NodeFacts& node) {
  if (node.ipv4 && node.ipv4->is_v4() && !node.ipv4->is_unspecified()) return {node.ipv4->to_v4()};
  std::uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : node.name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return {hash == 0 ? 1 : hash};
}

ObjectPtr<PeeringPolicySpec> policy_in_force(const std::vector<ObjectPtr<PeeringPolicySpec>>& policies,
                                             const Labels& node_labels) {
  ObjectPtr<PeeringPolicySpec> best;
  for (const auto& p : policies)
    if (p->good && matches_or_all(p->good->node_selector, node_labels) && (!best || p->meta.older_than(best->meta)))
      best = p;
  return best;
}

Plan plan(const NodeFacts& node, const Objects& objects) {
  Plan out;
  const auto policy = policy_in_force(objects.policies, node.labels);
  if (policy) {
    plan_policy(node, objects, *policy, out);
    out.findings.insert(out.findings.end(), policy->findings.begin(), policy->findings.end());
    for (const auto& p : objects.policies)
      if (p != policy && p->good && matches_or_all(p->good->node_selector, node.labels))
        out.ignored.push_back(fmt::format("{} {} selects node {} too; the older {} is in force there", kPolicyKind,
                                          p->meta.name, node.name, policy->meta.name));
    if (objects.node_config)
      out.ignored.push_back(fmt::format("{} {} has no effect while {} {} selects the node", kNodeConfigKind,
                                        objects.node_config->meta.name, kPolicyKind, policy->meta.name));
  } else if (objects.node_config) {
    if (objects.node_config->good) plan_node_config(node, objects, out);
    const auto& findings = objects.node_config->findings;
    out.findings.insert(out.findings.end(), findings.begin(), findings.end());
  }
  for (const auto& [crd, version] : objects.absent)
    out.findings.push_back({Finding::Severity::warning,
                            {"CustomResourceDefinition", crd},
                            "",
                            "",
                            "does not serve " + version + ": it is not there, or an older Cilium's",
                            kCrdMend});
  return out;
}

}  // namespace weft::bgp::control
