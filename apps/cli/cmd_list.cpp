// weft service|node|identity|endpoint list, weft bpf lb list: what one agent knows. The agent of this node through its
// socket, or, when a cluster or a node is named or no agent is here, one in its pod (agent_pods.h).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <cstdio>

#include "api/client.h"
#include "apps/cli/agent_pods.h"
#include "apps/cli/commands.h"
#include "apps/cli/list_text.h"
#include "apps/cli/output.h"

namespace weft::cli {

namespace {

struct ListFlags {
  std::string socket = api::kDefaultSocket;
  bool socket_named = false;
  std::string duration = "1m";
  AgentQuestion question;
  OutputFormat format = OutputFormat::text;
  ServiceListOptions service;
};

using Text = std::function<std::string(const json::value&)>;

Result<json::value> from_pods(const Context& context, const ListFlags& f) {
  const auto limit = parse_duration(f.duration);
  if (!limit) return fail(limit.error().in("--wait-duration"));
  auto cluster = Cluster::open(context.target);
  if (!cluster) {
    if (context.cluster_named) return fail(cluster.error());
    return fail(cluster.error().code,
                fmt::format("{}: nobody listens there: is the agent running on this node? To ask a cluster's: {}",
                            f.socket, cluster.error().message));
  }
  auto question = f.question;
  question.limit = *limit;
  auto answer = ask_agents(*cluster, question);
  if (!answer) return fail(answer.error());
  for (const auto& u : answer->unanswered) std::fprintf(stderr, "Warning: no answer from node %s\n", u.c_str());
  if (const auto from = where_from(question, *answer); !from.empty()) std::fprintf(stderr, "ℹ️  %s\n", from.c_str());
  return json::value(std::move(answer->entries));
}

int print_list(const Context& context, const ListFlags& f, const char* path, const Text& text) {
  const WhichAgent which{.cluster_named = context.cluster_named,
                         .node_named = !f.question.node.empty(),
                         .socket_named = f.socket_named,
                         .socket_there = ::access(f.socket.c_str(), F_OK) == 0};
  const auto in_pods = which.in_pods();
  if (!in_pods) return report(in_pods.error());
  const auto answer = *in_pods ? from_pods(context, f) : api::get(f.socket, path);
  if (!answer) return report(answer.error());
  if (f.format == OutputFormat::text) {
    std::fputs(text(*answer).c_str(), stdout);
  } else {
    print(f.service.global_only ? global_services(*answer) : *answer, f.format);
  }
  return 0;
}

CLI::App* add_list(CLI::App& parent, Context& context, const char* help, const char* path,
                   const std::shared_ptr<ListFlags>& flags, std::vector<std::string> words, Text text) {
  auto* cmd = parent.add_subcommand("list", help);
  cmd->fallthrough()->alias("ls");
  flags->question.words = std::move(words);
  flags->question.words.emplace_back("list");
  cmd->add_option("--socket", flags->socket, "The socket of this machine's agent")
      ->capture_default_str()
      ->each([flags](const std::string&) { flags->socket_named = true; });
  cmd->add_option("--node", flags->question.node, "The agent of this node of the cluster");
  cmd->add_option("--agent-pod-selector", flags->question.selector, "Labels of the agents' pods")
      ->capture_default_str();
  cmd->add_option("--wait-duration", flags->duration, "How long to wait for each agent's pod")->capture_default_str();
  add_output_option(*cmd, flags->format);
  cmd->footer(
      "Without --context, --kubeconfig, --namespace or --node the agent of this machine is asked, where one runs; else "
      "one in its pod, through kubectl exec.");
  cmd->callback([&context, flags, path, text = std::move(text)] {
    context.action = [&context, flags, path, text] { return print_list(context, *flags, path, text); };
  });
  return cmd;
}

CLI::App* group(CLI::App& parent, const char* name, const char* help) {
  auto* cmd = parent.add_subcommand(name, help);
  cmd->fallthrough()->require_subcommand(1);
  return cmd;
}

}  // namespace

void add_list_commands(CLI::App& app, Context& context) {
  auto flags = [] { return std::make_shared<ListFlags>(); };
  auto f = flags();
  auto* service =
      add_list(*group(app, "service", "Services as an agent sees them"), context, "List frontends and their backends",
               "/v1/services", f, {"service"}, [f](const json::value& v) { return services_text(v, f->service); });
  service->add_flag("--clustermesh", f->service.global_only,
                    "Global services only, with each backend's cluster and whether it takes new connections");
  service->add_flag("--clustermesh-affinity", f->service.choice,
                    "Say of each backend whether it takes new connections");
  add_list(*group(app, "node", "Nodes of this and of remote clusters"), context, "List them", "/v1/nodes", flags(),
           {"node"}, nodes_text);
  add_list(*group(app, "identity", "Security identities"), context, "List them", "/v1/identities", flags(),
           {"identity"}, identities_text);
  f = flags();
  f->question.every_node = true;
  add_list(*group(app, "endpoint", "Pods of this node, or of every node of a cluster"), context, "List them",
           "/v1/endpoints", f, {"endpoint"}, endpoints_text);
  auto* bpf = group(app, "bpf", "What the eBPF maps of a node hold");
  add_list(*group(*bpf, "lb", "Service load balancing"), context, "List frontends and backends", "/v1/bpf/lb", flags(),
           {"bpf", "lb"}, lb_text);
}

}  // namespace weft::cli
