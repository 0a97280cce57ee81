#include "lab/controllers/loops.h"

#include "base/log.h"
#include "lab/controllers/catalog.h"

namespace weft::lab {

using namespace std::chrono_literals;

Kinds::Kinds(Cluster& cluster)
    : cluster_(cluster), definitions_(cluster.informer(kube::kCustomResourceDefinitions)), changed_(cluster.io()) {}

Task<Result<>> Kinds::find() {
  auto found = co_await discover(cluster_.client());
  if (!found) co_return fail(found.error());
  for (const auto& r : *found)
    if (r.plural != "events") cluster_.informer(r);
  co_return Result<>{};
}

void Kinds::start(Scope& scope) {
  cluster_.on_change(scope, definitions_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
    const auto served = [](const ObjectPtr& o) {
      const auto* c = o ? condition(**o, "Established") : nullptr;
      return c && text(*c, "status") == "True";
    };
    if (served(before) != served(now)) changed_.notify();
  });
  scope.spawn("kinds", follow(scope));
}

void Kinds::each(std::function<void(Informer&)> seen) {
  for (auto& i : cluster_.informers()) seen(i);
  seen_.push_back(std::move(seen));
}

Informer* Kinds::of(const std::string& api_version, const std::string& kind) {
  Informer* other_version = nullptr;
  const auto group = [](const std::string& v) {
    return v.substr(0, v.find('/') == std::string::npos ? 0 : v.find('/'));
  };
  for (auto& i : cluster_.informers()) {
    if (i.resource.kind != kind) continue;
    if (i.resource.api_version() == api_version) return &i;
    if (i.resource.group == group(api_version)) other_version = &i;
  }
  return other_version;
}

Task<> Kinds::follow(Scope& scope) {
  auto seen = changed_.version();
  for (;;) {
    co_await changed_.changed_since(seen);
    seen = changed_.version();
    auto found = co_await discover(cluster_.client());
    if (!found) {
      log::warn("cannot read which kinds there are", {{"error", found.error().message}});
      co_await sleep_for(1s);
      changed_.notify();
      continue;
    }
    for (const auto& r : *found) {
      if (r.plural == "events") continue;
      const std::size_t before = cluster_.informers().size();
      Informer& informer = cluster_.add(scope, r);
      if (cluster_.informers().size() == before) continue;
      log::debug("a new kind", {{"kind", r.to_string()}});
      for (const auto& s : seen_) s(informer);
    }
  }
}

Task<Result<>> run_controllers(Scope& scope, Cluster& cluster, ControllerOptions options) {
  std::vector<std::unique_ptr<Loop>> loops;
  Kinds kinds(cluster);
  loops.push_back(make_node_cidr_loop(cluster, options.node_cidrs));
  loops.push_back(make_scheduler_loop(cluster));
  loops.push_back(make_replicaset_loop(cluster));
  loops.push_back(make_deployment_loop(cluster));
  loops.push_back(make_daemonset_loop(cluster));
  loops.push_back(make_slice_loop(cluster));
  loops.push_back(make_node_health_loop(cluster, options.node_grace));
  loops.push_back(make_pod_gc_loop(cluster, options.pod_gc_quarantine));
  loops.push_back(make_namespace_loop(cluster, kinds, options.root_ca));
  loops.push_back(make_garbage_loop(cluster, kinds));
  auto found = co_await kinds.find();
  if (!found) co_return found;
  co_await cluster.start(scope);
  kinds.start(scope);
  for (auto& loop : loops) loop->start(scope);
  log::info("controllers are running", {{"kinds", cluster.informers().size()}});
  Notifier never(cluster.io());
  co_await never.changed_since(never.version());
  co_return Result<>{};
}

}  // namespace weft::lab
