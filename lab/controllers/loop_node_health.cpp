// Nodes that fall silent, and the taints that their conditions ask for.
#include "base/log.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/node_health.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/queue.h"

namespace weft::lab {
namespace {

const std::string kLeaseNamespace = "kube-node-lease";

class NodeHealthLoop final : public Loop {
 public:
  NodeHealthLoop(Cluster& cluster, std::chrono::seconds grace)
      : cluster_(cluster),
        grace_(grace),
        nodes_(cluster.informer(kube::kNodes)),
        pods_(cluster.informer(kube::kPods)),
        leases_(cluster.informer(kube::kLeases)),
        queue_(cluster.io(), "node-health") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, nodes_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      if (!now) {
        heard_.erase(name.name);
        return;
      }
      const auto heartbeat = [](const ObjectPtr& n) {
        const auto* ready = n ? condition(**n, "Ready") : nullptr;
        return ready ? text(*ready, "lastHeartbeatTime") + text(*ready, "status") : std::string();
      };
      const auto* ready = condition(**now, "Ready");
      // What we wrote ourselves is no sign of life.
      const bool lost = ready && text(*ready, "status") == "Unknown";
      if (!before || (heartbeat(before) != heartbeat(now) && !lost)) hear(name.name);
      queue_.add(name);
    });
    cluster_.on_change(scope, leases_, [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr& now) {
      if (now && name.ns == kLeaseNamespace) hear(name.name);
    });
    queue_.start(scope, 2, [this](ObjectName node) { return sync(std::move(node)); });
  }

 private:
  // By our own clock: a node's may be off.
  void hear(const std::string& node) {
    heard_[node] = Steady::now();
    queue_.add_after({"", node}, grace_);
  }

  Task<Result<>> sync(ObjectName name) {
    ObjectPtr node = nodes_.get(name);
    if (!node) co_return Result<>{};
    const auto silent = Steady::now() - heard_[name.name];
    const auto* ready = condition(**node, "Ready");
    if (silent >= grace_ && (!ready || text(*ready, "status") != "Unknown")) {
      log::warn("a node has fallen silent",
                {{"node", name.name}, {"seconds", std::chrono::duration_cast<std::chrono::seconds>(silent).count()}});
      json::object status;
      status["conditions"] = conditions_unknown(**node, Wall::now());
      json::object patch;
      patch["status"] = std::move(status);
      json::value body(std::move(patch));
      const std::string subresource = "status";
      auto r = co_await cluster_.patch(kube::kNodes, name, std::move(body), subresource);
      if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
      node = nodes_.get(name);
      if (!node) co_return Result<>{};
    } else if (silent < grace_) {
      queue_.add_after(name, grace_ - silent);
    }
    ready = condition(**node, "Ready");
    if (ready && text(*ready, "status") == "Unknown") {
      auto r = co_await distrust(name.name);
      if (!r) co_return r;
    }
    json::array taints = taints_by_condition(**node);
    if (taints == list(**node, "spec/taints")) co_return Result<>{};
    json::object metadata{{"resourceVersion", text(**node, "metadata/resourceVersion")}};
    json::object spec;
    spec["taints"] = std::move(taints);
    json::object patch;
    patch["metadata"] = std::move(metadata);
    patch["spec"] = std::move(spec);
    json::value body(std::move(patch));
    auto r = co_await cluster_.patch(kube::kNodes, name, std::move(body));
    if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    co_return Result<>{};
  }

  // Endpoints follow the pods' readiness: services stop sending there.
  Task<Result<>> distrust(std::string node) {
    for (const auto& p : pods_.in("")) {
      if (pod_node(**p) != node) continue;
      auto conditions = pod_conditions_lost(**p, Wall::now());
      if (!conditions) continue;
      json::object status;
      status["conditions"] = std::move(*conditions);
      json::object patch;
      patch["status"] = std::move(status);
      json::value body(std::move(patch));
      const ObjectName name = p->name;
      const std::string subresource = "status";
      auto r = co_await cluster_.patch(kube::kPods, name, std::move(body), subresource);
      if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    }
    co_return Result<>{};
  }

  Cluster& cluster_;
  std::chrono::seconds grace_;
  Informer& nodes_;
  Informer& pods_;
  Informer& leases_;
  WorkQueue queue_;
  std::map<std::string, Steady::time_point> heard_;
};

}  // namespace

std::unique_ptr<Loop> make_node_health_loop(Cluster& cluster, std::chrono::seconds grace) {
  return std::make_unique<NodeHealthLoop>(cluster, grace);
}

}  // namespace weft::lab
