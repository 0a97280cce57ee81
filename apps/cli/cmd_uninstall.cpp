// weft uninstall: the nodes first, while the image, its rights and its configuration are still there; then the release.
#include <CLI/CLI.hpp>

#include <cstdio>

#include "apps/cli/cleanup_plan.h"
#include "apps/cli/cluster.h"
#include "apps/cli/commands.h"
#include "apps/cli/objects.h"
#include "apps/cli/wait.h"

namespace weft::cli {

namespace {

struct UninstallFlags {
  bool wait = false;
  bool keep_datapath = false;
  std::string wait_duration = "5m";
};

constexpr const char* kByHand =
    "remove /etc/cni/net.d/05-weft.conflist and /opt/cni/bin/weft-cni there and restart the node";

/// No value: no agents, so nobody who could clean.
Result<std::optional<CleanupProgress>> clean_nodes(Cluster& c, std::chrono::seconds limit) {
  const auto& ns = c.target().ns;
  const auto agents = c.find(kube::kDaemonSets, ns, "weft-agent");
  if (!agents) return fail(agents.error());
  if (!*agents) return std::optional<CleanupProgress>();
  const auto patch = cleanup_patch(**agents);
  if (!patch) return fail(patch.error());
  WEFT_TRY(c.apply(kube::kDaemonSets, *patch));
  CleanupProgress progress;
  const auto look = [&]() -> Result<std::string> {
    const auto set = c.find(kube::kDaemonSets, ns, "weft-agent");
    if (!set) return fail(set.error());
    if (!*set)
      return fail(Errc::conflict, "DaemonSet weft-agent: was deleted by somebody else while nodes were cleaned");
    const auto pods = c.list(kube::kPods, ns, "k8s-app=weft");
    if (!pods) return fail(pods.error());
    const auto nodes = c.list(kube::kNodes);
    if (!nodes) return fail(nodes.error());
    progress = cleanup_progress(**set, *pods, *nodes);
    return progress.missing();
  };
  const auto r = wait_until(limit, look);
  if (r) return progress;
  return fail(
      r.error().code,
      fmt::format("{}: {}\nThe release is still there: run weft uninstall again to go on, weft upgrade to have "
                  "the agents back, or weft uninstall --keep-datapath to leave the rest of the nodes as they are",
                  c.name(), r.error().message));
}

void say_what_is_left(const UninstallFlags& f, const std::optional<CleanupProgress>& cleaned) {
  if (f.keep_datapath) {
    // What is pinned goes on serving, with backends as they were last known.
    std::printf(
        "ℹ️  On each node pods keep their network and services answer as they were last known; new pods wait for "
        "an agent. Another weft install takes over. To clean a node without one, %s\n",
        kByHand);
    return;
  }
  if (!cleaned) {
    std::fprintf(stderr, "Warning: no DaemonSet weft-agent was there to clean nodes with: on each, %s\n", kByHand);
    return;
  }
  for (const auto& node : cleaned->lost)
    std::fprintf(stderr, "Warning: node %s does not answer and was not cleaned: when it is back, %s\n", node.c_str(),
                 kByHand);
  for (const auto& node : cleaned->gone)
    std::fprintf(stderr, "Warning: node %s was deleted before it was cleaned: should it be used again, %s\n",
                 node.c_str(), kByHand);
  std::puts(
      "ℹ️  Pods that Weft had connected have no network now: delete them when another one is installed. What the "
      "CNI plugin portmap made for their host ports stays until a node restarts");
}

// What --wait waits for, in words; empty when it is gone. An installation that follows needs the namespace of the
// agents' reports, so one that is being deleted counts.
Result<std::string> still_there(Cluster& cluster, const std::string& ns, const std::string& reports_ns) {
  const auto pods = cluster.list(kube::kPods, ns, "app.kubernetes.io/part-of=weft");
  if (!pods) return std::unexpected(pods.error());
  if (!pods->empty()) return fmt::format("{} pods to end", pods->size());
  const auto space = cluster.find(kube::kNamespaces, "", reports_ns);
  if (!space) return std::unexpected(space.error());
  const bool going = *space && !text(**space, {"metadata", "deletionTimestamp"}).empty();
  return going ? "namespace " + reports_ns + " to end" : std::string();
}

// The agents' own objects, which no chart knows of.
Result<> remove_reports(Cluster& cluster, const std::string& ns) {
  const auto reports = cluster.list(kube::kConfigMaps, ns, api::kMeshStatusSelector);
  if (!reports) return std::unexpected(reports.error());
  for (const auto& r : *reports)
    if (const auto gone = cluster.remove(kube::kConfigMaps, ns, name_of(r)); !gone) return gone;
  return {};
}

int uninstall(Context& context, const UninstallFlags& f) {
  const auto limit = parse_duration(f.wait_duration);
  if (!limit) return report(limit.error().in("--wait-duration"));
  const auto program = find_helm();
  if (!program) return report(program.error());
  auto cluster = Cluster::open(context.target);
  if (!cluster) return report(cluster.error());
  const Helm helm(*program, context.target);
  const auto release = helm.release();
  if (!release) return report(release.error());
  if (!*release)
    return report({Errc::not_found, fmt::format("{}: no release {} in namespace {}", cluster->name(),
                                                context.target.release, context.target.ns)});
  std::optional<CleanupProgress> cleaned;
  if (!f.keep_datapath) {
    std::fprintf(stderr, "🧹 Cleaning the nodes of %s\n", cluster->name().c_str());
    auto r = clean_nodes(*cluster, *limit);
    if (!r) return report(r.error());
    cleaned = std::move(*r);
  }
  // Goes with the release, so it is asked before.
  const auto config = cluster->find(kube::kConfigMaps, context.target.ns, "weft-config");
  if (!config) return report(config.error());
  const std::string reports_ns = cluster->mesh_status_namespace(*config);
  const auto out = helm.run({"uninstall", context.target.release});
  if (!out) return report(out.error());
  if (f.wait) {
    const auto r = wait_until(*limit, [&] { return still_there(*cluster, context.target.ns, reports_ns); });
    if (!r) return report(r.error().in(cluster->name()));
  }
  if (const auto r = remove_reports(*cluster, reports_ns); !r) return report(r.error());
  const auto n = cleaned ? cleaned->clean.size() : 0;
  std::printf("✅ Weft is uninstalled from %s%s; the CRDs, their objects and the certificate authority stay\n",
              cluster->name().c_str(),
              n == 0 ? "" : fmt::format(", {} node{} clean", n, n == 1 ? " is" : "s are").c_str());
  say_what_is_left(f, cleaned);
  return 0;
}

}  // namespace

void add_uninstall_command(CLI::App& app, Context& context) {
  auto f = std::make_shared<UninstallFlags>();
  auto* cmd = app.add_subcommand(
      "uninstall", "Take Weft out of a cluster and off its nodes; CRDs and the certificate authority stay");
  cmd->fallthrough();
  cmd->add_flag("--keep-datapath", f->keep_datapath,
                "Leave nodes as they are: pods keep their network, services answer as they were last known");
  cmd->add_flag("--wait", f->wait, "Wait until the pods have ended, too");
  cmd->add_option("--wait-duration,--timeout", f->wait_duration,
                  "How long to wait at most for the nodes, and with --wait for the pods")
      ->capture_default_str();
  cmd->callback([&context, f] { context.action = [&context, f] { return uninstall(context, *f); }; });
}

}  // namespace weft::cli
