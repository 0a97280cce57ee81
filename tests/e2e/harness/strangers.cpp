#include "tests/e2e/harness/strangers.h"

#include <cstdlib>
#include <deque>
#include <iostream>

namespace weft::e2e {

using namespace std::chrono_literals;

namespace {

Lab& lab_of_strangers() {
  Lab::use_topology(source_path("tests/e2e/topologies/strangers.yaml"));
  return Lab::get();
}

Argv install(const std::string& context, const std::string& name, const std::string& id, Argv more) {
  Argv out{"install", "--context",        context,  "--set",           "cluster.name=" + name,
           "--set",   "cluster.id=" + id, "--wait", "--wait-duration", "2m"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

Strangers& Strangers::get() {
  static auto* strangers = new Strangers();  // on purpose never destroyed, as the lab
  return *strangers;
}

::testing::AssertionResult Strangers::together(const std::vector<Argv>& commands) const {
  std::deque<Background> all;
  for (Argv argv : commands) {
    argv.insert(argv.begin(), program("weft"));
    all.emplace_back(argv, lab_.env());
  }
  auto result = ::testing::AssertionSuccess();
  for (auto& b : all)
    if (const auto r = b.wait(150s); !r.ok()) result = ::testing::AssertionFailure() << r.describe();
  return result;
}

void Strangers::must(const std::vector<Argv>& commands) const {
  const auto done = together(commands);
  if (done) return;
  std::cerr << "the clusters could not be made\n" << done.message() << std::endl;
  std::exit(1);  // skips the environments' tear down: the guardian cleans up
}

Strangers::Strangers() : lab_(lab_of_strangers()) {
  if (std::getenv("WEFT_E2E_LAB") != nullptr && lab_.weft({"clustermesh", "status", "--context", "cluster2"}).ok())
    return;
  must({install("cluster1", "cluster1", "1", {}),
        install("stranger", "stranger", "1", {"--set", "clustermesh.maxConnectedClusters=511"})});
  must({install("cluster2", "cluster2", "2", {"--inherit-ca", "cluster1"}),
        install("twin", "cluster1", "3", {"--inherit-ca", "cluster1"})});
  std::vector<Argv> enable;
  for (const char* c : {"cluster1", "cluster2", "twin", "stranger"})
    enable.push_back({"clustermesh", "enable", "--context", c, "--wait", "--wait-duration", "2m"});
  must(enable);
  must({{"clustermesh", "connect", "--context", "cluster1", "--destination-context", "cluster2", "--wait",
         "--wait-duration", "2m"}});
}

}  // namespace weft::e2e
