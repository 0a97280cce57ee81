// The strangers' lab with a global service in three of its clusters: what joining and leaving a mesh does to those who
// use it, and what each cluster then says.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/e2e/harness/strangers.h"

namespace weft::e2e {

/// What the agents of a cluster say of their connection to `remote`, but for times. `status`: of weft clustermesh
/// status -o json.
std::string session_of(const json::value& status, const std::string& remote);

class MeshJoins : public ::testing::Test {
 protected:
  /// Gives "stranger" an id and a maximum of its own, so that only its certificate authority is in the way.
  static void SetUpTestSuite();

  /// weft clustermesh ARGS --context CONTEXT; `more` after it.
  Output mesh(const std::string& context, Argv args, std::chrono::seconds limit = std::chrono::seconds(90)) const;
  Output connect(const std::string& to, Argv more = {}) const;       // from cluster1, waiting
  Output disconnect(const std::string& from, Argv more = {}) const;  // from cluster1, waiting

  /// cluster1 and `other` are connected, or become it: where a test begins, whatever ran before.
  ::testing::AssertionResult joined(const std::string& other) const;
  /// The clusters that `context` says it is connected to are `others`, all is well, and its exit status says so.
  ::testing::AssertionResult is_well(const std::string& context, const std::set<std::string>& others) const;
  /// `context` is not well and says all of `words`.
  ::testing::AssertionResult says(const std::string& context, const std::vector<std::string>& words) const;
  /// The service is answered to the client of `from` by all of `clusters` and by no other, without a failure.
  ::testing::AssertionResult answered_by(const std::string& from, const std::set<std::string>& clusters) const;

  /// Where on the node of `cluster` something of cluster `other` is: "backends" (BPF), "identities", "nodes", "routes",
  /// "services".
  std::vector<std::string> traces(const std::string& cluster, const std::string& other) const;
  /// How often the agent of `cluster` has lost or made a connection to `remote`, in words.
  std::string session(const std::string& cluster, const std::string& remote) const;
  /// The file by which cluster1's agents know `remote`; empty: there is none.
  std::string remote_file(const std::string& remote) const;
  Output on_node(const std::string& cluster, const Argv& command) const;

  const Lab& lab = Strangers::get().lab();
};

}  // namespace weft::e2e
