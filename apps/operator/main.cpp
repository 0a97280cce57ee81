// weft-operator: what one process a cluster does. Competes for the lease; the leader installs the custom resource
// definitions and collects garbage.
#include <unistd.h>

#include <boost/asio/cancellation_state.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "api/metrics.h"
#include "api/server.h"
#include "apps/operator/bgp.h"
#include "apps/operator/collector.h"
#include "apps/operator/crds.h"
#include "apps/operator/options.h"
#include "async/backoff.h"
#include "base/encoding.h"
#include "base/file.h"
#include "kube/leader_election.h"

namespace weft::op {
namespace {

constexpr auto kEstablishedLimit = std::chrono::seconds(60);

constexpr const char* kUsage =
    "weft-operator [--config-dir DIR] [--KEY VALUE ...]\n"
    "  Keys: kubeconfig, crd-dir, skip-crd-creation, identity-gc-interval, identity-heartbeat-timeout,\n"
    "  cilium-endpoint-gc-interval, nodes-gc-interval, leader-election-{lease-duration,renew-deadline,retry-period},\n"
    "  operator-k8s-client-{qps,burst}, operator-health-port, enable-bgp-control-plane, bgp-secrets-namespace,\n"
    "  bgp-router-id-allocation-{mode,ip-pool}, debug, log-format.\n"
    "  --config-dir is a mounted ConfigMap, one file a key; flags win.\n";

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v ? v : "";
}

Result<std::map<std::string, std::string>> read_config_dir(const std::string& dir) {
  std::map<std::string, std::string> out;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ec)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with('.') || entry.is_directory()) continue;
    auto text = read_file(entry.path().string());
    if (!text) return fail(text.error());
    while (!text->empty() && text->back() == '\n') text->pop_back();
    out[name] = *text;
  }
  if (ec) return fail(Errc::not_found, "config-dir " + dir + ": " + ec.message());
  return out;
}

Result<Options> read_options(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) return fail(Errc::invalid, "argument \"" + word + "\": flags begin with --");
    const auto eq = word.find('=');
    if (eq != std::string::npos) {
      flags[word.substr(2, eq - 2)] = word.substr(eq + 1);
    } else if (i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--")) {
      flags[word.substr(2)] = argv[++i];
    } else {
      flags[word.substr(2)] = "true";
    }
  }
  std::map<std::string, std::string> values;
  if (const auto dir = flags.find("config-dir"); dir != flags.end()) {
    auto files = read_config_dir(dir->second);
    if (!files) return fail(files.error());
    values = std::move(*files);
  }
  for (const auto& [k, v] : flags) {
    if (k != "config-dir" && !is_known(k))
      return fail(Errc::invalid, "--" + k + ": no such option; weft-operator --help lists them");
    values[k] = v;
  }
  return parse_options(values);
}

struct Operator {
  asio::io_context& io;
  Options options;
  kube::Client client;
  kube::Client lease_client;  // its requests end before the lease does
  kube::LeaderElection election;
  metrics::Registry metrics;
  Bgp bgp;
  std::string doing = "waiting for the lease";

  Operator(asio::io_context& i, Options o, const kube::Config& config)
      : io(i),
        options(std::move(o)),
        client(i, config),
        lease_client(i, with_timeout(config, options.renew_deadline / 2.0)),
        election(lease_client, election_options(options, config)),
        bgp(client, options, metrics) {}

  template <class D>
  static kube::Config with_timeout(kube::Config c, D limit) {
    c.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
    return c;
  }
  static kube::LeaderElection::Options election_options(const Options& o, const kube::Config& config) {
    char host[256] = "weft-operator";
    ::gethostname(host, sizeof host - 1);
    kube::LeaderElection::Options e;
    e.ns = o.ns.empty() ? config.ns : o.ns;
    e.name = "weft-operator";
    e.identity = std::string(host) + "_" + hex_encode(random_bytes(5));
    e.duration = o.lease_duration;
    e.renew_deadline = o.renew_deadline;
    e.retry = o.retry_period;
    return e;
  }

  // Both until the lease is lost.
  Task<> run_together(Collector& collector) {
    Scope scope(io, "leader");
    if (options.bgp) scope.spawn("bgp", bgp.run());
    std::exception_ptr end;
    try {
      co_await collector.run();
    } catch (...) {
      end = std::current_exception();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await scope.stop();
    if (end) std::rethrow_exception(end);
  }

  Task<> lead() {
    Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(30));
    while (options.install_crds) {
      doing = "installing custom resource definitions";
      auto crds = options.crd_dir.empty() ? built_in_crds() : crds_from(options.crd_dir);
      Result<> done;
      if (crds) {
        done = co_await install_crds(client, *crds, kEstablishedLimit);
      } else {
        done = fail(crds.error());
      }
      if (done) {
        log::info("custom resource definitions are established", {{"count", crds->size()}});
        break;
      }
      log::error("custom resource definitions", {{"error", done.error().message}});
      co_await sleep_for(backoff.next());
    }
    doing = "leading";
    Collector collector(client, options);
    co_await run_together(collector);
  }
};

Task<int> run(asio::io_context& io, const Options& options) {
  auto config = kube::find_config(options.kubeconfig);
  if (!config) {
    log::error("Kubernetes", {{"error", config.error().message}});
    co_return 1;
  }
  config->qps = options.qps;
  config->burst = options.burst;
  config->user_agent = "weft-operator/" WEFT_VERSION;
  Operator self(io, options, *config);

  api::Server health(io, "tcp://127.0.0.1:" + std::to_string(options.health_port));
  health.route_value("GET", "/healthz", [&self](const api::Request&) -> Result<boost::json::value> {
    boost::json::object o;
    o["status"] = "ok";
    o["leading"] = self.election.leading();
    o["leader"] = self.election.holder();
    o["doing"] = self.election.leading() ? self.doing : "waiting for the lease";
    return boost::json::value(std::move(o));
  });
  api::add_metrics(health, self.metrics);
  Scope scope(io, "operator");
  const auto serve = [](api::Server& s) -> Task<> { co_await s.run(); };
  if (options.health_port != 0) scope.spawn("health", serve(health));
  scope.spawn("election", self.election.run([&self] { return self.lead(); }));
  const int signal = co_await wait_for_termination();
  log::info("stopping", {{"signal", signal}});
  co_await scope.stop();
  co_await self.election.release();
  co_return 0;
}

}  // namespace
}  // namespace weft::op

int main(int argc, char** argv) {
  using namespace weft;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help" || std::string_view(argv[i]) == "-h") {
      std::fputs(op::kUsage, stdout);
      return 0;
    }
    if (std::string_view(argv[i]) == "--version") {
      std::puts("weft-operator " WEFT_VERSION);
      return 0;
    }
  }
  auto options = op::read_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "weft-operator: %s\n", options.error().message.c_str());
    return 2;
  }
  log::configure(options->log_level, options->log_format);
  options->ns = op::env("K8S_NAMESPACE");
  asio::io_context io(1);
  return run_to_completion(io, op::run(io, *options));
}
