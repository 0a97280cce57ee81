#include "apps/cli/workloads.h"

#include <algorithm>
#include <map>
#include <set>

#include "apps/cli/objects.h"
#include "apps/cli/terminal.h"

namespace weft::cli {

namespace {

/// A controller that has not seen the latest change counts as not updated.
bool observed(const json::object& o) {
  return number(o, {"status", "observedGeneration"}) >= number(o, {"metadata", "generation"});
}

Part daemon_set(const std::optional<json::object>& o) {
  Part p{"Agents"};
  if (!o) return p;
  p.present = true;
  p.wanted = number(*o, {"status", "desiredNumberScheduled"});
  p.ready = number(*o, {"status", "numberReady"});
  p.updated = observed(*o) ? number(*o, {"status", "updatedNumberScheduled"}) : 0;
  return p;
}

Part deployment(const char* name, const std::optional<json::object>& o) {
  Part p{name};
  if (!o) return p;
  p.present = true;
  p.wanted = number(*o, {"spec", "replicas"}, 1);
  p.ready = number(*o, {"status", "readyReplicas"});
  p.updated = observed(*o) ? number(*o, {"status", "updatedReplicas"}) : 0;
  return p;
}

/// Why a pod's containers do not run, when they say so.
std::string trouble_of(const json::object& pod) {
  for (const char* kind : {"initContainerStatuses", "containerStatuses"}) {
    for (const auto& s : list(pod, {"status", kind})) {
      const auto* c = s.if_object();
      if (!c) continue;
      const auto reason = text(*c, {"state", "waiting", "reason"});
      if (!reason.empty() && reason != "PodInitializing" && reason != "ContainerCreating") {
        const auto message = text(*c, {"state", "waiting", "message"});
        return fmt::format("container {}: {}{}", text(*c, {"name"}), reason, message.empty() ? "" : ": " + message);
      }
      if (const auto* t = find(*c, {"state", "terminated", "exitCode"});
          t && t->is_number() && t->to_number<int>() != 0)
        return fmt::format("container {}: ended with {}", text(*c, {"name"}), t->to_number<int>());
    }
  }
  if (text(pod, {"status", "phase"}) == "Pending") {
    for (const auto& c : list(pod, {"status", "conditions"}))
      if (const auto* o = c.if_object(); o && text(*o, {"type"}) == "PodScheduled" && text(*o, {"status"}) == "False")
        return text(*o, {"message"});
  }
  return {};
}

std::string line(const Part& p, bool optional, std::string_view disabled) {
  if (!p.present)
    return optional ? fmt::format("➖ {}: {}\n", p.name, disabled) : fmt::format("❌ {}: {}\n", p.name, disabled);
  if (p.ok()) return fmt::format("✅ {}: OK, {} of {} ready\n", p.name, p.ready, p.wanted);
  std::string more;
  if (p.ready >= p.wanted && p.updated < p.wanted) more = fmt::format(", {} of {} updated", p.updated, p.wanted);
  return fmt::format("❌ {}: {} of {} ready{}\n", p.name, p.ready, p.wanted, more);
}

}  // namespace

namespace {

/// "node1", "node1 and node2", "node1, node2 and 5 more nodes"
std::string where(const std::vector<std::string>& nodes) {
  if (nodes.size() == 1) return nodes[0];
  if (nodes.size() == 2) return nodes[0] + " and " + nodes[1];
  return fmt::format("{}, {} and {} more node{}", nodes[0], nodes[1], nodes.size() - 2, nodes.size() == 3 ? "" : "s");
}

}  // namespace

bool StatusReport::ready() const {
  return installed && agents.ok() && (!op.present || op.ok()) && (!mesh.present || mesh.ok());
}

std::string StatusReport::missing() const {
  if (!installed) return "Weft is not installed";
  std::string out;
  const auto add = [&](const Part& p, bool optional) {
    if (p.ok() || (optional && !p.present)) return;
    out += out.empty() ? "" : ", ";
    if (!p.present) {
      out += p.name + ": absent";
    } else if (p.wanted == 0) {
      out += p.name + ": no node wants one yet";
    } else {
      out += fmt::format("{}: {} of {} ready", p.name, std::min(p.ready, p.updated), p.wanted);
    }
  };
  add(agents, false);
  add(op, true);
  add(mesh, true);
  return out;
}

StatusReport status_report(const StatusInput& in) {
  StatusReport r;
  r.context = in.context;
  r.chart = in.chart;
  r.installed = in.config.has_value() || in.agents.has_value();
  if (in.config) {
    r.cluster_name = text(*in.config, {"data", "cluster-name"});
    r.cluster_id = text(*in.config, {"data", "cluster-id"});
  }
  r.agents = daemon_set(in.agents);
  r.op = deployment("Operator", in.op);
  r.mesh = deployment("Cluster Mesh store", in.mesh);
  r.mesh_missing = in.mesh_missing;
  r.mesh_remotes = in.mesh_remotes;
  r.endpoints = in.endpoints;
  for (const auto& pod : in.cluster_pods) {
    const auto* host = find(pod, {"spec", "hostNetwork"});
    const auto phase = text(pod, {"status", "phase"});
    if ((host && host->is_bool() && host->as_bool()) || phase == "Succeeded" || phase == "Failed") continue;
    ++r.pods;
  }
  std::set<std::string> images;
  for (const auto& pod : in.pods) {
    for (const auto& c : list(pod, {"spec", "containers"}))
      if (const auto* o = c.if_object(); o && !text(*o, {"image"}).empty()) images.insert(text(*o, {"image"}));
    if (const auto why = trouble_of(pod); !why.empty())
      r.errors.push_back(
          fmt::format("{} on {}: {}", name_of(pod),
                      text(pod, {"spec", "nodeName"}).empty() ? "no node" : text(pod, {"spec", "nodeName"}), why));
  }
  r.images.assign(images.begin(), images.end());
  std::map<api::Problem, std::vector<std::string>> problems;
  for (const auto& report : in.reports) {
    for (const auto& p : report.problems) problems[p].push_back(report.node);
    r.unlisted_problems += report.problem_count - std::min<std::size_t>(report.problem_count, report.problems.size());
  }
  for (auto& [problem, nodes] : problems) r.problems.push_back({problem, std::move(nodes)});
  return r;
}

std::string render(const StatusReport& r, bool) {
  if (!r.installed)
    return fmt::format("❌ Weft: not installed in {}; run weft install --context {}\n", r.context, r.context);
  std::string out = r.ready() ? "✅ Weft: OK\n" : fmt::format("❌ Weft: {}\n", r.missing());
  out += line(r.agents, false, "absent");
  out += line(r.op, true, "disabled");
  if (!r.mesh.present) {
    out += "➖ Cluster Mesh: disabled\n";
  } else if (!r.mesh.ok()) {
    out += line(r.mesh, true, "");
  } else if (!r.mesh_missing.empty()) {
    out += fmt::format("⚠️  Cluster Mesh: {}\n", r.mesh_missing);
  } else {
    out += fmt::format("✅ Cluster Mesh: OK, {} remote cluster{}\n", r.mesh_remotes, r.mesh_remotes == 1 ? "" : "s");
  }
  out += "\n";
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"Cluster", fmt::format("{} (id {})", r.cluster_name, r.cluster_id)});
  rows.push_back({"Pods", fmt::format("{} of {} have an endpoint", r.endpoints, r.pods)});
  if (!r.chart.empty()) rows.push_back({"Chart", r.chart});
  for (std::size_t i = 0; i < r.images.size(); ++i) rows.push_back({i == 0 ? "Images" : "", r.images[i]});
  const auto body = table({"", ""}, rows);
  out += body.substr(body.find('\n') + 1);
  if (!r.errors.empty()) {
    out += "\n";
    for (const auto& e : r.errors) out += fmt::format("❌ {}\n", e);
  }
  if (!r.problems.empty()) out += "\n";
  for (const auto& [problem, nodes] : r.problems) out += fmt::format("⚠️  {}: {}\n", where(nodes), problem.to_string());
  if (r.unlisted_problems > 0)
    out +=
        fmt::format("⚠️  {} more on these nodes: curl --unix-socket /var/run/weft/weft.sock http://weft/v1/problems\n",
                    r.unlisted_problems);
  return out;
}

json::object to_json(const StatusReport& r) {
  const auto part = [](const Part& p) {
    return json::object{
        {"present", p.present}, {"ok", p.ok()}, {"wanted", p.wanted}, {"ready", p.ready}, {"updated", p.updated}};
  };
  json::array errors, images, problems;
  for (const auto& [problem, nodes] : r.problems) {
    auto o = api::to_json(problem);
    o["nodes"] = json::value_from(nodes);
    problems.push_back(std::move(o));
  }
  for (const auto& e : r.errors) errors.emplace_back(e);
  for (const auto& i : r.images) images.emplace_back(i);
  return {{"ready", r.ready()},
          {"why", r.missing()},
          {"installed", r.installed},
          {"cluster", json::object{{"context", r.context}, {"name", r.cluster_name}, {"id", r.cluster_id}}},
          {"chart", r.chart},
          {"agents", part(r.agents)},
          {"operator", part(r.op)},
          {"clustermesh", part(r.mesh)},
          {"pods", json::object{{"total", r.pods}, {"endpoints", r.endpoints}}},
          {"images", std::move(images)},
          {"errors", std::move(errors)},
          {"problems", std::move(problems)},
          {"unlistedProblems", r.unlisted_problems}};
}

}  // namespace weft::cli
