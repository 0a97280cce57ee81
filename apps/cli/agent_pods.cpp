#include "apps/cli/agent_pods.h"

#include <algorithm>

#include "api/client.h"
#include "apps/cli/objects.h"
#include "apps/cli/process.h"

namespace weft::cli {

namespace {

struct AgentPod {
  std::string node, name;
  bool ready = false;
};

bool is_ready(const json::object& pod) {
  for (const auto& c : list(pod, {"status", "conditions"}))
    if (const auto* o = c.if_object(); o && text(*o, {"type"}) == "Ready") return text(*o, {"status"}) == "True";
  return false;
}

Result<std::vector<AgentPod>> running_agents(Cluster& cluster, const std::string& selector) {
  const auto pods = cluster.list(kube::kPods, cluster.target().ns, selector);
  if (!pods) return fail(pods.error());
  std::vector<AgentPod> out;
  for (const auto& pod : *pods)
    if (text(pod, {"status", "phase"}) == "Running" && !find(pod, {"metadata", "deletionTimestamp"}))
      out.push_back({text(pod, {"spec", "nodeName"}), name_of(pod), is_ready(pod)});
  if (out.empty())
    return fail(Errc::not_found, fmt::format("{}: no agent's pod runs in namespace {} ({}); is Weft installed there? "
                                             "--namespace says where",
                                             cluster.name(), cluster.target().ns, selector));
  std::sort(out.begin(), out.end(), [](const AgentPod& a, const AgentPod& b) { return a.node < b.node; });
  return out;
}

Result<std::vector<AgentPod>> chosen(std::vector<AgentPod> agents, const AgentQuestion& q, const std::string& cluster) {
  if (q.node.empty()) {
    std::stable_partition(agents.begin(), agents.end(), [](const AgentPod& a) { return a.ready; });
    return agents;
  }
  std::string known;
  for (const auto& a : agents) {
    if (a.node == q.node) return std::vector<AgentPod>{a};
    known += (known.empty() ? "" : ", ") + a.node;
  }
  return fail(Errc::not_found, fmt::format("{}: no agent runs on node {}; on {} there is one", cluster, q.node, known));
}

/// What the pod's own `weft` says. The socket is named, since in a pod it is never another cluster's that is meant.
Result<json::array> exec_weft(const std::string& kubectl, const Cluster& cluster, const AgentPod& agent,
                              const std::string& socket, const AgentQuestion& q) {
  const auto& target = cluster.target();
  std::vector<std::string> argv{kubectl};
  if (!target.kubeconfig.empty()) argv.push_back("--kubeconfig=" + target.kubeconfig);
  if (!target.context.empty()) argv.push_back("--context=" + target.context);
  argv.insert(argv.end(), {"-n", target.ns, "exec", agent.name, "-c", "weft-agent", "--", "weft"});
  argv.insert(argv.end(), q.words.begin(), q.words.end());
  argv.insert(argv.end(), {"--socket", socket, "-o", "json"});
  const auto ran = run_process(argv, {}, q.limit);
  if (!ran) return fail(ran.error());
  if (ran->code != 0) {
    auto why = ran->err;
    while (why.ends_with('\n')) why.pop_back();
    return fail(Errc::unavailable, why.empty() ? fmt::format("kubectl exec: exit status {}", ran->code) : why);
  }
  json::error_code ec;
  auto answer = json::parse(ran->out, ec);
  if (ec || !answer.is_array())
    return fail(Errc::internal, "the answer is no list in JSON: is its weft of another version?");
  return std::move(answer.as_array());
}

}  // namespace

Result<bool> WhichAgent::in_pods() const {
  if (socket_named && (cluster_named || node_named))
    return fail(Errc::invalid,
                "--socket names an agent of this machine, --context, --kubeconfig, --namespace and --node one of a "
                "cluster: give one or the other");
  return !socket_named && (cluster_named || node_named || !socket_there);
}

Result<AgentAnswer> ask_agents(Cluster& cluster, const AgentQuestion& q) {
  auto running = running_agents(cluster, q.selector);
  if (!running) return fail(running.error());
  AgentAnswer out;
  out.agents = running->size();
  auto agents = chosen(std::move(*running), q, cluster.name());
  if (!agents) return fail(agents.error());
  const auto kubectl = find_kubectl();
  if (!kubectl) return fail(kubectl.error());
  const auto config = cluster.find(kube::kConfigMaps, cluster.target().ns, "weft-config");
  if (!config) return fail(config.error());
  std::string socket = *config ? text(**config, {"data", "socket-path"}) : std::string();
  if (socket.empty()) socket = api::kDefaultSocket;
  for (const auto& agent : *agents) {
    auto answer = exec_weft(*kubectl, cluster, agent, socket, q);
    if (!answer) {
      out.unanswered.push_back(agent.node + ": " + answer.error().message);
      continue;
    }
    out.nodes.push_back(agent.node);
    for (auto& e : *answer) {
      if (q.every_node && e.is_object()) e.as_object()["node"] = agent.node;
      out.entries.push_back(std::move(e));
    }
    if (!q.every_node) break;
  }
  if (!out.nodes.empty()) return out;
  std::string why;
  for (const auto& u : out.unanswered) why += (why.empty() ? "" : "; ") + u;
  return fail(Errc::unavailable, fmt::format("{}: no agent answered: {}", cluster.name(), why));
}

std::string where_from(const AgentQuestion& q, const AgentAnswer& a) {
  if (a.agents < 2 || a.nodes.empty()) return {};
  if (q.every_node && q.node.empty()) return fmt::format("From {} of {} nodes", a.nodes.size(), a.agents);
  return fmt::format("As node {} has it, one of {}{}", a.nodes.front(), a.agents,
                     q.node.empty() ? "; --node asks another" : "");
}

}  // namespace weft::cli
