// Clusters of one node each: cluster1 and cluster2 are meshed; "twin" calls itself cluster1 too; "stranger" has the id
// of cluster1, another certificate authority and another maximum of clusters. All have a mesh store that answers.
#pragma once

#include <string>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {

class Strangers {
 public:
  /// Brings it up on first use; a failure of that ends the program with what was said.
  static Strangers& get();
  const Lab& lab() const { return lab_; }
  /// weft COMMAND, all at the same time; each must succeed.
  ::testing::AssertionResult together(const std::vector<Argv>& commands) const;

 private:
  Strangers();
  void must(const std::vector<Argv>& commands) const;
  Lab& lab_;
};

}  // namespace weft::e2e
