// bench_connrate: new TCP connections a second through a ClusterIP, beside direct to a backend, with 1, 1 000 and
// 50 000 services; and beside as many services in iptables and nftables rules in the style of kube-proxy.
//
// One client connects and closes, one server accepts and closes, over a veth pair. Each mode has a client in a network
// namespace of its own, so that the direct one crosses no hook of the others. Modes take turns in short slices; a ratio
// is the median over the rounds of what a mode did beside what direct did in the same round. "of direct" is by wall
// clock, which other work on the machine disturbs; "by CPU" counts connections a second of the client's own CPU time,
// which is the same on a quiet machine (the client never sleeps) and is what the verdict goes by.

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/connrate/clients.h"
#include "bench/connrate/rules.h"
#include "datapath/lb_plan.h"
#include "datapath/loader.h"
#include "datapath/testing/sandbox.h"

namespace weft::connrate {
namespace {

struct Options {
  std::vector<std::uint32_t> services{1, 1000, 50'000};
  int slice_ms = 40;
  int rounds = 75;
  std::uint32_t working_set = 16;
  bool rules = true;
  bool json = false;
};

enum Mode { direct, ebpf, nftables, iptables, modes };
constexpr const char* names[] = {"direct", "eBPF", "nftables", "iptables"};

struct Result {
  std::uint32_t services = 0;
  double load_seconds[modes] = {};
  double rate[modes] = {};   // median
  double ratio[modes] = {};  // median over rounds, beside direct, by wall clock
  double cpu_ratio[modes] = {};
  double cpu[modes] = {};  // median, microseconds of the client's CPU for one connection
  std::uint64_t failures[modes] = {};
  int error[modes] = {};
};

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::ranges::sort(v);
  return v.size() % 2 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

template <class Fn>
double timed(Fn&& fn) {
  const auto start = Steady::now();
  fn();
  return std::chrono::duration<double>(Steady::now() - start).count();
}

void must(bool ok, const std::string& what) {
  if (ok) return;
  fprintf(stderr, "bench_connrate: %s failed\n", what.c_str());
  _exit(2);
}

void fill_maps(LbMaps& maps, LbState& state, std::uint32_t services) {
  for (std::uint32_t i = static_cast<std::uint32_t>(state.services().size()); i < services; ++i) {
    Frontend f;
    f.address = {{Address::v4(first_service + i), 80}, Protocol::tcp};
    for (std::uint32_t b = 1; b <= 2; ++b) f.backends.push_back({.address = {Address::v4(0x0a010000 + b), 8080}});
    auto plan = state.plan_update(f);
    must(plan && maps.apply(plan->writes), "filling the maps");
    state.commit(*plan);
  }
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), server_(start_servers()), below_(testing_bpf::cgroup() + "/clients") {
    must(mkdir(below_.c_str(), 0755) == 0, "mkdir " + below_);
    for (int m = 0; m < (options.rules ? modes : nftables); ++m)
      clients_.push_back(std::make_unique<Client>(m + 1, m == ebpf ? below_ : ""));
    const auto most = *std::ranges::max_element(options.services);
    auto lb = SockLb::load(
        {.bpffs = testing_bpf::bpffs(), .cgroup = below_, .sizes = LbSizes::for_capacity(most, 1024)}, probe_kernel());
    if (!lb) log::fatal(lb.error().message, __FILE__, __LINE__);
    lb_ = std::move(*lb);
    state_ = std::make_unique<LbState>(lb_->maps().sizes());
  }
  ~Bench() {
    clients_.clear();
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
    lb_.reset();
    (void)SockLb::unload(testing_bpf::bpffs());
    rmdir(below_.c_str());
  }

  Result measure(std::uint32_t services) {
    Result out{.services = services};
    out.load_seconds[ebpf] = timed([&] { fill_maps(lb_->maps(), *state_, services); });
    if (options_.rules) {
      load(nftables, nftables_rules(services), "(nft delete table ip kube-proxy 2>/dev/null; true) && nft -f", out);
      load(iptables, iptables_rules(services),
           "iptables-legacy -t nat -F && iptables-legacy -t nat -X && iptables-legacy-restore", out);
    }
    // Two phases, because tens of thousands of rules leave nothing in the caches for whoever comes next.
    compare(ebpf, ebpf, out);
    if (options_.rules) compare(nftables, iptables, out);
    return out;
  }

 private:
  // Direct, and the modes from `first` to `last`, in turns. Direct's own numbers are those of the first phase.
  void compare(Mode first, Mode last, Result& out) {
    const std::uint32_t used = options_.working_set == 0 ? out.services : std::min(options_.working_set, out.services);
    const Targets backends{.first = 0x0a010001, .count = 2, .step = 1, .port = 8080};
    const Targets through_services{.first = first_service, .count = used, .step = out.services / used, .port = 80};
    std::vector<int> turns{direct};
    for (int m = first; m <= last; ++m) turns.push_back(m);
    std::vector<double> rates[modes], ratios[modes], cpu[modes], cpu_ratios[modes];
    for (int round = -1; round < options_.rounds; ++round) {  // the first is to warm up
      double rate[modes] = {}, each[modes] = {};
      for (const int m : turns) {
        const Outcome o = clients_[static_cast<std::size_t>(m)]->connect_for(m == direct ? backends : through_services,
                                                                             options_.slice_ms);
        out.failures[m] += o.failures;
        if (o.failures > 0) out.error[m] = o.last_error;
        rate[m] = o.rate();
        each[m] = o.cpu_microseconds();
      }
      std::ranges::rotate(turns, turns.begin() + 1);
      if (round < 0 || rate[direct] <= 0) continue;
      for (const int m : turns) {
        rates[m].push_back(rate[m]);
        ratios[m].push_back(rate[m] / rate[direct]);
        cpu[m].push_back(each[m]);
        cpu_ratios[m].push_back(each[m] > 0 ? each[direct] / each[m] : 0);
      }
    }
    for (const int m : turns) {
      if (m == direct && first != ebpf) continue;
      out.rate[m] = median(rates[m]);
      out.ratio[m] = median(ratios[m]);
      out.cpu[m] = median(cpu[m]);
      out.cpu_ratio[m] = median(cpu_ratios[m]);
    }
  }

  void load(Mode m, const std::string& rules, const std::string& command, Result& out) {
    const std::string path = fmt::format("/tmp/weft-connrate-{}", getpid());
    must(static_cast<bool>(write_file(path, rules)), "writing " + path);
    out.load_seconds[m] =
        timed([&] { must(clients_[m]->run(command + " " + path), std::string(names[m]) + " rules"); });
    unlink(path.c_str());
    // A closed connection's entry goes after a second, so that the table never fills.
    (void)clients_[m]->run("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close=1");
  }

  Options options_;
  int server_;
  std::string below_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<SockLb> lb_;
  std::unique_ptr<LbState> state_;
};

void print(const Result& r, const Options& o) {
  for (int m = 0; m < (o.rules ? modes : nftables); ++m) {
    if (o.json) {
      fmt::print(
          "{{\"services\":{},\"mode\":\"{}\",\"connections_per_second\":{:.0f},\"ratio\":{:.4f},\"cpu_ratio\":{:.4f},"
          "\"cpu_microseconds\":{:.2f},\"load_seconds\":{:.3f},\"failures\":{}}}\n",
          r.services, names[m], r.rate[m], r.ratio[m], r.cpu_ratio[m], r.cpu[m], r.load_seconds[m], r.failures[m]);
      continue;
    }
    fmt::print("{:>8}  {:<9} {:>9.0f}/s  {:>9.3f}  {:>6.3f}  {:>6.2f} us", r.services, names[m], r.rate[m], r.ratio[m],
               r.cpu_ratio[m], r.cpu[m]);
    if (m != direct) fmt::print("  loaded in {:>6.2f} s", r.load_seconds[m]);
    if (r.failures[m] > 0) fmt::print("  {} FAILED ({})", r.failures[m], strerror(r.error[m]));
    fmt::print("\n");
  }
  fflush(stdout);
}

int run(const Options& o) {
  log::configure(log::Level::warn, log::Format::text);
  if (!o.json) fmt::print("services  mode       connections  of direct  by CPU   CPU each\n");
  Bench bench(o);
  double low = 1e9, high = 0;
  std::uint64_t failures = 0;
  for (const auto n : o.services) {
    const Result r = bench.measure(n);
    print(r, o);
    low = std::min(low, r.cpu_ratio[ebpf]);
    high = std::max(high, r.cpu_ratio[ebpf]);
    failures += r.failures[direct] + r.failures[ebpf];
  }
  const bool enough = low >= 0.95, flat = high - low <= 0.05;
  if (!o.json)
    fmt::print(
        "eBPF of direct by CPU: {:.3f} to {:.3f} over all sizes: {} (wanted: at least 0.95), {} (wanted: within 0.05), "
        "{} failed\n",
        low, high, enough ? "enough" : "NOT ENOUGH", flat ? "flat" : "NOT FLAT", failures);
  return enough && flat && failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace weft::connrate

int main(int argc, char** argv) {
  weft::connrate::Options o;
  CLI::App app("New connections a second: ClusterIP by eBPF, nftables and iptables beside direct. Needs root.");
  app.add_option("--services", o.services, "numbers of services, ascending")
      ->delimiter(',')
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--slice-ms", o.slice_ms, "one turn of one mode");
  app.add_option("--rounds", o.rounds, "turns of each mode");
  app.add_option("--working-set", o.working_set, "services connected to, evenly spaced over all; 0: every one");
  app.add_flag("!--no-rules", o.rules, "eBPF and direct only");
  app.add_flag("--json", o.json, "one JSON object a line");
  CLI11_PARSE(app, argc, argv);
  std::ranges::sort(o.services);
  return weft::testing_bpf::run_in_sandbox([&] { return weft::connrate::run(o); }, std::chrono::seconds(300));
}
