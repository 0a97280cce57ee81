// Garbage collection by owner references, over all kinds.
#include "base/log.h"
#include "lab/controllers/garbage.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/queue.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

class GarbageLoop final : public Loop {
 public:
  GarbageLoop(Cluster& cluster, Kinds& kinds) : cluster_(cluster), kinds_(kinds), queue_(cluster.io(), "garbage") {}

  void start(Scope& scope) override {
    kinds_.each([this, &scope](Informer& informer) {
      cluster_.on_change(scope, informer,
                         [this, &informer](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
                           const std::string was = before ? uid_of(**before) : std::string();
                           if (now) {
                             Owned node = owned(informer.resource, **now);
                             const bool concerned = !node.owners.empty() || node.deleting;
                             const std::string uid = node.uid;
                             graph_.put(std::move(node));
                             if (concerned) queue_.add(key(uid));
                             if (before && was != uid) orphaned(was);
                           } else {
                             graph_.drop(informer.resource, name);
                             orphaned(was);
                           }
                         });
    });
    queue_.start(scope, 4, [this](ObjectName k) { return sync(std::move(k)); });
  }

 private:
  static ObjectName key(const std::string& uid) { return {"", uid}; }

  // An object went: those it owned need a look, and so does an owner that waited for it to go.
  void orphaned(const std::string& uid) {
    for (const auto* d : graph_.dependents(uid)) queue_.add(key(d->uid));
    for (const auto& owner : waiting_) queue_.add(key(owner));
  }

  Task<Result<>> sync(ObjectName k) {
    const std::string uid = k.name;
    const Owned* known = graph_.by_uid(uid);
    if (!known) {
      waiting_.erase(uid);
      co_return Result<>{};
    }
    std::set<std::string> gone;
    const auto unknown = unknown_owners(graph_, *known);
    const std::string ns = known->name.ns;
    for (const auto& owner : unknown) {
      Result<bool> there = co_await exists(owner, ns);
      if (!there) co_return fail(there.error());
      if (!*there) gone.insert(owner.uid);
    }
    known = graph_.by_uid(uid);  // it may have changed while we asked
    if (!known) co_return Result<>{};
    const Owned node = *known;
    const GarbageVerdict verdict = judge(graph_, node, gone);
    using Act = GarbageVerdict::Act;
    if (verdict.act == Act::look_at_dependents) {
      waiting_.insert(uid);
    } else {
      waiting_.erase(uid);
    }
    switch (verdict.act) {
      case Act::keep: break;
      case Act::look_at_dependents:
        for (const auto& d : verdict.uids) queue_.add(key(d));
        break;
      case Act::remove: {
        kube::DeleteOptions options;
        options.uid = node.uid;
        options.propagation = verdict.propagation;
        log::debug("removing what nobody owns any more",
                   {{"kind", node.resource.kind}, {"object", node.name.to_string()}});
        auto r = co_await cluster_.remove(node.resource, node.name, std::move(options));
        if (!r && r.error().code != Errc::conflict) co_return r;
        break;
      }
      case Act::cut: co_return co_await cut(node, verdict.uids);
      case Act::orphan_dependents: {
        const std::set<std::string> self{node.uid};
        for (const auto& d : verdict.uids) {
          const Owned* dependent = graph_.by_uid(d);
          if (!dependent) continue;
          const Owned copy = *dependent;
          auto r = co_await cut(copy, self);
          if (!r) co_return r;
        }
        co_return co_await drop_finalizer(node, std::string(kOrphanFinalizer));
      }
      case Act::release: co_return co_await drop_finalizer(node, std::string(kForegroundFinalizer));
    }
    co_return Result<>{};
  }

  Task<Result<>> cut(Owned node, std::set<std::string> uids) {
    auto live = co_await cluster_.client().get(node.resource, node.name.ns, node.name.name);
    if (!live && live.error().code == Errc::not_found) co_return Result<>{};
    if (!live) co_return fail(live.error());
    json::value patch(cut_patch(*live, uids));
    auto r = co_await cluster_.patch(node.resource, node.name, std::move(patch));
    if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    co_return Result<>{};
  }

  Task<Result<>> drop_finalizer(Owned node, std::string finalizer) {
    json::value patch(finalizer_patch(node, finalizer));
    auto r = co_await cluster_.patch(node.resource, node.name, std::move(patch));
    if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    co_return Result<>{};
  }

  // An owner that no informer shows: the server knows. A kind that it does not have is taken as "there": its
  // definition may be on its way, and to keep too much is the lesser evil.
  Task<Result<bool>> exists(OwnerRef owner, std::string ns) {
    Informer* informer = kinds_.of(owner.api_version, owner.kind);
    if (!informer) co_return true;
    const kube::Resource resource = informer->resource;
    const std::string where = resource.namespaced ? ns : std::string();
    auto live = co_await cluster_.client().get(resource, where, owner.name);
    if (live) co_return uid_of(*live) == owner.uid;
    if (live.error().code == Errc::not_found) co_return false;
    co_return fail(live.error());
  }

  Cluster& cluster_;
  Kinds& kinds_;
  WorkQueue queue_;
  OwnerGraph graph_;
  std::set<std::string> waiting_;  // uids of owners whose dependents go first
};

}  // namespace

std::unique_ptr<Loop> make_garbage_loop(Cluster& cluster, Kinds& kinds) {
  return std::make_unique<GarbageLoop>(cluster, kinds);
}

}  // namespace weft::lab
