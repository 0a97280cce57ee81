// ReplicaSets, Deployments and DaemonSets.
#include <fmt/format.h>

#include "base/log.h"
#include "lab/controllers/daemonset.h"
#include "lab/controllers/deployment.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/queue.h"
#include "lab/controllers/replicaset.h"
#include "lab/controllers/selector.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kWorkers = 4;

// The owner of `kind` that an object's change concerns, now or before.
void add_owner(WorkQueue& queue, std::string_view kind, const ObjectName& name, const ObjectPtr& o) {
  const auto* ref = o ? controller_of(**o) : nullptr;
  if (ref && text(*ref, "kind") == kind) queue.add({name.ns, text(*ref, "name")});
}

Task<Result<>> write_status(Cluster& cluster, const kube::Resource& resource, ObjectPtr object, json::object status) {
  if (status.empty() || status_has(sub(**object, "status"), status)) co_return Result<>{};
  json::object patch;
  patch["status"] = std::move(status);
  json::value body(std::move(patch));
  const ObjectName name = object->name;
  const std::string subresource = "status";
  auto r = co_await cluster.patch(resource, name, std::move(body), subresource);
  if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
  co_return Result<>{};
}

class ReplicaSetLoop final : public Loop {
 public:
  explicit ReplicaSetLoop(Cluster& cluster)
      : cluster_(cluster),
        sets_(cluster.informer(kube::kReplicaSets)),
        pods_(cluster.informer(kube::kPods)),
        queue_(cluster.io(), "replicaset") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, sets_,
                       [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr&) { queue_.add(name); });
    cluster_.on_change(scope, pods_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      add_owner(queue_, "ReplicaSet", name, before);
      add_owner(queue_, "ReplicaSet", name, now);
      if (now && !controller_of(**now)) add_adopters(name, **now);
    });
    queue_.start(scope, kWorkers, [this](ObjectName name) { return sync(std::move(name)); });
  }

 private:
  void add_adopters(const ObjectName& name, const json::object& pod) {
    const Labels labels = string_map(pod, "metadata/labels");
    for (const auto& s : sets_.in(name.ns))
      if (selects(sub(**s, "spec/selector"), labels)) queue_.add(s->name);
  }

  Task<Result<>> sync(ObjectName name) {
    const ObjectPtr set = sets_.get(name);
    if (!set || cluster_.ending(name.ns)) co_return Result<>{};
    ReplicaSetPlan plan = plan_replicaset(**set, pods_.in(name.ns), Wall::now());
    for (const auto& p : plan.adopt) {
      json::array owners = list(**p, "metadata/ownerReferences");
      owners.push_back(controller_reference("apps/v1", "ReplicaSet", **set));
      json::object metadata{{"uid", uid_of(**p)}, {"resourceVersion", text(**p, "metadata/resourceVersion")}};
      metadata["ownerReferences"] = std::move(owners);
      json::object patch;
      patch["metadata"] = std::move(metadata);
      json::value body(std::move(patch));
      const ObjectName pod_name = p->name;
      auto r = co_await cluster_.patch(kube::kPods, pod_name, std::move(body));
      if (!r) co_return fail(r.error());
    }
    for (std::size_t i = 0; i < plan.create; ++i) {
      json::object pod = pod_from_template(**set, "apps/v1", "ReplicaSet");
      auto made = co_await cluster_.create(kube::kPods, std::move(pod));
      if (made) continue;
      const std::string message = "Error creating: " + made.error().message;
      co_await tell(set, "Warning", "FailedCreate", message);
      co_return fail(made.error());
    }
    for (const auto& p : plan.remove) {
      auto r = co_await cluster_.remove(kube::kPods, p);
      if (!r) co_return r;
    }
    // After own writes the picture is newer: status comes out of that, with the next look that the pods' events cause.
    if (plan.create + plan.remove.size() + plan.adopt.size() > 0) {
      queue_.add(name);
      co_return Result<>{};
    }
    if (plan.recheck) queue_.add_after(name, 1s);
    co_return co_await write_status(cluster_, kube::kReplicaSets, set, std::move(plan.status));
  }

  Task<> tell(ObjectPtr set, std::string type, std::string reason, std::string message) {
    co_await cluster_.event(kube::kReplicaSets, std::move(set), std::move(type), std::move(reason), std::move(message));
  }

  Cluster& cluster_;
  Informer& sets_;
  Informer& pods_;
  WorkQueue queue_;
};

class DeploymentLoop final : public Loop {
 public:
  explicit DeploymentLoop(Cluster& cluster)
      : cluster_(cluster),
        deployments_(cluster.informer(kube::kDeployments)),
        sets_(cluster.informer(kube::kReplicaSets)),
        pods_(cluster.informer(kube::kPods)),
        queue_(cluster.io(), "deployment") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, deployments_,
                       [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr&) { queue_.add(name); });
    cluster_.on_change(scope, sets_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      add_owner(queue_, "Deployment", name, before);
      add_owner(queue_, "Deployment", name, now);
    });
    // Only strategy Recreate waits for pods themselves: the last ones to go.
    cluster_.on_change(scope, pods_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      if (now || !before) return;
      const auto* ref = controller_of(**before);
      if (!ref || text(*ref, "kind") != "ReplicaSet") return;
      add_owner(queue_, "Deployment", name, sets_.get({name.ns, text(*ref, "name")}));
    });
    queue_.start(scope, kWorkers, [this](ObjectName name) { return sync(std::move(name)); });
  }

 private:
  Task<Result<>> sync(ObjectName name) {
    const ObjectPtr deployment = deployments_.get(name);
    if (!deployment || cluster_.ending(name.ns)) co_return Result<>{};
    DeploymentPlan plan = plan_deployment(**deployment, sets_.in(name.ns), pods_.in(name.ns), Wall::now());
    bool wrote = false;
    if (plan.create) {
      const std::string set_name = text(*plan.create, "metadata/name");
      const std::string replicas = std::to_string(number(*plan.create, "spec/replicas"));
      auto made = co_await cluster_.create(kube::kReplicaSets, *plan.create);
      if (!made && made.error().code == Errc::exists) {
        // Another template hashed to this name: count the collision and take the next name.
        json::object collided{{"collisionCount", number(**deployment, "status/collisionCount") + 1}};
        co_return co_await write_status(cluster_, kube::kDeployments, deployment, std::move(collided));
      }
      if (!made) co_return fail(made.error());
      wrote = true;
      std::string message = "Scaled up replica set " + set_name + " from 0 to " + replicas;
      co_await tell(deployment, "ScalingReplicaSet", std::move(message));
    }
    for (auto& c : plan.changes) {
      json::value patch(std::move(c.patch));
      auto r = co_await cluster_.patch(kube::kReplicaSets, c.set, std::move(patch));
      if (!r) co_return fail(r.error());
      wrote = true;
      if (!c.message.empty()) co_await tell(deployment, "ScalingReplicaSet", c.message);
    }
    for (const auto& s : plan.remove) {
      auto r = co_await cluster_.remove(kube::kReplicaSets, s);
      if (!r) co_return r;
    }
    if (!plan.annotations.empty()) {
      json::object metadata;
      metadata["annotations"] = std::move(plan.annotations);
      json::object patch;
      patch["metadata"] = std::move(metadata);
      json::value body(std::move(patch));
      auto r = co_await cluster_.patch(kube::kDeployments, name, std::move(body));
      if (!r) co_return fail(r.error());
    }
    if (plan.recheck) queue_.add_after(name, *plan.recheck);
    if (wrote) queue_.add(name);
    co_return co_await write_status(cluster_, kube::kDeployments, deployment, std::move(plan.status));
  }

  Task<> tell(ObjectPtr deployment, std::string reason, std::string message) {
    const std::string type = "Normal";
    co_await cluster_.event(kube::kDeployments, std::move(deployment), type, std::move(reason), std::move(message));
  }

  Cluster& cluster_;
  Informer& deployments_;
  Informer& sets_;
  Informer& pods_;
  WorkQueue queue_;
};

class DaemonSetLoop final : public Loop {
 public:
  explicit DaemonSetLoop(Cluster& cluster)
      : cluster_(cluster),
        sets_(cluster.informer(kube::kDaemonSets)),
        pods_(cluster.informer(kube::kPods)),
        nodes_(cluster.informer(kube::kNodes)),
        queue_(cluster.io(), "daemonset") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, sets_,
                       [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr&) { queue_.add(name); });
    cluster_.on_change(scope, pods_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      add_owner(queue_, "DaemonSet", name, before);
      add_owner(queue_, "DaemonSet", name, now);
    });
    cluster_.on_change(scope, nodes_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
      // Heartbeats change a node's status all the time; daemons follow labels, taints and existence.
      if (before && now && sub(**before, "spec") == sub(**now, "spec") &&
          sub(**before, "metadata/labels") == sub(**now, "metadata/labels"))
        return;
      for (const auto& s : sets_.in("")) queue_.add(s->name);
    });
    queue_.start(scope, kWorkers, [this](ObjectName name) { return sync(std::move(name)); });
  }

 private:
  Task<Result<>> sync(ObjectName name) {
    const ObjectPtr set = sets_.get(name);
    if (!set || cluster_.ending(name.ns)) co_return Result<>{};
    DaemonSetPlan plan = plan_daemonset(**set, nodes_.in(""), pods_.in(name.ns), Wall::now());
    for (const auto& node : plan.create) {
      json::object pod = daemon_pod(**set, node);
      auto made = co_await cluster_.create(kube::kPods, std::move(pod));
      if (made) continue;
      std::string type = "Warning", reason = "FailedCreate", message = "Error creating: " + made.error().message;
      co_await cluster_.event(kube::kDaemonSets, set, std::move(type), std::move(reason), std::move(message));
      co_return fail(made.error());
    }
    for (const auto& p : plan.remove) {
      auto r = co_await cluster_.remove(kube::kPods, p);
      if (!r) co_return r;
    }
    if (plan.recheck) queue_.add_after(name, 1s);
    if (!plan.create.empty() || !plan.remove.empty()) queue_.add(name);
    co_return co_await write_status(cluster_, kube::kDaemonSets, set, std::move(plan.status));
  }

  Cluster& cluster_;
  Informer& sets_;
  Informer& pods_;
  Informer& nodes_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Loop> make_replicaset_loop(Cluster& cluster) { return std::make_unique<ReplicaSetLoop>(cluster); }
std::unique_ptr<Loop> make_deployment_loop(Cluster& cluster) { return std::make_unique<DeploymentLoop>(cluster); }
std::unique_ptr<Loop> make_daemonset_loop(Cluster& cluster) { return std::make_unique<DaemonSetLoop>(cluster); }

}  // namespace weft::lab
