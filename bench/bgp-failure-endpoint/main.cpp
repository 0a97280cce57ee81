// A node's last ready endpoint of a Service with externalTrafficPolicy: Local ends: is the route to the node withdrawn
// before the endpoint stops answering? See README.md.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "async/scope.h"
#include "trials.h"

namespace weft::bench {
namespace {

struct Options {
  unsigned trials = 50, grace = 1;
  std::string lab, kube_apiserver;
  bool json = false;
};

int failed(const Error& error) {
  std::fprintf(stderr, "bench_bgp_failure_endpoint: %s\n", error.message.c_str());
  return EXIT_FAILURE;
}

Task<int> measure(Lab& lab, kube::Client& client, const Options& o) {
  World world(lab, client);
  const auto ready = co_await world.prepare();
  if (!ready) co_return failed(ready.error());
  std::fprintf(stderr, "bench: %u trials\n", o.trials);
  const auto seen = co_await let_endpoints_go(world, client, o.trials, o.grace);
  if (!seen) co_return failed(seen.error());
  bool holds = true;
  boost::json::object all{
      {"name", "bgp_failure_endpoint"}, {"trials", o.trials}, {"grace", o.grace}, {"asked", seen->asked}};
  if (!o.json) fmt::print("{}", table_head());
  for (const Figure* f : {&seen->gone, &seen->terminating, &seen->margin, &seen->lost, &seen->announced}) {
    holds = holds && f->holds();
    all[f->name] = to_json(*f);
    if (!o.json) fmt::print("{}", table_row(*f));
  }
  all["ok"] = holds;
  const auto before = std::ranges::count_if(seen->margin.samples, [](double m) { return m > 0; });
  double lost = 0;
  for (const double l : seen->lost.samples) lost += l;
  if (o.json) {
    fmt::print("{}\n", boost::json::serialize(all));
  } else {
    fmt::print(
        "withdrawn before it stopped answering: {} of {} times, by {:.0f} ms at least; {} of {} questions lost\n",
        before, o.trials, seen->margin.least(), lost, seen->asked);
  }
  co_return holds ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(const Options& o) {
  Lab lab(o.lab);
  std::vector<std::string> up;
  if (!o.kube_apiserver.empty()) up = {"--kube-apiserver", o.kube_apiserver};
  up.emplace_back(WEFT_SOURCE_DIR "/lab/topologies/bgp.yaml");
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
  CLI::App app("The last local endpoint of a node ends, seen from the routers. Needs root and FRR; brings up a lab.",
               "bench_bgp_failure_endpoint");
  app.add_option("--trials", o.trials, "how many endpoints come and go (50)")->check(CLI::Range(1, 10'000));
  app.add_option("--grace", o.grace,
                 "seconds for which an endpoint answers after SIGTERM (1); 0: a program that ends at once")
      ->check(CLI::Range(0, 60));
  app.add_option("--lab", o.lab, "a lab of lab/topologies/bgp.yaml that is up; it stays up");
  app.add_option("--kube-apiserver", o.kube_apiserver, "a real kube-apiserver for the lab")->check(CLI::ExistingFile);
  app.add_flag("--json", o.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  if (::geteuid() != 0) return weft::bench::failed({weft::Errc::unauthorized, "a lab needs root"});
  return weft::bench::run(o);
}
