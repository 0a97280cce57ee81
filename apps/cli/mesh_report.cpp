#include "apps/cli/mesh_report.h"

#include "apps/cli/objects.h"
#include "apps/cli/terminal.h"
#include "base/encoding.h"

namespace weft::cli {

namespace {

std::string plural(std::uint64_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

bool pod_ready(const json::object& pod) {
  for (const auto& c : list(pod, {"status", "conditions"}))
    if (const auto* o = c.if_object(); o && text(*o, {"type"}) == "Ready") return text(*o, {"status"}) == "True";
  return false;
}

/// Why this node's view is what it is, its report being `report` (null: none).
NodeView view_of(const std::string& node, bool agent_ready, const api::MeshStatus* report, const std::string& remote,
                 const std::vector<std::string>& configured, const std::string& ns, Wall::time_point now) {
  NodeView v;
  v.node = node;
  if (report) {
    const auto it =
        std::find_if(report->remotes.begin(), report->remotes.end(), [&](const auto& r) { return r.name == remote; });
    if (it != report->remotes.end()) v.status = *it;
  }
  if (!report) {
    v.why = agent_ready ? "the agent has not reported yet" : "the agent is not ready and has not reported";
  } else if (now - report->updated > api::kReportStale) {
    v.why = fmt::format("the agent's last report is {} old; is it running? (kubectl -n {} logs -l k8s-app=weft)",
                        age(now - report->updated), ns);
  } else if (!v.status) {
    const bool wanted = std::find(configured.begin(), configured.end(), remote) != configured.end();
    v.why = wanted ? "configured, not yet picked up by the agent" : "not configured";
  } else if (!v.status->ready) {
    v.why = v.status->why.empty() ? "not ready" : v.status->why;
  } else {
    v.ready = true;
  }
  return v;
}

}  // namespace

std::string RemoteReport::why() const {
  std::string first;
  std::size_t same = 0, other = 0;
  std::string node;
  for (const auto& n : nodes) {
    if (n.ready) continue;
    if (first.empty()) {
      first = n.why;
      node = n.node;
    }
    (n.why == first ? same : other) += 1;
  }
  if (nodes.empty()) return "no agent runs here";
  if (first.empty()) return {};
  if (same == nodes.size()) return first;
  std::string where = same == 1 ? fmt::format("node {}", node) : plural(same, "node");
  return fmt::format("{}: {}{}", where, first,
                     other > 0 ? fmt::format(" (and {} for other reasons)", plural(other, "node")) : "");
}

bool MeshReport::ready() const {
  return enabled && trouble.empty() &&
         std::all_of(remotes.begin(), remotes.end(), [](const auto& r) { return r.ready(); });
}

std::string MeshReport::missing() const {
  if (!trouble.empty()) return trouble;
  std::string out;
  for (const auto& r : remotes)
    if (!r.ready())
      out += fmt::format("{}{} ({} of {} nodes): {}", out.empty() ? "" : "; ", r.name, r.connected, r.nodes.size(),
                         r.why());
  return out;
}

std::vector<std::string> configured_remotes(const json::object& secret) {
  std::vector<std::string> out;
  if (const auto* data = find(secret, {"data"}); data && data->is_object()) {
    for (const auto& [name, value] : data->as_object()) {
      if (!value.is_string()) continue;
      const auto content = base64_decode(std::string_view(value.as_string()));
      if (content && content->find("endpoints:") != std::string::npos) out.emplace_back(name);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

MeshReport mesh_report(const MeshInput& in) {
  MeshReport r;
  r.context = in.objects.context;
  r.now = in.now;
  r.enabled = in.deployment.has_value();
  auto access = access_info(in.objects);
  if (access) {
    r.access = std::move(*access);
  } else {
    r.access_trouble = access.error().message;
  }
  if (in.deployment) {
    r.store_wanted = number(*in.deployment, {"spec", "replicas"}, 1);
    r.store_ready = number(*in.deployment, {"status", "readyReplicas"});
  }
  if (!in.objects.config) {
    r.trouble = "Weft is not installed here";
  } else if (!r.enabled) {
    r.trouble = fmt::format("not enabled; run weft clustermesh enable --context {}", r.context);
  } else if (!r.access) {
    r.trouble = r.access_trouble;
  } else if (r.store_ready < r.store_wanted || r.store_wanted == 0) {
    r.trouble = fmt::format(
        "the mesh store is not ready, {} of {} replicas (kubectl -n {} describe deployment clustermesh-apiserver)",
        r.store_ready, r.store_wanted, in.objects.ns);
  }

  std::map<std::string, const api::MeshStatus*> reports;
  for (const auto& s : in.reports) reports[s.node] = &s;
  std::map<std::string, bool> agents;  // node → its agent is ready
  for (const auto& pod : in.agent_pods) {
    const auto node = text(pod, {"spec", "nodeName"});
    if (!node.empty() && !find(pod, {"metadata", "deletionTimestamp"})) agents[node] = agents[node] || pod_ready(pod);
  }
  r.agents = agents.size();
  const auto configured = in.remotes.value_or(std::vector<std::string>{});
  const std::string own = r.access            ? r.access->cluster
                          : in.objects.config ? text(*in.objects.config, {"data", "cluster-name"})
                                              : "";
  std::set<std::string> names;
  for (const auto& n : configured)
    if (n != own) names.insert(n);
  // A remote that agents still hold though its configuration is gone is on its way out: shown while it lasts.
  for (const auto& [node, ready] : agents)
    if (const auto it = reports.find(node); it != reports.end())
      for (const auto& remote : it->second->remotes) names.insert(remote.name);
  for (const auto& name : names) {
    RemoteReport remote;
    remote.name = name;
    const bool wanted = std::find(configured.begin(), configured.end(), name) != configured.end();
    if (!wanted) {
      r.notes.push_back(fmt::format("{}: not configured any more, agents are withdrawing it", name));
      continue;
    }
    std::optional<std::uint64_t> nodes;
    for (const auto& [node, agent_ready] : agents) {
      const auto it = reports.find(node);
      auto v = view_of(node, agent_ready, it == reports.end() ? nullptr : it->second, name, configured, in.objects.ns,
                       in.now);
      if (v.status) {
        ++remote.configured;
        if (v.status->cluster_id != 0) remote.id = v.status->cluster_id;
        if (v.ready) nodes = nodes ? std::min(*nodes, v.status->nodes) : v.status->nodes;
      }
      remote.connected += v.ready ? 1 : 0;
      remote.nodes.push_back(std::move(v));
    }
    remote.remote_nodes = nodes.value_or(0);
    r.remotes.push_back(std::move(remote));
  }
  for (const auto& u : in.unreadable) r.notes.push_back(u);
  return r;
}

std::string render(const MeshReport& r, bool colours) {
  std::string out;
  const auto connected = static_cast<std::size_t>(
      std::count_if(r.remotes.begin(), r.remotes.end(), [](const auto& x) { return x.ready(); }));
  const bool all = connected == r.remotes.size();
  if (r.ready()) {
    out += "✅ Cluster Mesh: OK\n";
  } else if (!r.trouble.empty()) {
    out += fmt::format("❌ Cluster Mesh: {}\n", r.trouble);
  } else {
    out += "❌ Cluster Mesh: remote clusters are not ready\n";
  }
  if (r.remotes.empty()) {
    out += "ℹ️  Remote clusters: none connected\n";
  } else if (all) {
    out += fmt::format("✅ Remote clusters: {} connected\n", connected);
  } else {
    out += fmt::format("❌ Remote clusters: {} of {} connected\n", connected, r.remotes.size());
  }
  for (const auto& remote : r.remotes) {
    if (remote.ready()) {
      out += fmt::format(" - {}: ready, {}\n", remote.name, plural(remote.remote_nodes, "node"));
    } else {
      out += fmt::format(" - {}: not ready, {} of {} connected: {}\n", remote.name, remote.connected,
                         plural(remote.nodes.size(), "node"), remote.why());
    }
  }

  if (r.enabled) {
    out += "\n🔌 Mesh store\n";
    out += fmt::format("   clustermesh-apiserver: {} of {} ready\n", r.store_ready, r.store_wanted);
    if (r.access) {
      std::string all_endpoints;
      for (const auto& e : r.access->endpoints()) all_endpoints += (all_endpoints.empty() ? "" : ", ") + e;
      out += fmt::format("   {} (id {}) is reached at {} ({})\n", r.access->cluster, r.access->id, all_endpoints,
                         r.access->service_type);
      if (r.access->service_type == "NodePort") out += fmt::format("   ⚠️  {}\n", kNodePortWarning);
    } else {
      out += fmt::format("   {}\n", r.access_trouble);
    }
  }
  for (const auto& remote : r.remotes) {
    out +=
        fmt::format("\n🌐 {}{}: {} of {} connected\n", remote.name, remote.id ? fmt::format(" (id {})", remote.id) : "",
                    remote.connected, plural(remote.nodes.size(), "node"));
    if (remote.nodes.empty()) continue;
    std::vector<std::vector<std::string>> rows;
    for (const auto& n : remote.nodes) {
      std::vector<std::string> row{
          n.node, paint(n.ready ? "ready" : "not ready", n.ready ? Colour::green : Colour::red, colours)};
      if (const auto& s = n.status) {
        for (const auto count : {s->nodes, s->services, s->endpoints, s->identities})
          row.push_back(std::to_string(count));
        row.push_back(s->last_sync == Wall::time_point{} ? "never" : age(r.now - s->last_sync) + " ago");
        row.push_back(s->rtt_ms < 0 ? "-" : fmt::format("{:.1f} ms", s->rtt_ms));
        row.push_back(std::to_string(s->reconnections));
      } else {
        row.insert(row.end(), {"-", "-", "-", "-", "never", "-", "-"});
      }
      rows.push_back(std::move(row));
    }
    out += table({"NODE", "STATE", ">NODES", ">SERVICES", ">ENDPOINTS", ">IDENTITIES", "LAST SYNC", ">ROUND TRIP",
                  ">RECONNECTIONS"},
                 rows, "   ");
    for (const auto& n : remote.nodes)
      if (!n.ready) out += fmt::format("   ❌ {}: {}\n", n.node, n.why);
    std::set<std::string> warnings;
    for (const auto& n : remote.nodes)
      if (n.status) warnings.insert(n.status->warnings.begin(), n.status->warnings.end());
    for (const auto& w : warnings) out += fmt::format("   ⚠️  {}\n", w);
    // The same values are refused everywhere: one line stands for all nodes.
    for (const auto& n : remote.nodes) {
      if (!n.status || n.status->rejected == 0) continue;
      out +=
          fmt::format("   ⚠️  {} values were not taken, such as {}\n", n.status->rejected, n.status->rejected_example);
      break;
    }
  }
  if (!r.notes.empty()) {
    out += "\n";
    for (const auto& n : r.notes) out += fmt::format("⚠️  {}\n", n);
  }
  return out;
}

json::object to_json(const MeshReport& r) {
  json::object access;
  if (r.access) {
    json::array ips;
    for (const auto& ip : r.access->ips) ips.emplace_back(ip);
    if (!r.access->address.empty()) ips.emplace_back(r.access->address);
    access = {{"service_type", r.access->service_type},
              {"service_ips", std::move(ips)},
              {"service_port", r.access->port},
              {"cluster_id", r.access->id},
              {"cluster_name", r.access->cluster},
              {"ca", base64_encode(r.access->ca)},
              {"tunnel", r.access->routing == "tunnel" ? "vxlan" : ""},
              {"max_connected_clusters", r.access->max_connected_clusters}};
  }
  json::object clusters, errors;
  json::array remotes;
  std::map<std::string, std::uint64_t> per_node;  // node → remotes it is connected to
  for (const auto& remote : r.remotes) {
    clusters[remote.name] = json::object{{"configured", remote.configured}, {"connected", remote.connected}};
    json::array nodes;
    for (const auto& n : remote.nodes) {
      per_node[n.node] += n.ready ? 1 : 0;
      json::object node{{"node", n.node}, {"ready", n.ready}, {"why", n.why}};
      node["status"] = n.status ? json::value(api::to_json(*n.status)) : json::value();
      nodes.push_back(std::move(node));
      if (n.ready) continue;
      auto& of_node = errors[n.node];
      if (!of_node.is_object()) of_node.emplace_object();
      of_node.as_object()[remote.name] = n.why;
    }
    remotes.push_back(json::object{{"name", remote.name},
                                   {"ready", remote.ready()},
                                   {"why", remote.why()},
                                   {"cluster_id", remote.id},
                                   {"nodes", remote.remote_nodes},
                                   {"agents", std::move(nodes)}});
  }
  std::uint64_t low = 0, high = 0, sum = 0, not_ready = 0;
  bool first = true;
  for (const auto& [node, n] : per_node) {
    low = first ? n : std::min(low, n);
    high = std::max(high, n);
    sum += n;
    not_ready += n < r.remotes.size() ? 1 : 0;
    first = false;
  }
  json::array notes;
  for (const auto& n : r.notes) notes.emplace_back(n);
  json::object connected{
      {"min", low},
      {"avg", per_node.empty() ? 0.0 : static_cast<double>(sum) / static_cast<double>(per_node.size())},
      {"max", high}};
  json::object connectivity{{"connected", std::move(connected)},
                            {"clusters", std::move(clusters)},
                            {"total", r.agents},
                            {"not_ready", not_ready},
                            {"errors", std::move(errors)}};
  json::object out{{"ready", r.ready()},
                   {"why", r.missing()},
                   {"enabled", r.enabled},
                   {"connectivity", std::move(connectivity)},
                   {"kvstoremesh", json::object{{"enabled", false}, {"status", nullptr}}},
                   {"remotes", std::move(remotes)},
                   {"notes", std::move(notes)}};
  out["access_information"] = r.access ? json::value(std::move(access)) : json::value();
  return out;
}

}  // namespace weft::cli
