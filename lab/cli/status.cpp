#include "lab/cli/status.h"

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace weft::lab {
namespace json = boost::json;

bool LabStatus::running() const {
  return supervised && unreachable.empty() && dead_sandboxes.empty() &&
         std::ranges::all_of(processes, [](const ProcessStatus& p) { return alive(p.id); });
}

LabStatus look(const LabRecord& r) {
  LabStatus s;
  for (const auto& [name, id] : r.holders)
    if (!alive(id)) s.dead_sandboxes.push_back(name);
  if (r.api_ports.empty()) return s;  // a lab without Kubernetes
  s.supervised = alive(r.supervisor);
  s.processes = process_statuses(r.paths);
  for (const ClusterSpec& c : r.topology.clusters) {
    if (auto nodes = node_statuses(r, c)) {
      s.nodes[c.name] = std::move(*nodes);
    } else {
      s.unreachable[c.name] = nodes.error().message;
    }
  }
  return s;
}

std::string render_text(const LabRecord& r, const LabStatus& s) {
  std::string out = fmt::format("Lab {} · kubeconfig {}\n", r.paths.name, r.paths.kubeconfig());
  if (!s.nodes.empty())
    out += fmt::format("\n{:<12} {:<20} {:<32} {:<9} {}\n", "CLUSTER", "NODE", "ADDRESSES", "STATUS", "PODS READY");
  for (const auto& [cluster, nodes] : s.nodes)
    for (const NodeStatus& n : nodes)
      out += fmt::format("{:<12} {:<20} {:<32} {:<9} {}/{}{}\n", cluster, n.name,
                         fmt::format("{}", fmt::join(n.addresses, " ")), n.ready ? "Ready" : "NotReady", n.pods_ready,
                         n.pods, n.ready ? "" : "  " + n.why);
  for (const auto& [cluster, why] : s.unreachable) out += fmt::format("\n{}: API server: {}\n", cluster, why);
  if (!s.processes.empty()) out += fmt::format("\n{:<28} {:<9} {:<9} {}\n", "PROCESS", "PID", "RESTARTS", "STATE");
  for (const ProcessStatus& p : s.processes)
    out += fmt::format("{:<28} {:<9} {:<9} {}\n", p.name, p.id.pid == 0 ? "-" : std::to_string(p.id.pid), p.restarts,
                       alive(p.id) ? "running" : "down: " + p.last_end + "; log: " + p.log);
  if (!s.supervised)
    out +=
        "\nThe lab's supervisor has died: processes that end are not started again. Mend: weft lab down, weft lab up\n";
  for (const auto& name : s.dead_sandboxes)
    out += fmt::format("\nThe holder of {} has died: the sandbox is lost. Mend: weft lab down, weft lab up\n", name);
  return out;
}

std::string render_json(const LabRecord& r, const LabStatus& s) {
  json::array clusters, processes;
  for (const ClusterSpec& c : r.topology.clusters) {
    json::object o = {{"name", c.name}, {"id", c.id}};
    json::array nodes;
    if (const auto it = s.nodes.find(c.name); it != s.nodes.end())
      for (const NodeStatus& n : it->second)
        nodes.push_back(json::object{{"name", n.name},
                                     {"addresses", json::array(n.addresses.begin(), n.addresses.end())},
                                     {"ready", n.ready},
                                     {"why", n.why},
                                     {"pods", n.pods},
                                     {"podsReady", n.pods_ready}});
    o["nodes"] = nodes;
    if (const auto it = s.unreachable.find(c.name); it != s.unreachable.end()) o["error"] = it->second;
    if (const auto it = r.api_ports.find(c.name); it != r.api_ports.end()) o["apiPort"] = it->second;
    clusters.push_back(o);
  }
  for (const ProcessStatus& p : s.processes)
    processes.push_back(json::object{{"name", p.name},
                                     {"pid", p.id.pid},
                                     {"running", alive(p.id)},
                                     {"restarts", p.restarts},
                                     {"lastEnd", p.last_end},
                                     {"log", p.log}});
  return json::serialize(json::object{{"name", r.paths.name},
                                      {"kubeconfig", r.paths.kubeconfig()},
                                      {"running", s.running()},
                                      {"clusters", clusters},
                                      {"processes", processes}}) +
         "\n";
}

}  // namespace weft::lab
