// Collector: deletes what is left behind: identities nobody uses, CiliumNodes without a Node, CiliumEndpoints without
// a Pod. Whatever is about to go is asked for once more at the API server itself.
#pragma once

#include <string>

#include "apps/operator/options.h"
#include "async/scope.h"
#include "identity/gc.h"
#include "kube/client.h"
#include "state/table.h"

namespace weft::op {

/// The little that the collector keeps of each object.
struct Named {
  using Key = ObjectName;
  ObjectName name;
  std::string uid;
  Key key() const { return name; }
  bool operator==(const Named&) const = default;
};
/// A pod as the owner of a CiliumEndpoint of its name.
struct OwnerPod {
  using Key = ObjectName;
  ObjectName name;
  std::string uid;
  bool finished = false;
  Key key() const { return name; }
  bool operator==(const OwnerPod&) const = default;
};
/// A CiliumEndpoint, the pod that it was made for and the identity that it uses.
struct OwnedEndpoint {
  using Key = ObjectName;
  ObjectName name;
  std::string uid;
  std::string pod_uid;
  NumericIdentity identity = 0;
  Key key() const { return name; }
  bool operator==(const OwnedEndpoint&) const = default;
};

/// Endpoints whose pod is gone, finished, or another one of the same name. Pure.
std::set<ObjectName> orphaned_endpoints(const Table<OwnedEndpoint>& endpoints, const Table<OwnerPod>& pods);
/// CiliumNodes whose Node is gone. Pure.
std::set<ObjectName> orphaned_nodes(const Table<Named>& cilium_nodes, const Table<Named>& nodes);

class Collector {
 public:
  Collector(kube::Client& client, const Options& options);
  ~Collector();
  /// Runs until cancelled.
  Task<> run();

  struct Counts {
    std::uint64_t identities_marked = 0, identities_removed = 0, nodes_removed = 0, endpoints_removed = 0, failures = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Sources;
  Task<> identities();
  Task<> nodes();
  Task<> endpoints();
  Task<Result<>> collect_identities();
  Task<Result<>> remove_node(ObjectName name);
  Task<Result<>> remove_endpoint(ObjectName name);
  Task<Result<>> annotate(const identity::IdentityObject& object, bool mark);
  void failed(const Error& error);

  kube::Client& client_;
  Options options_;
  Table<identity::IdentityObject> identities_;
  Table<OwnedEndpoint> endpoints_;
  Table<OwnerPod> pods_;
  Table<Named> cilium_nodes_;
  Table<Named> nodes_;
  std::unique_ptr<Sources> sources_;
  Scope scope_;
  Counts counts_;
};

}  // namespace weft::op
