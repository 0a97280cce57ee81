// weft bgp peers|routes|why: asks the agent of this node through its socket; elsewhere every agent's, with kubectl exec
// in its pod, or, where agents run in no pods, what their CiliumBGPNodeConfigs say.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <cstdio>
#include <filesystem>

#include "api/client.h"
#include "apps/cli/bgp_text.h"
#include "apps/cli/cluster.h"
#include "apps/cli/commands.h"
#include "apps/cli/objects.h"
#include "apps/cli/output.h"
#include "apps/cli/process.h"

namespace weft::cli {

namespace {

const kube::Resource kNodeConfigs{"cilium.io", "v2", "ciliumbgpnodeconfigs", "CiliumBGPNodeConfig", false};

struct BgpFlags {
  std::string socket = api::kDefaultSocket;
  std::string node;
  std::string selector = "k8s-app=weft";
  std::string limit = "1m";
  OutputFormat format = OutputFormat::text;
  bool capabilities = false;
  std::vector<std::string> words;
  std::string what;
};

struct Question {
  std::string target;                  // of the agent's socket
  std::vector<std::string> arguments;  // the same as arguments of `weft bgp`
  bool peers = false;                  // the one that CiliumBGPNodeConfigs can answer
};

bool here(const BgpFlags& f) { return ::access(f.socket.c_str(), F_OK) == 0; }

json::array only_node(json::array entries, const std::string& node) {
  if (node.empty()) return entries;
  json::array out;
  for (auto& e : entries)
    if (e.is_object() && text(e.get_object(), {"node"}) == node) out.push_back(std::move(e));
  return out;
}

std::vector<std::string> kubectl(const Target& target, const std::string& pod, const Question& question) {
  const char* given = std::getenv("WEFT_KUBECTL");
  std::vector<std::string> argv{given ? given : "kubectl"};
  if (!target.kubeconfig.empty()) argv.push_back("--kubeconfig=" + target.kubeconfig);
  if (!target.context.empty()) argv.push_back("--context=" + target.context);
  argv.insert(argv.end(), {"-n", target.ns, "exec", pod, "--", "weft", "bgp"});
  argv.insert(argv.end(), question.arguments.begin(), question.arguments.end());
  argv.insert(argv.end(), {"-o", "json"});
  return argv;
}

/// All agents that run in pods. An agent that does not answer is named on standard error and left out.
Result<std::optional<json::array>> ask_pods(Cluster& cluster, const BgpFlags& f, const Question& question) {
  auto pods = cluster.list(kube::kPods, cluster.target().ns, f.selector);
  if (!pods) return fail(pods.error());
  const auto limit = parse_duration(f.limit);
  if (!limit) return fail(limit.error().in("--wait-duration"));
  json::array out;
  std::size_t answered = 0, asked = 0;
  for (const auto& pod : *pods) {
    const auto node = text(pod, {"spec", "nodeName"});
    if ((!f.node.empty() && node != f.node) || text(pod, {"status", "phase"}) != "Running") continue;
    ++asked;
    const auto ran = run_process(kubectl(cluster.target(), name_of(pod), question), {}, *limit);
    if (!ran && ran.error().code == Errc::not_found)
      return fail(Errc::not_found, "kubectl is not in PATH: it reaches the agents' pods; or set WEFT_KUBECTL");
    boost::system::error_code ec;
    const json::value answer = ran ? json::parse(ran->out, ec) : json::value();
    if (!ran || ran->code != 0 || ec || !answer.is_array()) {
      const std::string why = !ran ? ran.error().message : ran->err;
      std::fprintf(stderr, "Warning: node %s does not answer: %s\n", node.c_str(), why.c_str());
      continue;
    }
    ++answered;
    for (const auto& e : answer.as_array()) out.push_back(e);
  }
  if (asked == 0) return std::optional<json::array>();
  if (answered == 0) return fail(Errc::unavailable, "no agent answered");
  return out;
}

Result<json::array> ask(const Target& target, const BgpFlags& f, const Question& question) {
  if (here(f)) {
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
  auto cluster = Cluster::open(target);
  if (!cluster) return fail(cluster.error());
  auto answers = ask_pods(*cluster, f, question);
  if (answers && *answers) return only_node(std::move(**answers), f.node);
  if (!question.peers) {
    if (!answers) return fail(answers.error());
    return fail(Errc::unavailable, fmt::format("no agent's pod is found by {}: run this on the node itself{}",
                                               f.selector, f.node.empty() ? "" : ", " + f.node));
  }
  auto configs = cluster->list(kNodeConfigs);
  if (!configs) return fail(configs.error());
  return only_node(bgp_peers_of_status(*configs), f.node);
}

int show(const Target& target, const BgpFlags& f, const Question& question,
         const std::function<std::string(const json::value&)>& text) {
  auto answer = ask(target, f, question);
  if (!answer) return report(answer.error());
  const json::value value(std::move(*answer));
  if (f.format == OutputFormat::text) {
    std::fputs(text(value).c_str(), stdout);
  } else {
    print(value, f.format);
  }
  return 0;
}

std::shared_ptr<BgpFlags> add_flags(CLI::App& cmd) {
  auto f = std::make_shared<BgpFlags>();
  cmd.fallthrough();
  cmd.add_option("--socket", f->socket, "The socket of this node's agent")->capture_default_str();
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
      return show(context.target, *f, {"/v1/bgp/peers", {"peers"}, true},
                  [f](const json::value& v) { return bgp_peers_text(v, f->capabilities); });
    };
  });

  auto* routes = bgp->add_subcommand("routes", "Routes that are available, advertised or received");
  f = add_flags(*routes);
  routes->add_option("words", f->words,
                     "[available|advertised|received] [ipv4|ipv6] [unicast] [vrouter ASN] [peer ADDRESS]");
  routes->callback([&context, f] {
    context.action = [&context, f] {
      const auto query = parse_route_words(f->words);
      if (!query) return report(query.error());
      std::vector<std::string> arguments{"routes"};
      arguments.insert(arguments.end(), f->words.begin(), f->words.end());
      return show(context.target, *f, {query->target(), arguments, false},
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
      return show(context.target, *f, {bgp_why_target(f->what), arguments, false}, bgp_why_text);
    };
  });
}

}  // namespace weft::cli
