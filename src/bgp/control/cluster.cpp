#include "bgp/control/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "bgp/control/parse.h"
#include "bgp/control/router_annotation.h"

namespace weft::bgp::control {

namespace json = boost::json;

namespace {

std::string list_names(const std::set<std::string>& names, std::size_t most = 8) {
  std::string out;
  std::size_t n = 0;
  for (const auto& name : names) {
    if (n == most) return out + fmt::format(" and {} more", names.size() - most);
    out += (n++ == 0 ? "" : ", ") + name;
  }
  return out;
}

// Agents keep the good states of what they read themselves.
constexpr const char* kAgentsKnow = "Nodes that had it in use go on with what was good last; the others leave it out";

class Deriver {
 public:
  explicit Deriver(const ClusterObjects& objects) : in_(objects) {}

  ClusterOutcome run() {
    claim_router_ids();
    judge_policies();
    assign_nodes();
    for (const auto& config : in_.cluster_configs) judge_cluster_config(*config);
    for (const auto& [name, peer] : in_.peer_configs) judge_peer_config(*peer);
    for (const auto& [name, a] : in_.advertisements)
      judge_spec({kAdvertisementKind, name}, a->meta, a->findings, a->good != nullptr, kAgentsKnow);
    for (const auto& [name, o] : in_.overrides) judge_override(*o);
    return std::move(out_);
  }

 private:
  void condition(const ObjectRef& object, const Meta& meta, std::string type, std::string reason, std::string message) {
    const bool holds = !message.empty();
    if (message.size() > 1024) message = message.substr(0, 1021) + "...";
    out_.conditions[object].push_back({.type = std::move(type),
                                       .holds = holds,
                                       .reason = std::move(reason),
                                       .message = std::move(message),
                                       .observed_generation = meta.generation});
  }

  // Our own condition: the newest state cannot be used, or part of it has no effect. `otherwise` says what happens when
  // no good state is known here.
  void judge_spec(const ObjectRef& object, const Meta& meta, const Findings& findings, bool good,
                  const std::string& otherwise) {
    const bool bad = has_errors(findings);
    std::string message = join(findings, 800);
    if (bad) message += ". " + (good ? "What was good last goes on" : otherwise);
    condition(object, meta, "weft.io/InvalidSpec", bad || findings.empty() ? "InvalidSpec" : "PartlyWithoutEffect",
              std::move(message));
  }

  std::string missing_secrets(const std::set<std::string>& wanted) const {
    if (!in_.passwords) {
      if (wanted.empty() || in_.passwords_error.empty()) return {};
      return fmt::format("Secret {} cannot be read: {}; {}. Sessions of nodes that cannot read it either stay down",
                         list_names(wanted), in_.passwords_error, secrets_mend("weft-operator", in_.secrets_namespace));
    }
    std::set<std::string> missing;
    for (const auto& name : wanted)
      if (!in_.passwords->contains(name)) missing.insert(name);
    if (missing.empty()) return {};
    return fmt::format(
        "Secret {} is missing in namespace {}, or has no key `password`; sessions stay down until it is there",
        list_names(missing), in_.secrets_namespace);
  }

  void judge_policies() {
    std::map<std::string, std::map<std::string, std::set<std::string>>> lost;  // loser → winner → nodes
    std::map<std::string, std::set<std::string>> selected;
    std::map<std::string, Findings> of_nodes;  // policy → about annotations of the nodes where it is in force
    for (const ClusterNode& node : in_.nodes) {
      const auto winner = policy_in_force(in_.policies, node.labels);
      if (!winner) continue;
      by_policy_[node.name] = winner->meta.name;
      for (const VirtualRouter& router : winner->good->routers)
        if (const auto it = node.annotations.find(router_annotation(router.local_as)); it != node.annotations.end())
          read_router_annotation(node.name, router.local_as, it->second, of_nodes[winner->meta.name]);
      for (const auto& p : in_.policies) {
        if (!p->good || !matches_or_all(p->good->node_selector, node.labels)) continue;
        selected[p->meta.name].insert(node.name);
        if (p != winner) lost[p->meta.name][winner->meta.name].insert(node.name);
      }
    }
    for (const auto& p : in_.policies) {
      const ObjectRef object{kPolicyKind, p->meta.name};
      Findings findings = p->findings;
      findings.insert(findings.end(), of_nodes[p->meta.name].begin(), of_nodes[p->meta.name].end());
      const bool agents_know = has_errors(of_nodes[p->meta.name]);
      judge_spec(object, p->meta, findings, p->good != nullptr && !agents_know, kAgentsKnow);
      std::string message;
      for (const auto& [winner, nodes] : lost[p->meta.name])
        message += (message.empty() ? "" : "; ") +
                   fmt::format("{} {} is older and in force on {}", kPolicyKind, winner, list_names(nodes));
      if (!message.empty()) message += "; narrow one of the node selectors";
      condition(object, p->meta, "weft.io/ConflictingPolicy", "OlderPolicySelectsNode", std::move(message));
      condition(object, p->meta, "cilium.io/NoMatchingNode", "NoMatchingNode",
                p->good && selected[p->meta.name].empty() ? "nodeSelector matches no node" : "");
      std::set<std::string> secrets;
      if (p->good)
        for (const auto& router : p->good->routers)
          for (const auto& n : router.neighbors) add_secrets(n.settings, secrets);
      condition(object, p->meta, "cilium.io/MissingAuthSecret", "MissingAuthSecret", missing_secrets(secrets));
    }
  }

  static void add_secrets(const PeerSettings& s, std::set<std::string>& out) {
    if (!s.auth_secret.empty()) out.insert(s.auth_secret);
    if (s.bfd && !s.bfd->auth_secret.empty()) out.insert(s.bfd->auth_secret);
  }

  // The oldest configuration that selects a node makes its NodeConfig.
  void assign_nodes() {
    for (const ClusterNode& node : in_.nodes) {
      ObjectPtr<ClusterConfigSpec> winner;
      for (const auto& c : in_.cluster_configs)
        if (c->good && matches_or_all(c->good->node_selector, node.labels)) {
          selected_[c->meta.name].insert(node.name);
          if (!winner || c->meta.older_than(winner->meta)) winner = c;
        }
      // What an unusable configuration made before stays: nobody knows what it would select now.
      const auto owner = in_.owners.find(node.name);
      if (owner != in_.owners.end()) {
        const auto same = [&](const auto& c) { return c->meta.name == owner->second && !c->good; };
        if (std::any_of(in_.cluster_configs.begin(), in_.cluster_configs.end(), same)) {
          out_.untouched.insert(node.name);
          continue;
        }
      }
      if (!winner) continue;
      for (const auto& c : in_.cluster_configs)
        if (c != winner && selected_[c->meta.name].contains(node.name))
          lost_[c->meta.name][winner->meta.name].insert(node.name);
      make_node_config(node.name, *winner);
    }
  }

  void make_node_config(const std::string& node, const Object<ClusterConfigSpec>& config) {
    WantedNodeConfig out{.spec = {}, .owner = config.meta.name, .owner_uid = config.meta.uid};
    const auto override_object = in_.overrides.find(node);
    const NodeConfigOverrideSpec* changes = nullptr;
    if (override_object != in_.overrides.end()) {
      changes = override_object->second->good.get();
      // Without what it says, ASN, port and router id would become others and every session of the node begin anew.
      const auto made_by = in_.owners.find(node);
      if (changes == nullptr && made_by != in_.owners.end() && made_by->second == config.meta.name) {
        out_.untouched.insert(node);
        return;
      }
    }
    for (InstanceSpec instance : config.good->instances) {
      if (changes)
        for (const auto& o : changes->instances)
          if (o.name == instance.name) apply(o, instance);
      if (!instance.local_as) {
        without_asn_[config.meta.name][instance.name].insert(node);
        continue;
      }
      if (!instance.router_id && in_.router_ids) instance.router_id = allocate(node, instance.name);
      out.spec.instances.push_back(std::move(instance));
    }
    if (changes) settle_ports(node, config, out.spec.instances);
    if (!out.spec.instances.empty()) out_.node_configs.emplace(node, std::move(out));
  }

  static void apply(const NodeConfigOverrideSpec::Instance& o, InstanceSpec& instance) {
    if (o.router_id) instance.router_id = o.router_id;
    if (o.local_port) instance.local_port = o.local_port;
    if (o.local_as) instance.local_as = o.local_as;
    for (const auto& p : o.peers)
      for (PeerSpec& peer : instance.peers)
        if (peer.name == p.name && p.local_address) peer.local_address = p.local_address;
  }

  // A port of the override that another instance has is left out: a NodeConfig with both could not be used. The ports
  // of the cluster configuration itself differ, so this ends.
  void settle_ports(const std::string& node, const Object<ClusterConfigSpec>& config,
                    std::vector<InstanceSpec>& instances) {
    const auto own_port = [&](const InstanceSpec& i) -> std::optional<Port> {
      for (const InstanceSpec& own : config.good->instances)
        if (own.name == i.name) return own.local_port;
      return std::nullopt;
    };
    const auto settle_one = [&] {
      for (InstanceSpec& a : instances)
        for (InstanceSpec& b : instances) {
          if (&a == &b || !b.local_port || a.local_port != b.local_port || b.local_port == own_port(b)) continue;
          const auto own = own_port(b);
          ports_taken_[node].push_back({Finding::Severity::warning,
                                        {kOverrideKind, node},
                                        "spec.bgpInstances[" + b.name + "].localPort",
                                        std::to_string(*b.local_port),
                                        "is the port of instance " + a.name + " too",
                                        "give each its own; " + (own ? fmt::format("{} of {} {} stays", *own,
                                                                                   kClusterConfigKind, config.meta.name)
                                                                     : "until then the instance does not listen")});
          b.local_port = own;
          return true;
        }
      return false;
    };
    while (settle_one()) continue;
  }

  bool in_pool(RouterId id) const { return in_.router_ids && in_.router_ids->prefix.contains(Address::v4(id.value)); }

  // Router ids that overrides and other instances have are not given again.
  void claim_router_ids() {
    if (!in_.router_ids) return;
    for (const auto& [node, o] : in_.overrides)
      if (o->good)
        for (const auto& i : o->good->instances)
          if (i.router_id) used_ids_.insert(*i.router_id);
    for (const auto& [node, c] : in_.node_configs)
      if (c->good)
        for (const auto& i : c->good->instances)
          if (i.router_id && in_pool(*i.router_id)) used_ids_.insert(*i.router_id);
  }

  std::optional<RouterId> allocate(const std::string& node, const std::string& instance) {
    if (const auto it = in_.node_configs.find(node); it != in_.node_configs.end() && it->second->good)
      for (const auto& i : it->second->good->instances)
        if (i.name == instance && i.router_id && in_pool(*i.router_id)) return i.router_id;
    const Prefix& pool = in_.router_ids->prefix;
    const std::uint64_t size = std::uint64_t{1} << (32 - pool.length());
    for (std::uint64_t n = 0; n < size; ++n) {
      const RouterId id{pool.address().plus(n).to_v4()};
      if (id.value != 0 && used_ids_.insert(id).second) return id;
    }
    without_id_.insert(node);
    return std::nullopt;
  }

  void judge_cluster_config(const Object<ClusterConfigSpec>& c) {
    const std::string& name = c.meta.name;
    const ObjectRef object{kClusterConfigKind, name};
    Findings findings = c.findings;
    for (const auto& [instance, nodes] : without_asn_[name])
      findings.push_back({Finding::Severity::warning, object, "spec.bgpInstances[" + instance + "].localASN", "",
                          "is missing on " + list_names(nodes),
                          "give it here or in the node's CiliumBGPNodeConfigOverride; the instance is left out there"});
    std::set<std::string> without_id;
    for (const auto& node : selected_[name])
      if (without_id_.contains(node)) without_id.insert(node);
    if (!without_id.empty())
      findings.push_back({Finding::Severity::warning, object, "", "",
                          "has no router ID left in the pool for " + list_names(without_id),
                          "make bgpControlPlane.routerIDAllocation.ipPool larger; the node's own address is used"});
    judge_spec(object, c.meta, findings, c.good != nullptr, "The CiliumBGPNodeConfigs made of it stay as they are");
    condition(object, c.meta, "cilium.io/NoMatchingNode", "NoMatchingNode",
              c.good && selected_[name].empty() ? "nodeSelector matches no node" : "");
    std::set<std::string> missing;
    if (c.good)
      for (const auto& i : c.good->instances)
        for (const auto& p : i.peers)
          if (!p.config.empty() && !in_.peer_configs.contains(p.config)) missing.insert(p.config);
    condition(object, c.meta, "cilium.io/MissingPeerConfigs", "MissingPeerConfigs",
              missing.empty() ? ""
                              : fmt::format("CiliumBGPPeerConfig {} does not exist; peers that refer to it stay down",
                                            list_names(missing)));
    std::string conflict;
    for (const auto& [winner, nodes] : lost_[name])
      conflict += (conflict.empty() ? "" : "; ") +
                  fmt::format("{} {} is older and in force on {}", kClusterConfigKind, winner, list_names(nodes));
    if (!conflict.empty()) conflict += "; narrow one of the node selectors";
    condition(object, c.meta, "cilium.io/ConflictingClusterConfig", "ConflictingClusterConfigs", std::move(conflict));
    std::map<std::string, std::set<std::string>> shadowed;
    for (const auto& node : selected_[name])
      if (const auto it = by_policy_.find(node); it != by_policy_.end()) shadowed[it->second].insert(node);
    std::string shadow;
    for (const auto& [policy, nodes] : shadowed)
      shadow +=
          (shadow.empty() ? "" : "; ") + fmt::format("{} {} is in force on {}", kPolicyKind, policy, list_names(nodes));
    condition(object, c.meta, "weft.io/PeeringPolicyInForce", "PeeringPolicyInForce", std::move(shadow));
  }

  void judge_peer_config(const Object<PeerConfigSpec>& p) {
    const ObjectRef object{kPeerConfigKind, p.meta.name};
    judge_spec(object, p.meta, p.findings, p.good != nullptr, kAgentsKnow);
    std::set<std::string> secrets;
    if (p.good) add_secrets(*p.good, secrets);
    condition(object, p.meta, "cilium.io/MissingAuthSecret", "MissingAuthSecret", missing_secrets(secrets));
  }

  void judge_override(const Object<NodeConfigOverrideSpec>& o) {
    const ObjectRef object{kOverrideKind, o.meta.name};
    Findings findings = o.findings;
    findings.insert(findings.end(), ports_taken_[o.meta.name].begin(), ports_taken_[o.meta.name].end());
    const auto config = out_.node_configs.find(o.meta.name);
    if (o.good && config != out_.node_configs.end())
      for (const auto& i : o.good->instances) {
        const auto& instances = config->second.spec.instances;
        const auto it =
            std::find_if(instances.begin(), instances.end(), [&](const auto& s) { return s.name == i.name; });
        if (it == instances.end()) {
          findings.push_back({Finding::Severity::warning, object, "spec.bgpInstances", "\"" + i.name + "\"",
                              fmt::format("is no instance of {} {}", kClusterConfigKind, config->second.owner),
                              "name one of its bgpInstances"});
          continue;
        }
        for (const auto& p : i.peers)
          if (std::none_of(it->peers.begin(), it->peers.end(), [&](const auto& s) { return s.name == p.name; }))
            findings.push_back({Finding::Severity::warning, object, "spec.bgpInstances[" + i.name + "].peers",
                                "\"" + p.name + "\"", "is no peer of that instance", "name one of its peers"});
      }
    judge_spec(object, o.meta, findings, o.good != nullptr,
               out_.untouched.contains(o.meta.name)
                   ? "The node's CiliumBGPNodeConfig stays as it is until this is mended"
                   : "It is left out");
  }

  const ClusterObjects& in_;
  ClusterOutcome out_;
  std::map<std::string, std::string> by_policy_;                                     // node → policy in force
  std::map<std::string, std::set<std::string>> selected_;                            // configuration → nodes
  std::map<std::string, std::map<std::string, std::set<std::string>>> lost_;         // loser → winner → nodes
  std::map<std::string, std::map<std::string, std::set<std::string>>> without_asn_;  // config → instance → nodes
  std::set<std::string> without_id_;
  std::map<std::string, Findings> ports_taken_;  // node → about its override
  std::set<RouterId> used_ids_;
};

}  // namespace

ClusterOutcome derive(const ClusterObjects& objects) { return Deriver(objects).run(); }

json::object to_json(const NodeConfigSpec& spec) {
  json::array instances;
  for (const InstanceSpec& i : spec.instances) {
    json::object instance{{"name", i.name}};
    if (i.local_as) instance["localASN"] = *i.local_as;
    if (i.router_id) instance["routerID"] = Address::v4(i.router_id->value).to_string();
    if (i.local_port) instance["localPort"] = *i.local_port;
    json::array peers;
    for (const PeerSpec& p : i.peers) {
      json::object peer{{"name", p.name}};
      if (p.address) peer["peerAddress"] = p.address->to_string() + (p.zone.empty() ? "" : "%" + p.zone);
      peer["peerASN"] = p.remote_as.kind == PeerAs::Kind::exact ? p.remote_as.asn : 0;
      if (p.remote_as.kind == PeerAs::Kind::external) peer["peerAS"] = "external";
      if (p.remote_as.kind == PeerAs::Kind::internal) peer["peerAS"] = "internal";
      if (!p.interface.empty()) peer["interface"] = p.interface;
      if (p.default_gateway)
        peer["autoDiscovery"] = {
            {"mode", "DefaultGateway"},
            {"defaultGateway", {{"addressFamily", *p.default_gateway == Family::v4 ? "ipv4" : "ipv6"}}}};
      if (p.local_address) peer["localAddress"] = p.local_address->to_string();
      if (!p.config.empty()) peer["peerConfigRef"] = {{"name", p.config}};
      peers.push_back(std::move(peer));
    }
    if (!peers.empty()) instance["peers"] = std::move(peers);
    instances.push_back(std::move(instance));
  }
  return {{"bgpInstances", std::move(instances)}};
}

}  // namespace weft::bgp::control
