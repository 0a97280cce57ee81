// The lab of a test program: brought up once, on first use, under a name of its own; taken down at the end, by a
// guardian process even when the program crashes or is killed.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/wait.h"

namespace weft::e2e {

namespace json = boost::json;

/// Where what: the build's programs, kubectl and Helm, the repository.
std::string source_path(const std::string& relative);
std::string bin_folder();                      // build/<preset>/bin, or $WEFT_E2E_BIN
std::string program(const std::string& name);  // in bin_folder()
std::string tool(const std::string& name);     // .cache/tools/bin/NAME, else by PATH

class Lab {
 public:
  /// The lab of this program. The first call brings it up; an error there aborts the program with what was said.
  /// `WEFT_E2E_LAB=NAME` uses one that is up already, and leaves it up: for work on a test.
  /// `WEFT_E2E_KUBE_APISERVER=PATH` runs that API server instead of the lab's own (./dev test --kube-apiserver PATH).
  static Lab& get();
  /// Before the first get(): a topology file other than the default.
  static void use_topology(const std::string& path);

  const std::string& name() const { return name_; }
  const std::string& kubeconfig() const { return kubeconfig_; }

  /// weft ARGS... with the lab's KUBECONFIG.
  Output weft(const Argv& args, std::chrono::seconds limit = std::chrono::seconds(300)) const;
  Output kubectl(const std::string& cluster, const Argv& args, const std::string& input = {},
                 std::chrono::seconds limit = std::chrono::seconds(60)) const;
  Output helm(const std::string& cluster, const Argv& args,
              std::chrono::seconds limit = std::chrono::seconds(120)) const;
  /// In "cluster1/node1", "cluster1/POD", "client"; pods of `ns`.
  Output exec(const std::string& target, const Argv& command, std::chrono::seconds limit = std::chrono::seconds(60),
              const std::string& ns = "default") const;
  Argv exec_argv(const std::string& target, const Argv& command, const std::string& ns = "default") const;
  Argv kubectl_argv(const std::string& cluster, const Argv& args) const;
  Env env() const;
  /// What the lab's API servers have refused to service accounts of kube-system so far, each once: rules that a chart
  /// forgot. Nothing with a real kube-apiserver, which does not log it.
  std::vector<std::string> forbidden() const;
  /// What programs of ours, the product's and the lab's, have logged when they gave up because of a fault of their own.
  /// The lab starts such a program again, so that nothing else may show it.
  std::vector<std::string> broken() const;

  /// kubectl apply; the failure carries kubectl's words.
  ::testing::AssertionResult apply(const std::string& cluster, const std::string& yaml) const;
  /// kubectl get ARGS -o json, parsed; null when kubectl failed.
  json::value get_json(const std::string& cluster, const Argv& args) const;

 private:
  Lab();
  void guard();
  std::string name_, kubeconfig_;
  bool ours_ = true;
  friend class LabEnvironment;
  void down();
};

}  // namespace weft::e2e
