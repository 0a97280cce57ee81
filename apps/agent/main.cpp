// weft-agent: makes the real edges (API server, kernel, BPF maps) and runs the agent on them until told to stop.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "apps/agent/agent.h"
#include "apps/agent/cleanup.h"
#include "apps/agent/speaker.h"
#include "base/log.h"
#include "datapath/features.h"
#include "datapath/loader.h"
#include "datapath/udp_cutter.h"
#include "kube/config.h"
#include "netlink/linux_kernel.h"

namespace weft::agent {
namespace {

// --key=value, --key value; a key without a value is "true".
std::map<std::string, std::string> flags_of(const std::vector<std::string>& words) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) continue;
    const std::string word = words[i].substr(2);
    if (const auto eq = word.find('='); eq != std::string::npos) {
      out[word.substr(0, eq)] = word.substr(eq + 1);
    } else if (i + 1 < words.size() && !words[i + 1].starts_with("--")) {
      out[word] = words[++i];
    } else {
      out[word] = "true";
    }
  }
  return out;
}

// `unknown`: keys of the files that nobody reads, a typing error most likely.
Result<Options> read_options(const std::string& config_dir, const std::vector<std::string>& flags,
                             std::vector<std::string>& unknown) {
  std::map<std::string, std::string> values;
  if (!config_dir.empty()) {
    auto files = read_config_dir(config_dir);
    if (!files) return fail(files.error());
    values = std::move(*files);
  }
  std::vector<std::string> unknown_flags;
  const auto given = flags_of(flags);
  if (auto r = parse_options(given, &unknown_flags); !r) return fail(r.error());
  if (!unknown_flags.empty()) return fail(Errc::invalid, "--" + unknown_flags.front() + ": no such option");
  for (const auto& [key, value] : given) values[key] = value;
  return parse_options(values, &unknown);
}

// A Maglev table is 128 KiB of slots at the default size: where Maglev is the default there is room for 512 of them, a
// cluster with more services raises bpf-lb-slot-map-max.
LbSizes lb_sizes(const Options& o) {
  const std::uint32_t maglev_services = o.lb_algorithm == LbAlgorithm::maglev ? 512 : 16;
  LbSizes s = LbSizes::for_capacity(o.lb_service_map_max, o.lb_backend_map_max, 0);
  s.maglev_table = o.lb_maglev_table_size;
  s.slots += maglev_services * std::bit_ceil(s.maglev_table);
  if (o.lb_slot_map_max != 0) s.slots = o.lb_slot_map_max;
  if (o.lb_member_map_max != 0) s.members = o.lb_member_map_max;
  if (o.lb_affinity_map_max != 0) s.sticky = o.lb_affinity_map_max;
  if (o.lb_rev_nat_map_max != 0) s.reverse = o.lb_rev_nat_map_max;
  return s;
}

Task<int> run(asio::io_context& io, const Options& options) {
  auto config = options.kubeconfig.empty() ? kube::in_cluster() : kube::load_kubeconfig(options.kubeconfig, "");
  if (!config) {
    log::error("Kubernetes", {{"error", config.error().message}});
    co_return 1;
  }
  config->user_agent = "weft-agent";
  config->qps = options.k8s_qps;
  config->burst = options.k8s_burst;
  kube::Client client(io, *config);
  auto kernel = netlink::make_linux_kernel();
  if (!kernel) {
    log::error("kernel", {{"error", kernel.error().message}});
    co_return 1;
  }
  auto monitor = netlink::Monitor::open(io);
  if (!monitor) log::warn("links are not watched", {{"error", monitor.error().message}});

  // Kernels before 5.11 charge BPF maps to this limit.
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  ::setrlimit(RLIMIT_MEMLOCK, &unlimited);
  const KernelFeatures features = probe_kernel();
  for (const std::string& line : features.degraded()) log::warn("kernel feature missing", {{"effect", line}});
  auto sock_lb = SockLb::load({.bpffs = options.bpf_root,
                               .cgroup = options.cgroup_root,
                               .sizes = lb_sizes(options),
                               .maglev_salt = static_cast<std::uint32_t>(std::hash<std::string>{}(options.node_name))},
                              features);
  if (!sock_lb) {
    log::error("service load balancing", {{"error", sock_lb.error().message}});
    co_return 1;
  }

  Agent* self = nullptr;
  UdpCutter cutter((*sock_lb)->maps(),
                   [&self] { return self ? self->socket_namespaces() : std::vector<std::string>{}; });
  Edges edges{.kube = client,
              .kernel = **kernel,
              .monitor = monitor ? std::move(*monitor) : nullptr,
              .lb = (*sock_lb)->maps(),
              .cut_udp = [&cutter](std::vector<GoneUdpBackend> gone) { cutter.cut(std::move(gone)); },
              .make_speaker =
                  [&](bool restarting) {
                    return make_real_speaker(io, **kernel, options.bfd_socket_path, options.node_name, restarting);
                  }};
  Agent agent(io, options, std::move(edges));
  self = &agent;

  Scope scope(io, "main");
  Notifier ended(io);
  bool failed = false;
  const auto body = [](Agent& a, bool& f, Notifier& n) -> Task<> {
    const auto r = co_await a.run();
    if (!r) log::error("the agent cannot run", {{"error", r.error().message}});
    f = !r;
    n.notify();
  };
  const auto signals = [](Notifier& n) -> Task<> {
    const int signal = co_await wait_for_termination();
    log::info("stopping; traffic flows on over what is pinned", {{"signal", signal}});
    n.notify();
  };
  const auto seen = ended.version();
  scope.spawn("agent", body(agent, failed, ended));
  scope.spawn("signals", signals(ended));
  co_await ended.changed_since(seen);
  co_await scope.stop();
  co_await agent.stop();
  co_return failed ? 1 : 0;
}

}  // namespace
}  // namespace weft::agent

int main(int argc, char** argv) {
  CLI::App app{"Weft's agent: runs on every node", "weft-agent"};
  std::string config_dir;
  bool version = false;
  bool cleanup = false;
  bool cleanup_and_wait = false;
  app.add_option("--config-dir", config_dir, "folder with one file a key, as a mounted ConfigMap");
  app.add_flag("--version", version, "print the version and exit");
  app.add_flag("--cleanup", cleanup, "take back what agents left in this node's kernel and folders, then exit");
  app.add_flag("--cleanup-and-wait", cleanup_and_wait,
               "the same, then answer probes until told to end: how weft uninstall cleans nodes");
  app.allow_extras();
  app.footer(
      "Every key of the weft-config ConfigMap is also a flag: --cluster-name=east overrides the file cluster-name.");
  CLI11_PARSE(app, argc, argv);
  if (version) {
    std::puts("weft-agent " WEFT_VERSION);
    return 0;
  }
  std::vector<std::string> unknown;
  auto options = weft::agent::read_options(config_dir, app.remaining(), unknown);
  if (!options) {
    std::fprintf(stderr, "weft-agent: %s\n", options.error().message.c_str());
    return 2;
  }
  if (cleanup || cleanup_and_wait) return weft::agent::clean_up_node(*options, cleanup_and_wait);
  weft::log::configure(options->log_level, options->log_format);
  for (const auto& key : unknown)
    weft::log::warn("configuration key not known, it has no effect",
                    {{"key", key}, {"mend", "correct its name in the ConfigMap weft-config (Helm value extraConfig)"}});
  boost::asio::io_context io(1);
  return weft::run_to_completion(io, weft::agent::run(io, *options));
}
