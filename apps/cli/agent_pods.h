// Asking agents from afar: each runs in a pod, where `kubectl exec` reaches its socket with the pod's own `weft`.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/cluster.h"

namespace weft::cli {

struct AgentQuestion {
  std::vector<std::string> words;  // of the command line: "bpf", "lb", "list"
  std::string node;                // only this one's agent
  bool every_node = false;         // all agents', where each knows another part of the answer
  std::string selector = "k8s-app=weft";
  std::chrono::milliseconds limit = std::chrono::minutes(1);  // for each agent
};

struct AgentAnswer {
  json::array entries;                  // with every_node each has "node", the node it comes from
  std::vector<std::string> nodes;       // whose agents answered
  std::size_t agents = 0;               // that run
  std::vector<std::string> unanswered;  // "node1: why"
};

/// Where the question goes. Whoever names a cluster or a node means that; without a word it is the agent of this node,
/// where there is one.
struct WhichAgent {
  bool cluster_named = false;  // --context, --kubeconfig or --namespace was given
  bool node_named = false;     // --node
  bool socket_named = false;   // --socket
  bool socket_there = false;   // there is a file at it
  /// Errc::invalid when both a socket and a cluster or node were named.
  Result<bool> in_pods() const;
};

/// One agent's answer, the first by node name that is ready and answers, or with every_node all of them together.
/// Errors: not_found (no agents, no such node, no kubectl), unavailable (none answered; says why).
Result<AgentAnswer> ask_agents(Cluster& cluster, const AgentQuestion& question);

/// "As node1 sees it, one of 3 nodes; --node asks another": what to say beside the answer. Empty with a single node.
std::string where_from(const AgentQuestion& question, const AgentAnswer& answer);

}  // namespace weft::cli
