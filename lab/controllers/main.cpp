// weft-lab-controllers: the controllers a cluster cannot do without, in place of kube-controller-manager and
// kube-scheduler in the lab.
#include <CLI/CLI.hpp>

#include <csignal>
#include <iostream>

#include "base/file.h"
#include "base/log.h"
#include "lab/controllers/loops.h"

namespace {

using namespace weft;

// The loops outlive neither the scope nor each other: they live in the coroutine that this scope cancels first.
Task<int> serve(asio::io_context& io, kube::Config config, lab::ControllerOptions options) {
  kube::Client client(io, std::move(config));
  lab::Cluster cluster(client);
  Scope scope(io, "controllers");
  Scope main(io, "main");
  int code = 0;
  // The server may still be starting: a lab starts everything at once.
  Notifier failed(io);
  struct Run {
    static Task<> until_cancelled(Scope& scope, lab::Cluster& cluster, lab::ControllerOptions options,
                                  Notifier& failed) {
      Backoff backoff(std::chrono::milliseconds(50), std::chrono::milliseconds(1000));
      for (;;) {
        auto r = co_await lab::run_controllers(scope, cluster, options);
        if (r) co_return;
        log::warn("the API server cannot be read yet", {{"error", r.error().message}});
        if (r.error().code == Errc::unauthorized) {
          failed.notify();
          co_return;
        }
        co_await sleep_for(backoff.next());
      }
    }
    static Task<> until_signal(Notifier& stop) {
      co_await wait_for_termination();
      stop.notify();
    }
  };
  main.spawn("controllers", Run::until_cancelled(scope, cluster, std::move(options), failed));
  Notifier stop(io);
  main.spawn("signal", Run::until_signal(stop));
  main.spawn("failure", [](Notifier& failed, Notifier& stop, int& code) -> Task<> {
    co_await failed.changed_since(0);
    code = 1;
    stop.notify();
  }(failed, stop, code));
  co_await stop.changed_since(0);
  co_await scope.stop();
  co_await main.stop();
  co_return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "The controllers of a lab cluster: pod CIDRs, scheduling, deployments, replica sets, daemon sets, "
      "endpoint slices, namespaces, garbage collection.",
      "weft-lab-controllers"};
  std::string kubeconfig, context, cluster_cidr, root_ca_file, level = "info", format = "text";
  unsigned mask_v4 = 24, mask_v6 = 64, quarantine = 20, grace = 40;
  app.add_option("--kubeconfig", kubeconfig, "How to reach the API server; default: in-cluster, then ~/.kube/config");
  app.add_option("--context", context, "Context of the kubeconfig; default: its current one");
  app.add_option("--cluster-cidr", cluster_cidr,
                 "Where nodes get their pod CIDRs from, one prefix a family: 10.1.0.0/16,fd00:1::/48");
  app.add_option("--node-cidr-mask-size-ipv4", mask_v4, "Length of a node's IPv4 pod CIDR")->capture_default_str();
  app.add_option("--node-cidr-mask-size-ipv6", mask_v6, "Length of a node's IPv6 pod CIDR")->capture_default_str();
  app.add_option("--root-ca-file", root_ca_file, "PEM that every namespace gets as ConfigMap kube-root-ca.crt");
  app.add_option("--pod-gc-quarantine", quarantine, "Seconds that a node must be gone before its pods are deleted")
      ->capture_default_str();
  app.add_option("--node-monitor-grace-period", grace, "Seconds without a sign of life after which a node is Unknown")
      ->capture_default_str();
  app.add_option("--log-level", level)->check(CLI::IsMember({"debug", "info", "warn", "error"}))->capture_default_str();
  app.add_option("--log-format", format)->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  app.set_version_flag("--version", WEFT_VERSION);
  CLI11_PARSE(app, argc, argv);

  using log::Level;
  log::configure(level == "debug"   ? Level::debug
                 : level == "warn"  ? Level::warn
                 : level == "error" ? Level::error
                                    : Level::info,
                 format == "json" ? log::Format::json : log::Format::text);
  const auto die = [](const std::string& why) {
    std::cerr << "weft-lab-controllers: " << why << "\n";
    return 1;
  };
  lab::ControllerOptions options;
  options.pod_gc_quarantine = std::chrono::seconds(quarantine);
  options.node_grace = std::chrono::seconds(grace);
  if (auto cidrs = lab::parse_node_cidr_options(cluster_cidr, mask_v4, mask_v6)) {
    options.node_cidrs = *cidrs;
  } else {
    return die(cidrs.error().message);
  }
  if (!root_ca_file.empty()) {
    auto pem = read_file(root_ca_file);
    if (!pem) return die("--root-ca-file: " + pem.error().message);
    options.root_ca = *pem;
  }
  auto config = kube::find_config(kubeconfig, context);
  if (!config) return die(config.error().message);
  config->qps = 0;  // we are the control plane
  config->user_agent = "weft-lab-controllers";
  asio::io_context io(1);
  return run_to_completion(io, serve(io, std::move(*config), std::move(options)));
}
