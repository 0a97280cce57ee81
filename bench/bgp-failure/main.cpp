// What failures cost: how soon a router stops sending to a node that is cut off, and whether it goes on sending to one
// whose speaker was killed. See README.md.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "bench/figures/figures.h"
#include "tests/interop/harness/sandbox.h"
#include "trials.h"

namespace weft::bench {
namespace {

struct Options {
  unsigned trials = 50;
  std::string only;
  bool json = false;
};

int run(const Options& o) {
  bool holds = true;
  boost::json::object all{{"name", "bgp_failure"}, {"trials", o.trials}};
  if (!o.json) fmt::print("{}", table_head());
  const auto add = [&](const Figure& f) {
    holds = holds && f.holds();
    all[f.name] = to_json(f);
    if (!o.json) fmt::print("{}", table_row(f));
    std::fflush(stdout);
  };
  // One that cannot be measured is a miss, and keeps nobody from the others.
  const auto attempt = [&](const char* name, const std::function<void()>& measure) {
    if (!o.only.empty() && o.only != name) return;
    try {
      measure();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "bench_bgp_failure: %s: %s\n", name, e.what());
      all[name] = e.what();
      holds = false;
    }
  };
  attempt("cut", [&] {
    for (const bool frr_node : {false, true}) {
      const Cuts c = cut_the_link(o.trials, frr_node);
      for (const Figure* f : {&c.whole, &c.silence, &c.router}) add(*f);
    }
  });
  attempt("kill", [&] {
    for (const bool graceful : {true, false}) {
      const Restarts r = kill_the_speaker(o.trials, graceful);
      add(r.lost);
      add(r.gap);
    }
  });
  all["ok"] = holds;
  if (o.json) fmt::print("{}\n", boost::json::serialize(all));
  return holds ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  weft::bench::Options o;
  CLI::App app("Failures of a node that speaks BGP with FRR. Needs root, FRR, bgp-speaker and weft-bfd.");
  app.add_option("--trials", o.trials, "of each failure (50)")->check(CLI::Range(1, 10'000));
  app.add_option("--only", o.only, "cut or kill")->check(CLI::IsMember({"cut", "kill"}));
  app.add_flag("--json", o.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  return weft::interop::run_in_sandbox([&] { return weft::bench::run(o); }, std::chrono::seconds(300 + 120 * o.trials));
}
