// What joins pods and nodes: pod CIDRs, scheduling, and the end of pods whose node is gone.
#include <fmt/format.h>

#include "base/log.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/queue.h"
#include "lab/controllers/scheduler.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

// One key stands for the whole: these decide about all nodes or all pods together.
const ObjectName kAll{"", "all"};

class NodeCidrLoop final : public Loop {
 public:
  NodeCidrLoop(Cluster& cluster, NodeCidrOptions options)
      : cluster_(cluster),
        options_(std::move(options)),
        nodes_(cluster.informer(kube::kNodes)),
        queue_(cluster.io(), "node-cidrs") {}

  void start(Scope& scope) override {
    if (options_.cluster_cidrs.empty()) return;
    cluster_.on_change(scope, nodes_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
      if (!now || !before || list(**now, "spec/podCIDRs").empty()) queue_.add(kAll);
    });
    queue_.start(scope, 1, [this](ObjectName) { return sync(); });
  }

 private:
  Task<Result<>> sync() {
    const NodeCidrPlan plan = plan_node_cidrs(options_, nodes_.in(""));
    for (const auto& a : plan.assign) {
      json::array cidrs;
      for (const auto& c : a.cidrs) cidrs.push_back(json::string(c));
      json::object spec;
      spec["podCIDR"] = a.cidrs[0];
      spec["podCIDRs"] = std::move(cidrs);
      json::object patch;
      patch["spec"] = std::move(spec);
      json::value body(std::move(patch));
      const ObjectName node{"", a.node};
      auto r = co_await cluster_.patch(kube::kNodes, node, std::move(body));
      if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
      log::info("node has its pod CIDRs", {{"node", a.node}, {"cidrs", fmt::format("{}", fmt::join(a.cidrs, ","))}});
    }
    if (!plan.exhausted.empty())
      co_return fail(
          Errc::exhausted,
          fmt::format("Node {}: --cluster-cidr has no subnet left for it; delete nodes or give a larger prefix",
                      fmt::join(plan.exhausted, ", ")));
    co_return Result<>{};
  }

  Cluster& cluster_;
  NodeCidrOptions options_;
  Informer& nodes_;
  WorkQueue queue_;
};

class SchedulerLoop final : public Loop {
 public:
  explicit SchedulerLoop(Cluster& cluster)
      : cluster_(cluster),
        pods_(cluster.informer(kube::kPods)),
        nodes_(cluster.informer(kube::kNodes)),
        queue_(cluster.io(), "scheduler") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, pods_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
      if (before && (!now || !pod_node(**now).empty())) assumed_.erase(uid_of(**before));
      if (now && wants_node(**now)) queue_.add(kAll);
      // Room: a pod that left may have held a port that another waits for.
      if (before && (!now || pod_finished(**now)) && unplaced_ > 0) queue_.add(kAll);
    });
    // Nodes of a young cluster get ready one after another: waiting a moment for the others spreads what has piled up.
    cluster_.on_change(scope, nodes_, [this](const ObjectName&, const ObjectPtr&, const ObjectPtr&) {
      if (unplaced_ > 0) queue_.add_after(kAll, 250ms);
    });
    queue_.start(scope, 1, [this](ObjectName) { return sync(); });
  }

 private:
  Task<Result<>> sync() {
    const auto placements = place_pods(pods_.in(""), nodes_.in(""), assumed_);
    unplaced_ = 0;
    Result<> result;
    for (const auto& p : placements) {
      Result<> r;
      if (p.node.empty()) {
        ++unplaced_;
        r = co_await refuse(p);
      } else {
        r = co_await bind(p);
      }
      if (!r) result = r;
    }
    co_return result;
  }

  Task<Result<>> bind(Placement p) {
    json::object metadata{{"name", p.pod->name.name}, {"namespace", p.pod->name.ns}, {"uid", uid_of(**p.pod)}};
    json::object target{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", p.node}};
    json::object binding{{"apiVersion", "v1"}, {"kind", "Binding"}};
    binding["metadata"] = std::move(metadata);
    binding["target"] = std::move(target);
    const std::string path = kube::path_of(kube::kPods, p.pod->name.ns, p.pod->name.name, "binding");
    const std::string body = json::serialize(binding);
    const std::string uid = uid_of(**p.pod), method = "POST";
    assumed_[uid] = p.node;
    auto r = co_await cluster_.client().request_json(method, path, body);
    if (r) {
      std::string type = "Normal", reason = "Scheduled";
      std::string message = fmt::format("Successfully assigned {} to {}", p.pod->name.to_string(), p.node);
      co_await cluster_.event(kube::kPods, p.pod, std::move(type), std::move(reason), std::move(message));
      co_return Result<>{};
    }
    assumed_.erase(uid);
    // Gone, or placed by somebody else: its event brings the rest.
    if (r.error().code == Errc::not_found || r.error().code == Errc::conflict) co_return Result<>{};
    co_return fail(r.error());
  }

  Task<Result<>> refuse(Placement p) {
    const auto* scheduled = condition(**p.pod, "PodScheduled");
    if (scheduled && text(*scheduled, "status") == "False" && text(*scheduled, "message") == p.why)
      co_return Result<>{};
    json::array conditions;
    for (const auto& c : list(**p.pod, "status/conditions"))
      if (c.is_object() && text(c.get_object(), "type") != "PodScheduled") conditions.push_back(c);
    conditions.push_back(json::object{{"type", "PodScheduled"},
                                      {"status", "False"},
                                      {"reason", "Unschedulable"},
                                      {"message", p.why},
                                      {"lastTransitionTime", rfc3339(Wall::now())}});
    json::object status;
    status["conditions"] = std::move(conditions);
    json::object patch;
    patch["status"] = std::move(status);
    json::value body(std::move(patch));
    const ObjectName name = p.pod->name;
    const std::string subresource = "status";
    auto r = co_await cluster_.patch(kube::kPods, name, std::move(body), subresource);
    if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    std::string type = "Warning", reason = "FailedScheduling";
    co_await cluster_.event(kube::kPods, p.pod, std::move(type), std::move(reason), p.why);
    co_return Result<>{};
  }

  Cluster& cluster_;
  Informer& pods_;
  Informer& nodes_;
  WorkQueue queue_;
  std::map<std::string, std::string> assumed_;  // uid → node, until the pod's own row says so
  std::size_t unplaced_ = 0;
};

class PodGcLoop final : public Loop {
 public:
  PodGcLoop(Cluster& cluster, std::chrono::seconds quarantine)
      : cluster_(cluster),
        quarantine_(quarantine),
        pods_(cluster.informer(kube::kPods)),
        nodes_(cluster.informer(kube::kNodes)),
        queue_(cluster.io(), "pod-gc") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, nodes_, [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr& now) {
      if (!now) queue_.add_after(name, quarantine_);
    });
    // Pods that were on vanished nodes already when we started, or were bound to one in a race.
    cluster_.on_change(scope, pods_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
      if (!now) return;
      const std::string node = pod_node(**now);
      if (!node.empty() && (!before || pod_node(**before) != node) && !nodes_.get({"", node}))
        queue_.add_after({"", node}, quarantine_);
    });
    queue_.start(scope, 1, [this](ObjectName node) { return sync(std::move(node)); });
  }

 private:
  Task<Result<>> sync(ObjectName node) {
    if (nodes_.get(node)) co_return Result<>{};
    auto live = co_await cluster_.client().get(kube::kNodes, node.ns, node.name);
    if (live) co_return Result<>{};
    if (live.error().code != Errc::not_found) co_return fail(live.error());
    for (const auto& p : pods_.in("")) {
      if (pod_node(**p) != node.name) continue;
      kube::DeleteOptions now;
      now.grace_period_seconds = 0;
      now.uid = uid_of(**p);
      const ObjectName name = p->name;
      auto r = co_await cluster_.remove(kube::kPods, name, std::move(now));
      if (!r && r.error().code != Errc::conflict) co_return r;
      log::info("removed a pod whose node is gone", {{"pod", name.to_string()}, {"node", node.name}});
    }
    co_return Result<>{};
  }

  Cluster& cluster_;
  std::chrono::seconds quarantine_;
  Informer& pods_;
  Informer& nodes_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Loop> make_node_cidr_loop(Cluster& cluster, NodeCidrOptions options) {
  return std::make_unique<NodeCidrLoop>(cluster, std::move(options));
}
std::unique_ptr<Loop> make_scheduler_loop(Cluster& cluster) { return std::make_unique<SchedulerLoop>(cluster); }
std::unique_ptr<Loop> make_pod_gc_loop(Cluster& cluster, std::chrono::seconds quarantine) {
  return std::make_unique<PodGcLoop>(cluster, quarantine);
}

}  // namespace weft::lab
