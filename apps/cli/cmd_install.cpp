// weft install | upgrade | status | config view
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>

#include "apps/cli/cluster.h"
#include "apps/cli/commands.h"
#include "apps/cli/install_plan.h"
#include "apps/cli/list_text.h"
#include "apps/cli/objects.h"
#include "apps/cli/output.h"
#include "apps/cli/terminal.h"
#include "apps/cli/values.h"
#include "apps/cli/wait.h"
#include "apps/cli/workloads.h"
#include "base/file.h"
#include "manifest/manifest.h"

namespace weft::cli {

namespace {

struct ValueFlags {
  std::vector<std::string> files, sets, set_strings, set_files;

  void add_to(CLI::App* cmd) {
    cmd->add_option("-f,--values,--helm-values", files, "A YAML file of Helm values; may be given several times")
        ->check(CLI::ExistingFile);
    cmd->add_option("--set,--helm-set", sets, "A Helm value, key=value; may be given several times");
    cmd->add_option("--set-string,--helm-set-string", set_strings, "The same, the value always being text");
    cmd->add_option("--set-file,--helm-set-file", set_files, "The same, the value being a file's content");
    for (auto* o : cmd->get_options()) o->allow_extra_args(false);
  }
  void append_to(std::vector<std::string>& arguments) const {
    for (const auto& f : files) arguments.insert(arguments.end(), {"--values", f});
    for (const auto& s : sets) arguments.insert(arguments.end(), {"--set", s});
    for (const auto& s : set_strings) arguments.insert(arguments.end(), {"--set-string", s});
    for (const auto& s : set_files) arguments.insert(arguments.end(), {"--set-file", s});
  }
  /// Is a value at or below `path` given by any of them?
  Result<bool> give(std::string_view path) const {
    if (sets_path(sets, path) || sets_path(set_strings, path) || sets_path(set_files, path)) return true;
    for (const auto& f : files) {
      const auto content = read_file(f);
      if (!content) return std::unexpected(content.error());
      const auto parsed = parse_yaml(*content);
      if (!parsed) return fail(parsed.error().in(f));
      if (parsed->is_object() && at_path(parsed->as_object(), path)) return true;
    }
    return false;
  }
  /// The text at `path`, as Helm weighs them; empty when none of them gives it.
  Result<std::string> text_at(std::string_view path) const {
    std::string out;
    for (const auto& f : files) {
      const auto content = read_file(f);
      if (!content) return std::unexpected(content.error());
      const auto parsed = parse_yaml(*content);
      if (!parsed) return fail(parsed.error().in(f));
      const auto* v = parsed->is_object() ? at_path(parsed->as_object(), path) : nullptr;
      if (v && v->is_string()) out = std::string(v->as_string());
    }
    for (const auto* texts : {&sets, &set_strings})
      if (auto v = set_text(*texts, path)) out = std::move(*v);
    return out;
  }
};

struct InstallFlags {
  ValueFlags values;
  std::string chart;
  std::string inherit_ca;            // a context
  std::string inherit_ca_namespace;  // where Weft is there; empty: as here
  bool wait = false;
  std::string wait_duration = "5m";
  bool dry_run = false;
  bool reuse = false, reset = false, reset_then_reuse = false;
};

Result<StatusReport> read_status(Cluster& c, const std::optional<Release>& release) {
  StatusInput in;
  in.context = c.name();
  const auto& ns = c.target().ns;
  auto mesh = c.mesh_input();
  if (!mesh) return std::unexpected(mesh.error());
  in.config = mesh->objects.config;
  in.mesh = mesh->deployment;
  // What a stopped agent could not do is not known to be so any more; that it does not run stands above.
  for (auto& report : mesh->reports)
    if (mesh->now - report.updated < api::kReportStale) in.reports.push_back(report);
  const auto report = mesh_report(*mesh);
  in.mesh_missing = report.missing();
  in.mesh_remotes = report.remotes.size();
  auto agents = c.find(kube::kDaemonSets, ns, "weft-agent");
  if (!agents) return std::unexpected(agents.error());
  in.agents = std::move(*agents);
  auto op = c.find(kube::kDeployments, ns, "weft-operator");
  if (!op) return std::unexpected(op.error());
  in.op = std::move(*op);
  auto pods = c.list(kube::kPods, ns, "app.kubernetes.io/part-of=weft");
  if (!pods) return std::unexpected(pods.error());
  in.pods = std::move(*pods);
  auto all = c.list(kube::kPods);
  if (!all) return std::unexpected(all.error());
  in.cluster_pods = std::move(*all);
  auto endpoints = c.list(kube::kCiliumEndpoints);
  if (!endpoints) return std::unexpected(endpoints.error());
  in.endpoints = endpoints->size();
  if (release) in.chart = release->chart;
  return status_report(in);
}

Result<> wait_ready(Cluster& c, std::chrono::seconds limit) {
  return wait_until(limit, [&]() -> Result<std::string> {
    const auto r = read_status(c, std::nullopt);
    if (!r) return std::unexpected(r.error());
    return r->missing();
  });
}

/// Helm installs CRDs once and never again: an upgrade has to renew them itself.
Result<std::size_t> renew_crds(Cluster& c, const std::string& chart) {
  std::size_t n = 0;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(chart) / "crds", ec)) {
    if (entry.path().extension() != ".yaml") continue;
    const auto content = read_file(entry.path());
    if (!content) return std::unexpected(content.error());
    const auto documents = parse_manifest(*content);
    if (!documents) return fail(documents.error().in(entry.path().string()));
    for (const auto& d : *documents) {
      if (!d.is_object()) continue;
      WEFT_TRY(c.apply(kube::kCustomResourceDefinitions, d.as_object()));
      ++n;
    }
  }
  return n;
}

int install(Context& context, const InstallFlags& f, bool upgrade) {
  const auto limit = parse_duration(f.wait_duration);
  if (!limit) return report(limit.error().in("--wait-duration"));
  const auto program = find_helm();
  if (!program) return report(program.error());
  const auto chart = find_chart(f.chart);
  if (!chart) return report(chart.error());
  auto cluster = Cluster::open(context.target);
  if (!cluster) return report(cluster.error());
  const auto version = cluster->version();
  if (!version) return report(version.error());
  const Helm helm(*program, context.target);
  const auto release = helm.release();
  if (!release) return report(release.error());
  if (upgrade && !*release)
    return report({Errc::not_found, fmt::format("{}: no release {} in namespace {}; run weft install", cluster->name(),
                                                context.target.release, context.target.ns)});
  if (!upgrade && *release)
    return report({Errc::exists,
                   fmt::format("{}: release {} is there already ({}, {}); run weft upgrade, or weft uninstall first",
                               cluster->name(), context.target.release, (*release)->chart, (*release)->status)});

  std::vector<std::string> arguments;
  if (upgrade) {
    arguments = {"upgrade", context.target.release, *chart, "--history-max", "10"};
    arguments.emplace_back(f.reset ? "--reset-values" : f.reuse ? "--reuse-values" : "--reset-then-reuse-values");
  } else {
    arguments = {"install", context.target.release, *chart, "--create-namespace"};
    InstallFacts facts;
    facts.context = cluster->name();
    facts.server = cluster->config().server;
    for (const auto& [path, to] :
         {std::pair{"cluster.name", &facts.name_given}, std::pair{"k8sServiceHost", &facts.host_given}}) {
      const auto given = f.values.give(path);
      if (!given) return report(given.error());
      *to = *given;
    }
    auto proxy = cluster->list(kube::kPods, "kube-system", "k8s-app=kube-proxy");
    if (!proxy) return report(proxy.error());
    facts.kube_proxy = !proxy->empty();
    auto endpoints = cluster->find(kube::kEndpoints, "default", "kubernetes");
    if (!endpoints) return report(endpoints.error());
    facts.endpoints = std::move(*endpoints);
    const auto plan = install_plan(facts);
    for (const auto& s : plan.sets) arguments.insert(arguments.end(), {"--set-string", s});
    for (const auto& n : plan.notes) std::fprintf(stderr, "ℹ️  %s\n", n.c_str());
    if (!f.inherit_ca.empty() && !f.dry_run) {
      auto target = context.target;
      target.context = f.inherit_ca;
      if (!f.inherit_ca_namespace.empty()) target.ns = f.inherit_ca_namespace;
      auto from = Cluster::open(target);
      if (!from) return report(from.error());
      const auto secret = f.values.text_at("tls.secretName");
      if (!secret) return report(secret.error());
      if (const auto r = inherit_ca(*from, *cluster, secret->empty() ? "cilium-ca" : *secret); !r)
        return report(r.error());
    }
  }
  f.values.append_to(arguments);
  if (f.dry_run) {
    arguments.emplace_back("--dry-run=server");
  } else {
    std::fprintf(stderr, "🔮 %s Weft %s in %s (Kubernetes %s)\n", upgrade ? "Upgrading to" : "Installing", WEFT_VERSION,
                 cluster->name().c_str(), version->c_str());
    if (upgrade) {
      const auto n = renew_crds(*cluster, *chart);
      if (!n) return report(n.error());
    }
  }
  const auto out = helm.run(arguments);
  if (!out) return report(out.error());
  if (f.dry_run) {
    std::fputs(out->c_str(), stdout);
    return 0;
  }
  const auto config = cluster->find(kube::kConfigMaps, context.target.ns, "weft-config");
  if (!config) return report(config.error());
  if (*config)
    for (const auto& line : values_without_effect(**config)) std::fprintf(stderr, "⚠️  The value %s\n", line.c_str());
  if (f.wait) {
    if (const auto r = wait_ready(*cluster, *limit); !r) return report(r.error().in(cluster->name()));
  }
  std::printf("✅ Weft %s is %s in %s%s\n", WEFT_VERSION, upgrade ? "upgraded" : "installed", cluster->name().c_str(),
              f.wait ? ", every part is ready" : "; weft status --wait waits for it");
  return 0;
}

int show_status(Context& context, bool wait, const std::string& duration, OutputFormat format) {
  const auto limit = parse_duration(duration);
  if (!limit) return report(limit.error().in("--wait-duration"));
  auto cluster = Cluster::open(context.target);
  if (!cluster) return report(cluster.error());
  if (wait) {
    // Not ready in time is shown below like any other state.
    if (const auto r = wait_ready(*cluster, *limit); !r && r.error().code != Errc::timeout) return report(r.error());
  }
  std::optional<Release> release;
  if (const auto program = find_helm(); program)
    if (auto r = Helm(*program, context.target).release(); r) release = std::move(*r);
  const auto r = read_status(*cluster, release);
  if (!r) return report(r.error());
  if (format == OutputFormat::text) {
    std::fputs(render(*r, colours_wanted()).c_str(), stdout);
  } else {
    print(to_json(*r), format);
  }
  return r->ready() ? 0 : 1;
}

int config_view(Context& context, OutputFormat format) {
  auto cluster = Cluster::open(context.target);
  if (!cluster) return report(cluster.error());
  const auto config = cluster->find(kube::kConfigMaps, context.target.ns, "weft-config");
  if (!config) return report(config.error());
  if (!*config)
    return report(
        {Errc::not_found, fmt::format("{}: no ConfigMap weft-config in namespace {}; run weft install --context {}",
                                      cluster->name(), context.target.ns, cluster->name())});
  if (format == OutputFormat::text) {
    std::fputs(config_text(**config).c_str(), stdout);
  } else {
    const auto* data = find(**config, {"data"});
    print(data ? *data : json::value(json::object()), format);
  }
  return 0;
}

}  // namespace

void add_install_commands(CLI::App& app, Context& context) {
  for (const bool upgrade : {false, true}) {
    auto flags = std::make_shared<InstallFlags>();
    auto* cmd =
        app.add_subcommand(upgrade ? "upgrade" : "install",
                           upgrade ? "Upgrade Weft in a cluster, or change its values" : "Install Weft in a cluster");
    cmd->fallthrough();
    flags->values.add_to(cmd);
    cmd->add_option("--chart-directory", flags->chart, "A chart instead of the one that came with this program");
    cmd->add_flag("--wait", flags->wait, "Wait until every part is ready");
    cmd->add_option("--wait-duration", flags->wait_duration, "How long to wait at most")->capture_default_str();
    cmd->add_flag("--dry-run", flags->dry_run, "Print the manifests instead of applying them");
    if (!upgrade) {
      auto* inherit = cmd->add_option("--inherit-ca", flags->inherit_ca,
                                      "Take the certificate authority of the cluster of this context");
      cmd->add_option("--inherit-ca-namespace", flags->inherit_ca_namespace,
                      "The namespace that Weft has there, when it is not the one of --namespace")
          ->needs(inherit);
    }
    if (upgrade) {
      auto* reset =
          cmd->add_flag("--reset-values", flags->reset, "Begin with the chart's values, forgetting those given before");
      auto* reuse = cmd->add_flag("--reuse-values", flags->reuse,
                                  "Keep all values as they were, also defaults that the chart changed");
      cmd->add_flag("--reset-then-reuse-values", flags->reset_then_reuse,
                    "The chart's values, then those given before, then those given now (default)");
      reset->excludes(reuse);
    }
    cmd->callback([&context, flags, upgrade] {
      context.action = [&context, flags, upgrade] { return install(context, *flags, upgrade); };
    });
  }
  {
    auto wait = std::make_shared<bool>(false);
    auto duration = std::make_shared<std::string>("5m");
    auto format = std::make_shared<OutputFormat>(OutputFormat::text);
    auto* cmd = app.add_subcommand("status", "Say whether Weft's parts run; the exit status is 0 when they do");
    cmd->fallthrough();
    cmd->add_flag("--wait", *wait, "Wait until they do");
    cmd->add_option("--wait-duration", *duration, "How long to wait at most")->capture_default_str();
    add_output_option(*cmd, *format);
    cmd->callback([&context, wait, duration, format] {
      context.action = [&context, wait, duration, format] { return show_status(context, *wait, *duration, *format); };
    });
  }
  auto* config = app.add_subcommand("config", "The configuration that agents run with");
  config->fallthrough()->require_subcommand(1);
  auto format = std::make_shared<OutputFormat>(OutputFormat::text);
  auto* view = config->add_subcommand("view", "Show it");
  view->fallthrough();
  add_output_option(*view, *format);
  view->callback([&context, format] { context.action = [&context, format] { return config_view(context, *format); }; });
}

}  // namespace weft::cli
