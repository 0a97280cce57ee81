// CidrGuard: keeps the pod CIDRs of one remote's nodes apart from everybody else's.
//
// A remote that overlaps when it is first met is refused as a whole. A node that comes to overlap later, of the remote
// or of this cluster, does not take away what works: the rows stay, the remote's new node is not taken, and the remote
// is not ready, which says why, until one of the two has another CIDR.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mesh/tables.h"
#include "mesh/values/import.h"
#include "model/node.h"

namespace weft::mesh {

class CidrGuard {
 public:
  /// `tables` outlives the calls. `remote`: its cluster's name.
  CidrGuard(const Tables& tables, std::string remote) : tables_(tables), remote_(std::move(remote)) {}

  /// Whether these CIDRs of the remote are nobody else's. The error names both sides and the mend.
  Result<> check(const std::vector<PodCidr>& theirs) const;
  /// The node that the remote's store describes by `value`, if it may be taken. One that is refused for its CIDRs is
  /// remembered; an unreadable value makes it be forgotten, since what the store said before is not so any more.
  Result<Node> take(const RemoteIdentity& from, const std::string& key, const std::string& value);
  /// Of the refused nodes, only these keys are still in the remote's store.
  void keep(const std::map<std::string, std::string>& keys);
  /// Refused nodes and their values: worth another try now and then.
  const std::map<std::string, std::string>& refused() const { return refused_; }
  /// Why the remote is not ready on this account: a refused node, or a taken one whose CIDR another cluster's node now
  /// has too. Empty when there is no overlap.
  const std::string& overlap();

 private:
  Result<> admit(const Node& node, const std::string& value);
  void forget(const std::string& node);

  const Tables& tables_;
  std::string remote_;
  std::map<std::string, std::string> refused_;  // node name → value
  std::map<std::string, std::string> why_;      // the same keys
  std::string taken_;                           // the overlap of a taken node, as of `looked_`
  std::uint64_t looked_ = 0;
  std::string overlap_;
};

}  // namespace weft::mesh
