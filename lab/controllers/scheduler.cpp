#include "lab/controllers/scheduler.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "lab/controllers/pods.h"
#include "lab/controllers/selector.h"

namespace weft::lab {
namespace {

using HostPort = std::tuple<std::string, std::string, std::int64_t>;  // address, protocol, port

std::vector<HostPort> host_ports(const json::object& pod) {
  std::vector<HostPort> out;
  const bool host_network = flag(pod, "spec/hostNetwork");
  for (const auto& c : list(pod, "spec/containers")) {
    if (!c.is_object()) continue;
    for (const auto& v : list(c.get_object(), "ports")) {
      if (!v.is_object()) continue;
      const json::object& p = v.get_object();
      // The server fills hostPort in for host-network pods; a stand-in may not.
      const std::int64_t port = number(p, "hostPort", host_network ? number(p, "containerPort") : 0);
      if (port > 0) out.emplace_back(text(p, "hostIP", "0.0.0.0"), text(p, "protocol", "TCP"), port);
    }
  }
  return out;
}

bool collide(const HostPort& a, const HostPort& b) {
  const auto any = [](const std::string& ip) { return ip == "0.0.0.0" || ip == "::" || ip.empty(); };
  return std::get<1>(a) == std::get<1>(b) && std::get<2>(a) == std::get<2>(b) &&
         (any(std::get<0>(a)) || any(std::get<0>(b)) || std::get<0>(a) == std::get<0>(b));
}

struct NodeLoad {
  ObjectPtr node;
  std::size_t pods = 0;
  std::map<std::string, std::size_t> of_owner;
  std::vector<HostPort> ports;

  void take(const json::object& pod) {
    ++pods;
    if (const auto* owner = controller_of(pod)) ++of_owner[text(*owner, "uid")];
    for (auto& p : host_ports(pod)) ports.push_back(std::move(p));
  }
};

// A taint that stands for the Ready condition, so that it works with and without a controller that sets it.
bool ready_or_tolerated(const json::object& pod, const json::object& node) {
  const auto* ready = condition(node, "Ready");
  if (ready && text(*ready, "status") == "True") return true;
  return tolerates(sub(pod, "spec"), {{"key", "node.kubernetes.io/not-ready"}, {"effect", "NoSchedule"}});
}

// Why the node would not take the pod, in upstream's words; empty when it would.
std::string objection(const json::object& pod, const NodeLoad& load) {
  const json::object& node = **load.node;
  const json::object& spec = sub(pod, "spec");
  if (deleting(node)) return "node(s) were being deleted";
  if (!node_matches(spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  if (const auto taint = untolerated_taint(spec, node)) {
    if (taint->starts_with("node.kubernetes.io/unschedulable")) return "node(s) were unschedulable";
    return fmt::format("node(s) had untolerated taint {{{}}}", taint->substr(0, taint->rfind(':')));
  }
  if (!ready_or_tolerated(pod, node)) return "node(s) were not ready";
  for (const auto& mine : host_ports(pod))
    for (const auto& taken : load.ports)
      if (collide(mine, taken)) return "node(s) didn't have free ports for the requested pod ports";
  return {};
}

}  // namespace

bool wants_node(const json::object& pod) {
  return pod_node(pod).empty() && pod_active(pod) &&
         text(pod, "spec/schedulerName", "default-scheduler") == "default-scheduler" &&
         list(pod, "spec/schedulingGates").empty();
}

std::vector<Placement> place_pods(const std::vector<ObjectPtr>& pods, const std::vector<ObjectPtr>& nodes,
                                  const std::map<std::string, std::string>& assumed) {
  std::map<std::string, NodeLoad> loads;
  for (const auto& n : nodes) loads[n->name.name].node = n;
  std::vector<ObjectPtr> waiting;
  for (const auto& p : pods) {
    if (pod_finished(**p)) continue;
    std::string node = pod_node(**p);
    if (node.empty()) {
      const auto it = assumed.find(uid_of(**p));
      if (it != assumed.end()) node = it->second;
    }
    if (!node.empty()) {
      if (const auto it = loads.find(node); it != loads.end()) it->second.take(**p);
    } else if (wants_node(**p)) {
      waiting.push_back(p);
    }
  }
  // First come, first served.
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const ObjectPtr& a, const ObjectPtr& b) { return created(**a) < created(**b); });

  std::vector<Placement> out;
  for (const auto& p : waiting) {
    const json::object& pod = **p;
    const auto* owner = controller_of(pod);
    const std::string owner_uid = owner ? text(*owner, "uid") : std::string();
    NodeLoad* best = nullptr;
    std::map<std::string, std::size_t> objections;
    const auto score = [&](NodeLoad& l) {
      const auto it = l.of_owner.find(owner_uid);
      return std::tuple(it == l.of_owner.end() ? 0 : it->second, l.pods, l.node->name.name);
    };
    for (auto& [name, load] : loads) {
      if (const std::string why = objection(pod, load); !why.empty()) {
        ++objections[why];
      } else if (!best || score(load) < score(*best)) {
        best = &load;
      }
    }
    if (best) {
      best->take(pod);
      out.push_back({p, best->node->name.name, {}});
      continue;
    }
    std::string why = fmt::format("0/{} nodes are available", loads.size());
    const char* separator = ": ";
    for (const auto& [what, count] : objections) {
      why += fmt::format("{}{} {}", separator, count, what);
      separator = ", ";
    }
    out.push_back({p, {}, why + "."});
  }
  return out;
}

}  // namespace weft::lab
