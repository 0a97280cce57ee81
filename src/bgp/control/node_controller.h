// The agent's loop: what Kubernetes and the node say becomes what the speaker shall do, a change at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "async/scope.h"
#include "bgp/control/drain_clock.h"
#include "bgp/control/gateway_memory.h"
#include "bgp/control/routes.h"
#include "bgp/control/sources.h"
#include "bgp/control/speaker_edge.h"
#include "kube/events.h"
#include "kube/types/core.h"
#include "model/node.h"
#include "netlink/kernel.h"

namespace weft::bgp::control {

/// Runs on one node. The speaker is told nothing before the BGP objects and our Node are listed; until Services,
/// EndpointSlices and CiliumNodes are too, what it is told is not `complete`, so that peers that kept our routes over a
/// restart keep them until we know better. Secrets are no part of that, since no route depends on them: one that is not
/// there, not listed yet, or may not be read, holds its own peers down and nobody else, and End-of-RIB with them.
class NodeController {
 public:
  struct Options {
    std::string node;
    std::string cluster;
    std::string secrets_namespace = "kube-system";
    std::string state_dir;  // where a restart finds what it must not forget; empty: nowhere
    RouteOptions routes;
    /// How often links, addresses and default routes are looked at while an object asks for them.
    std::chrono::milliseconds look_every{2000};
    std::chrono::milliseconds gateway_hold = GatewayMemory::kHold;
    /// How long a kind that the API server does not know is waited for; the others go on without it then.
    std::chrono::milliseconds kind_patience = kKindPatience;
  };
  struct Inputs {
    Table<kube::CoreNode>& own_node;
    Table<Service>& services;
    Table<EndpointSlice>& slices;
    Table<ClusterService>& remotes;
    Table<Node>& nodes;  // CiliumNodes
    netlink::Kernel& kernel;
  };
  NodeController(kube::Client& client, Options options, Inputs inputs, SpeakerEdge& speaker);
  ~NodeController();

  /// Until cancelled.
  Task<> run();
  /// One pass over what changed so far; run() calls it on every change. For tests and benchmarks.
  void step();
  /// Marks the routes of sessions that did not agree on graceful restart (RFC 8326) and gives their routers `grace` to
  /// look elsewhere; after run() was cancelled, before the speaker stops. Returns at once when there is no such
  /// session. When the node leaves `for_good` nobody shall keep its routes: those of all sessions.
  Task<> say_goodbye(std::chrono::milliseconds grace, bool for_good = false);

  /// Why things are as they are: for views, status and metrics.
  const Plan& plan() const { return builder_.plan(); }
  const RouteBuilder& routes() const { return builder_; }
  const std::vector<PeerFault>& faults() const { return faults_; }
  /// What stands against the plan, and against what came of it with the routes there are now.
  Findings findings() const;
  /// What is still waited for, in words; empty when everything is known.
  std::string waiting_for() const;
  bool draining() const { return drain_clock_.draining(); }
  /// The object in force, for events about it; empty kind when there is none.
  kube::ObjectReference object_in_force() const;
  /// This node's CiliumBGPNodeConfig, in force or not; empty when there is none.
  kube::ObjectReference own_config() const;
  /// Of own_config().
  std::int64_t generation_in_force() const;
  /// Wakes when plan, routes or faults may have changed.
  Notifier& changes() { return changes_; }
  std::uint64_t passes() const { return passes_; }
  /// What could not be done as an object wants it, by the ASN of the instance.
  const std::map<Asn, std::uint64_t>& errors() const { return errors_; }
  /// How long each pass took; called by step().
  std::function<void(double seconds)> on_pass;

 private:
  struct Sources;
  struct Streams;
  bool may_speak() const;
  bool complete() const;
  AbsentKinds absent_kinds() const;
  NodeFacts node_facts();
  std::set<std::pair<std::string, std::string>> sessions_without_restart() const;
  NodePrefixes node_prefixes() const;
  Objects objects() const;
  void count_error(const std::function<bool(const Plan::Instance&)>& of, const Plan& plan);
  void keep_good_states();
  void look_at_kernel();
  void take_gateways(const std::vector<netlink::Route>& routes, const std::vector<netlink::Link>& links);
  bool kernel_matters() const;
  std::set<ObjectName> changed_services();
  void refresh_service(const ObjectName& name);

  Options options_;
  Inputs inputs_;
  SpeakerEdge& speaker_;
  DrainClock drain_clock_;
  asio::io_context& io_;
  Notifier woken_;
  Notifier changes_;
  std::unique_ptr<Sources> sources_;
  std::unique_ptr<Streams> streams_;
  Scope scope_;
  RouteBuilder builder_;
  std::vector<PeerFault> faults_;

  std::vector<Gateway> gateways_v4_, gateways_v6_;
  GatewayMemory known_v4_, known_v6_;
  std::map<std::string, std::vector<Address>> interfaces_;
  std::vector<Prefix> on_link_;
  Steady::time_point looked_at_kernel_{};
  std::string secrets_error_;  // why Secrets are not listed
  AbsentKinds absent_;
  Findings route_findings_;
  bool stopping_ = false;
  bool leaving_ = false;  // for good
  bool replan_ = true;
  std::optional<bool> told_complete_;
  Steady::time_point plan_due_ = Steady::time_point::max();

  std::map<ObjectName, std::set<ObjectName>> slices_of_;  // Service → its slices
  std::map<ObjectName, ObjectName> service_of_;           // slice → its Service, to see it leave
  std::set<ObjectName> dirty_;
  std::uint64_t passes_ = 0;
  std::map<Asn, std::uint64_t> errors_;
};

}  // namespace weft::bgp::control
