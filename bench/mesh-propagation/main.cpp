// How long a change of endpoints takes from cluster2's API server into the BPF maps of a node of cluster1, beside the
// bare put-to-watch latency of cluster2's mesh store. See bench/README.md.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "base/file.h"
#include "base/log.h"
#include "bench/lab/lab.h"
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

// What the two processes noted, by change.
Result<std::vector<Change>> merge(const std::string& measured, const std::string& commits) try {
  std::map<std::string, double> committed;
  std::istringstream lines(commits);
  std::string address;
  for (double at = 0; lines >> address >> at;) committed.emplace(address, at);
  std::vector<Change> out;
  const auto all = boost::json::parse(measured);
  for (const auto& v : all.as_array()) {
    const auto number = [&](const char* name) { return v.at(name).to_number<double>(); };
    const std::string key(v.at("address").as_string());
    if (!committed.contains(key)) return fail(Errc::not_found, "the etcd of cluster2 was not seen to commit " + key);
    out.push_back({key, number("sent"), committed.at(key), number("answered"), number("watched"), number("stored"),
                   number("mapped"), number("bare")});
  }
  if (out.empty()) return fail(Errc::not_found, "no change was measured");
  return out;
} catch (const std::exception& e) {
  return fail(Errc::internal, fmt::format("{}; the measuring process said: {}", e.what(), measured));
}

int run(const std::string& existing, const std::vector<std::string>& up_args, int changes, bool as_json) {
  Lab lab(existing);
  if (const auto r = lab.up(up_args); !r) return failed(r.error());
  if (lab.ours())
    if (const auto r = install(lab); !r) return failed(r.error());
  const auto job = prepare(lab.kubeconfig(), changes);
  if (!job) return failed(job.error());
  const std::string input = lab.scratch() + "/job";
  if (const auto r = write_file(input, encode_job(*job), 0600); !r) return failed(r.error());
  std::fprintf(stderr, "bench: %d changes\n", changes);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  auto recorded = std::async(std::launch::async,
                             [&] { return lab.weft({"lab", "exec", "cluster2/cp", "--", self, "--record"}, input); });
  const auto measured = lab.weft({"lab", "exec", "cluster1/node1", "--", self, "--measure"}, input);
  if (!measured) {
    lab.down();  // the recorder, which waits for the last change, ends with it
    return failed(measured.error());
  }
  const auto commits = recorded.get();
  if (!commits) return failed(commits.error());
  const auto merged = merge(*measured, *commits);
  if (!merged) return failed(merged.error());
  const auto report = to_json(*merged);
  std::printf("%s\n", as_json ? boost::json::serialize(report).c_str() : to_table(report).c_str());
  return report.at("ok").as_bool() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Latency from an EndpointSlice change in one cluster to the BPF maps of another",
               "bench_mesh_propagation"};
  bool measuring = false, recording = false, as_json = false;
  int changes = 300;
  std::string lab, apiserver, topology;
  app.add_flag("--json", as_json, "One line of JSON instead of the table");
  app.add_option("--changes", changes, "How many")->check(CLI::Range(1, 5'000));
  app.add_option("--lab", lab, "A lab that is up and meshed (./dev demo leaves one); it stays up");
  app.add_option("--kube-apiserver", apiserver, "Run this real kube-apiserver in the lab")->check(CLI::ExistingFile);
  app.add_option("--topology", topology, "Of the lab: clusters cluster1 and cluster2")->check(CLI::ExistingFile);
  app.add_flag("--measure", measuring, "The part that runs in a node")->group("");
  app.add_flag("--record", recording, "The part that runs beside cluster2's API server")->group("");
  CLI11_PARSE(app, argc, argv);
  if (measuring || recording) {
    const auto job = decode_job({std::istreambuf_iterator<char>(std::cin), {}});
    if (job && recording) return record(*job);
    return job ? measure(*job) : failed(job.error());
  }
  if (::geteuid() != 0) return failed({Errc::unauthorized, "a lab needs root"});
  std::vector<std::string> up_args;
  if (!apiserver.empty()) up_args = {"--kube-apiserver", apiserver};
  if (!topology.empty()) up_args.push_back(topology);
  return run(lab, up_args, changes, as_json);
}
