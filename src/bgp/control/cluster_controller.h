// The operator's loop: keeps one CiliumBGPNodeConfig a node, and says on every BGP object what stands against it, as
// conditions and events.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "async/scope.h"
#include "bgp/control/cluster.h"
#include "bgp/control/sources.h"
#include "kube/events.h"

namespace weft::bgp::control {

/// A NodeConfig as it is, and who made it.
struct NodeConfigRow {
  using Key = std::string;
  std::string name;
  std::string owner;      // the CiliumBGPClusterConfig in ownerReferences; empty: none
  std::string owner_uid;  // of the one it was made from: another one of that name does not keep it alive
  std::string uid;
  ObjectPtr<NodeConfigSpec> config;
  Key key() const { return name; }
  bool operator==(const NodeConfigRow& o) const {
    return name == o.name && owner == o.owner && owner_uid == o.owner_uid && uid == o.uid && *config == *o.config;
  }
};

/// Runs on the leader. Acts on nothing before everything is listed, but for kinds that nobody serves: without one that
/// NodeConfigs are made of, or without theirs, none is written or removed. A NodeConfig that no cluster configuration
/// made is taken over when one selects its node, and otherwise left alone.
class ClusterController {
 public:
  struct Options {
    std::string secrets_namespace = "kube-system";
    std::optional<RouterIdPool> router_ids;
    std::string host;  // of events
    /// How long a kind that the API server does not know is waited for; the others go on without it then.
    std::chrono::milliseconds kind_patience = kKindPatience;
    /// When conditions are tried again on an object that cannot keep them: its CRD has no /status, or it is refused.
    std::chrono::milliseconds status_retry = std::chrono::minutes(10);
  };
  ClusterController(kube::Client& client, Options options);
  ~ClusterController();
  /// Until cancelled.
  Task<> run();

  /// Failed writes by kind and name of the object, for metrics.
  const std::map<ObjectRef, std::uint64_t>& errors() const { return errors_; }
  /// How long each pass took; called by run().
  std::function<void(double seconds)> on_pass;

 private:
  struct Sources;
  bool listed() const;
  void look_for_kinds();
  bool said_before(const ObjectRef& object, const kube::Condition& condition) const;
  void note_unwritten(const ObjectRef& object, const kube::Resource& resource, const Error& error);
  ClusterObjects objects() const;
  Task<bool> pass();
  Task<bool> write_node_configs(ClusterOutcome outcome);
  Task<Result<>> write_node_config(std::string node, WantedNodeConfig wanted);
  Task<Result<>> adopt(std::string node, std::string owner, std::string owner_uid);
  Task<Result<>> remove_node_config(std::string node, std::string uid);
  Task<Result<>> write_conditions(ObjectRef object, std::vector<kube::Condition> conditions);

  kube::Client& client_;
  Options options_;
  Notifier woken_;
  std::unique_ptr<Sources> sources_;
  Scope scope_;
  kube::EventRecorder events_;
  std::map<ObjectRef, std::vector<kube::Condition>> written_;
  std::map<ObjectRef, Steady::time_point> unwritten_;  // told by events only; when to try again
  std::set<std::string> told_no_status_;               // CRDs that the log named
  AbsentKinds absent_;
  std::map<ObjectRef, std::uint64_t> errors_;
};

}  // namespace weft::bgp::control
