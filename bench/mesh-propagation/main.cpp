// How long a change of endpoints takes from cluster2's API server into the BPF maps of a node of cluster1, beside the
// bare put-to-watch latency of cluster2's mesh store. See bench/README.md.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "base/log.h"
#include "lab.h"
#include "measure.h"
#include "report.h"
#include "setup.h"

namespace {

using namespace weft;
using namespace weft::bench;

int failed(const Error& error) {
  std::fprintf(stderr, "bench: %s\n", error.message.c_str());
  return 1;
}

int run(const std::string& existing, const std::vector<std::string>& up_args, int changes, bool as_json) {
  Lab lab(existing);
  if (const auto r = lab.up(up_args); !r) return failed(r.error());
  const auto job = prepare(lab.kubeconfig(), changes);
  if (!job) return failed(job.error());
  const std::string input = lab.scratch() + "/job";
  if (const auto r = write_file(input, encode_job(*job), 0600); !r) return failed(r.error());
  std::fprintf(stderr, "bench: %d changes\n", changes);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const auto out = lab.weft({"lab", "exec", "cluster1/node1", "--", self, "--measure"}, input);
  if (!out) return failed(out.error());
  boost::system::error_code ec;
  const auto report = boost::json::parse(*out, ec);
  if (ec || !report.is_object()) return failed({Errc::internal, "the measuring process said: " + *out});
  std::fputs(as_json ? out->c_str() : to_table(report.get_object()).c_str(), stdout);
  return report.at("ok").as_bool() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Latency from an EndpointSlice change in one cluster to the BPF maps of another",
               "bench_mesh_propagation"};
  bool measuring = false, as_json = false;
  int changes = 300;
  std::string lab, apiserver, topology;
  app.add_flag("--json", as_json, "One line of JSON instead of the table");
  app.add_option("--changes", changes, "How many")->check(CLI::Range(1, 5'000));
  app.add_option("--lab", lab, "A lab that is up and meshed (./dev demo leaves one); it stays up");
  app.add_option("--kube-apiserver", apiserver, "Run this real kube-apiserver in the lab")->check(CLI::ExistingFile);
  app.add_option("--topology", topology, "Of the lab: clusters cluster1 and cluster2")->check(CLI::ExistingFile);
  app.add_flag("--measure", measuring, "The part that runs in a node")->group("");
  CLI11_PARSE(app, argc, argv);
  if (measuring) {
    const auto job = decode_job({std::istreambuf_iterator<char>(std::cin), {}});
    return job ? measure(*job) : failed(job.error());
  }
  if (::geteuid() != 0) return failed({Errc::unauthorized, "a lab needs root"});
  std::vector<std::string> up_args;
  if (!apiserver.empty()) up_args = {"--kube-apiserver", apiserver};
  if (!topology.empty()) up_args.push_back(topology);
  return run(lab, up_args, changes, as_json);
}
