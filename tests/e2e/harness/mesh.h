// Two clusters of the lab, meshed with the commands that operators use, and the global service of the demo in both.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {

inline const std::string kBothClusters[] = {"cluster1", "cluster2"};

/// What weft-lab-load reports.
struct Load {
  bool parsed = false;
  int requests = 0, ok = 0, failed = 0;
  double longest_gap_ms = 0;
  std::map<std::string, int> clusters;  // who answered
  std::string raw;
  int from(const std::string& cluster) const;
};
Load parse_load(const Output& output);

class Mesh {
 public:
  /// Installs, enables and connects on first use; a failure of that ends the program with what was said.
  static Mesh& get();
  /// Before the first get(): further arguments of weft install, in both clusters.
  static void install_with(Argv more);

  const Lab& lab() const { return lab_; }
  /// weft-lab-load ARGS in the client pod of `cluster`.
  Load load(const std::string& cluster, Argv args, std::chrono::seconds limit = std::chrono::seconds(60)) const;
  Argv load_argv(const std::string& cluster, Argv args) const;

  /// http://api-server.shop.svc.cluster.local/ and its ClusterIPs as URLs.
  const std::string& url() const { return url_; }
  std::string ip_url(const std::string& cluster, int family) const;

  /// Annotates the Service in both clusters; empty takes the annotation away.
  void affinity(const std::string& value) const;
  ::testing::AssertionResult scale(const std::string& cluster, int replicas) const;
  /// Requests of `args` from the client of `from` are all answered by `cluster`.
  ::testing::AssertionResult all_from(const std::string& from, const std::string& cluster, Argv args,
                                      std::chrono::seconds limit = std::chrono::seconds(30)) const;
  ::testing::AssertionResult both_answer(const std::string& from, Argv args,
                                         std::chrono::seconds limit = std::chrono::seconds(30)) const;
  /// As it was after get(): two backends a cluster, no affinity.
  ::testing::AssertionResult reset() const;

  /// kubectl exec is not offered: this runs in the node, as root.
  Output on_node(const std::string& cluster, int node, const Argv& command,
                 std::chrono::seconds limit = std::chrono::seconds(30)) const;
  /// The first line of `weft clustermesh status`, and whether it says that all is well.
  Output status(const std::string& cluster) const;

  struct Pod {
    std::string node;
    std::vector<std::string> ips;
    /// Its address of the same family; empty when it has none.
    std::string same_family(const std::string& address) const;
  };
  /// Pods of namespace shop, by label ("app=api-server") or one by name.
  std::vector<Pod> pods(const std::string& cluster, const Argv& what) const;
  /// What the server at http://ADDRESS:8080/ saw as the source of a request from the client of `from`.
  std::string seen_source(const std::string& from, const std::string& address) const;

 private:
  Mesh();
  void must(const Output& output) const;
  Lab& lab_;
  std::string url_;
};

}  // namespace weft::e2e
