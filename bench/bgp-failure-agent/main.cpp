// A node's agent is killed, and its link is cut: what does that cost behind an FRR router? See README.md.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>

#include "async/scope.h"
#include "trials.h"

namespace weft::bench {
namespace {

struct Options {
  unsigned trials = 50;
  std::string only, lab, kube_apiserver;
  bool graceful_restart = true, json = false;
};

int failed(const Error& error) {
  std::fprintf(stderr, "bench_bgp_failure_agent: %s\n", error.message.c_str());
  return EXIT_FAILURE;
}

Task<int> measure(Lab& lab, kube::Client& client, const Options& o) {
  World world(lab, client, o.graceful_restart);
  auto ready = co_await world.prepare();
  if (!ready) co_return failed(ready.error());
  std::fprintf(stderr, "bench: %u trials each\n", o.trials);
  bool holds = true;
  boost::json::object all{{"name", "bgp_failure_agent"}, {"trials", o.trials}};
  if (!o.json) fmt::print("{}", table_head());
  const auto tell = [&](const Figure& f) {
    holds = holds && f.holds();
    all[f.name] = to_json(f);
    if (!o.json) fmt::print("{}", table_row(f));
    std::fflush(stdout);
  };
  if (o.only != "cut") {
    auto kills = co_await kill_the_agent(world, o.trials);
    if (!kills) co_return failed(kills.error());
    tell(kills->lost);
    tell(kills->back);
    all["asked"] = kills->asked;
    double lost = 0;
    for (const double l : kills->lost.samples) lost += l;
    if (!o.json) fmt::print("{} of {} questions lost\n", lost, kills->asked);
  }
  if (o.only != "kill") {
    auto cuts = co_await cut_the_link(world, o.trials);
    if (!cuts) co_return failed(cuts.error());
    tell(*cuts);
  }
  all["ok"] = holds;
  if (o.json) fmt::print("{}\n", boost::json::serialize(all));
  co_return holds ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(const Options& o) {
  Lab lab(o.lab);
  std::vector<std::string> up;
  if (!o.kube_apiserver.empty()) up = {"--kube-apiserver", o.kube_apiserver};
  up.emplace_back(WEFT_SOURCE_DIR "/bench/bgp-failure-agent/topology.yaml");
  if (const auto r = lab.up(up); !r) return failed(r.error());
  auto config = kube::load_kubeconfig(lab.kubeconfig(), "cluster1");
  if (!config) return failed(config.error());
  config->qps = 0;
  asio::io_context io(1);
  kube::Client client(io, std::move(*config));
  return run_to_completion(io, measure(lab, client, o));
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  weft::bench::Options o;
  CLI::App app("A node's agent is killed, its link is cut, seen from the router. Needs root and FRR; brings up a lab.",
               "bench_bgp_failure_agent");
  app.add_option("--trials", o.trials, "of each failure (50)")->check(CLI::Range(1, 10'000));
  app.add_option("--only", o.only, "cut or kill")->check(CLI::IsMember({"cut", "kill"}));
  app.add_flag("!--no-graceful-restart", o.graceful_restart, "shows that a loss is seen: the run fails");
  app.add_option("--lab", o.lab, "a lab of bench/bgp-failure-agent/topology.yaml that is up; it stays up");
  app.add_option("--kube-apiserver", o.kube_apiserver, "a real kube-apiserver for the lab")->check(CLI::ExistingFile);
  app.add_flag("--json", o.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  if (::geteuid() != 0) return weft::bench::failed({weft::Errc::unauthorized, "a lab needs root"});
  return weft::bench::run(o);
}
