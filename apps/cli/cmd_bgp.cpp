// weft bgp peers|routes|why: asks the agent of this node through its socket; elsewhere every agent's, with kubectl exec
// in its pod, or, where agents run in no pods, what their CiliumBGPNodeConfigs say.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <chrono>
#include <cstdio>

#include "api/client.h"
#include "apps/cli/agent_pods.h"
#include "apps/cli/bgp_text.h"
#include "apps/cli/cluster.h"
#include "apps/cli/commands.h"
#include "apps/cli/objects.h"
#include "apps/cli/output.h"

namespace weft::cli {

namespace {

const kube::Resource kNodeConfigs{"cilium.io", "v2", "ciliumbgpnodeconfigs", "CiliumBGPNodeConfig", false};

struct BgpFlags {
  std::string socket = api::kDefaultSocket;
  bool socket_named = false;
  std::string node;
  std::string selector = "k8s-app=weft";
  std::string limit = "1m";
  OutputFormat format = OutputFormat::text;
  bool capabilities = false;
  std::string most;  // routes
  std::vector<std::string> words;
  std::string what;
};

struct Question {
  std::string target;                  // of the agent's socket
  std::vector<std::string> arguments;  // the same as arguments of `weft bgp`
  bool peers = false;                  // the one that CiliumBGPNodeConfigs can answer
};

json::array only_node(json::array entries, const std::string& node) {
  if (node.empty()) return entries;
  json::array out;
  for (auto& e : entries)
    if (e.is_object() && text(e.get_object(), {"node"}) == node) out.push_back(std::move(e));
  return out;
}

/// All agents that run in pods. One that does not answer is named on standard error and left out.
Result<json::array> ask_pods(Cluster& cluster, const BgpFlags& f, const Question& question,
                             std::chrono::seconds limit) {
  AgentQuestion all{.words = {"bgp"}, .node = f.node, .every_node = true, .selector = f.selector, .limit = limit};
  all.words.insert(all.words.end(), question.arguments.begin(), question.arguments.end());
  auto answer = ask_agents(cluster, all);
  if (!answer) return fail(answer.error());
  for (const auto& u : answer->unanswered) std::fprintf(stderr, "Warning: no answer from node %s\n", u.c_str());
  return std::move(answer->entries);
}

Result<json::array> ask(const Context& context, const BgpFlags& f, const Question& question) {
  const auto limit = parse_duration(f.limit);
  if (!limit) return fail(limit.error().in("--wait-duration"));
  const WhichAgent which{.cluster_named = context.cluster_named,
                         .socket_named = f.socket_named,
                         .socket_there = ::access(f.socket.c_str(), F_OK) == 0};
  const auto in_pods = which.in_pods();
  if (!in_pods) return fail(in_pods.error());
  if (!*in_pods) {
    auto answer = api::get(f.socket, question.target);
    if (!answer) {
      const auto any = api::get(f.socket, "/v1/bgp");
      if (!any && any.error().code == Errc::not_found)
        return fail(Errc::not_found,
                    "the agent of this node speaks no BGP: run weft upgrade --set bgpControlPlane.enabled=true");
      return fail(answer.error());
    }
    if (!answer->is_array()) return fail(Errc::internal, "the agent's answer is no list: is it of another version?");
    auto entries = answer->as_array();
    const bool ours = f.node.empty() || (!entries.empty() && !only_node(entries, f.node).empty());
    if (ours) return only_node(std::move(entries), f.node);
  }
  auto cluster = Cluster::open(context.target);
  if (!cluster) return fail(cluster.error());
  auto answers = ask_pods(*cluster, f, question, *limit);
  if (answers || !question.peers) return answers;
  auto configs = cluster->list(kNodeConfigs);
  if (!configs) return fail(configs.error());
  std::fprintf(stderr, "ℹ️  As the CiliumBGPNodeConfigs have it: %s\n", answers.error().message.c_str());
  return only_node(bgp_peers_of_status(*configs), f.node);
}

int show(const Context& context, const BgpFlags& f, const Question& question,
         const std::function<std::string(const json::value&)>& text) {
  auto answer = ask(context, f, question);
  if (!answer) return report(answer.error());
  const json::value value(std::move(*answer));
  if (f.format == OutputFormat::text) {
    std::fputs(text(value).c_str(), stdout);
  } else {
    print(value, f.format);
    std::fputs(bgp_more_text(value).c_str(), stderr);
  }
  return 0;
}

std::shared_ptr<BgpFlags> add_flags(CLI::App& cmd) {
  auto f = std::make_shared<BgpFlags>();
  cmd.fallthrough();
  cmd.add_option("--socket", f->socket, "The socket of this machine's agent")
      ->capture_default_str()
      ->each([f](const std::string&) { f->socket_named = true; });
  cmd.add_option("--node", f->node, "Only this node");
  cmd.add_option("--agent-pod-selector", f->selector, "Labels of the agents' pods")->capture_default_str();
  cmd.add_option("--wait-duration", f->limit, "How long to wait for each agent")->capture_default_str();
  add_output_option(cmd, f->format);
  return f;
}

}  // namespace

void add_bgp_commands(CLI::App& app, Context& context) {
  auto* bgp = app.add_subcommand("bgp", "Sessions and routes of the BGP control plane");
  bgp->fallthrough()->require_subcommand(1);

  auto* peers = bgp->add_subcommand("peers", "Sessions, and why one is down")->alias("neighbors");
  auto f = add_flags(*peers);
  peers->add_flag("-c,--capabilities", f->capabilities, "What each side offered instead of routes");
  peers->callback([&context, f] {
    context.action = [&context, f] {
      return show(context, *f, {"/v1/bgp/peers", {"peers"}, true},
                  [f](const json::value& v) { return bgp_peers_text(v, f->capabilities); });
    };
  });

  auto* routes = bgp->add_subcommand("routes", "Routes that are available, advertised or received");
  f = add_flags(*routes);
  routes->add_option("words", f->words,
                     "[available|advertised|received] [ipv4|ipv6] [unicast] [vrouter ASN] [peer ADDRESS]");
  routes->add_option("--limit", f->most, "Show so many routes of each node, 100000 at most (default 10000)");
  routes->callback([&context, f] {
    context.action = [&context, f] {
      auto query = parse_route_words(f->words);
      if (!query) return report(query.error());
      query->limit = f->most;
      std::vector<std::string> arguments{"routes"};
      arguments.insert(arguments.end(), f->words.begin(), f->words.end());
      if (!f->most.empty()) arguments.insert(arguments.end(), {"--limit", f->most});
      return show(context, *f, {query->target(), arguments, false},
                  [query](const json::value& v) { return bgp_routes_text(v, query->table); });
    };
  });

  auto* why = bgp->add_subcommand("why", "Why a Service or a prefix is announced to each peer, or is not");
  f = add_flags(*why);
  why->add_option("what", f->what, "namespace/service, or a prefix; everything when not given");
  why->callback([&context, f] {
    context.action = [&context, f] {
      std::vector<std::string> arguments{"why"};
      if (!f->what.empty()) arguments.push_back(f->what);
      return show(context, *f, {bgp_why_target(f->what), arguments, false}, bgp_why_text);
    };
  });
}

}  // namespace weft::cli
