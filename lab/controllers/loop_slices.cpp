// EndpointSlices of Services with selectors.
#include "lab/controllers/endpointslices.h"
#include "lab/controllers/loops.h"
#include "lab/controllers/queue.h"
#include "lab/controllers/selector.h"

namespace weft::lab {
namespace {

class SliceLoop final : public Loop {
 public:
  explicit SliceLoop(Cluster& cluster)
      : cluster_(cluster),
        services_(cluster.informer(kube::kServices)),
        pods_(cluster.informer(kube::kPods)),
        nodes_(cluster.informer(kube::kNodes)),
        slices_(cluster.informer(kube::kEndpointSlices)),
        queue_(cluster.io(), "endpointslice") {}

  void start(Scope& scope) override {
    cluster_.on_change(scope, services_,
                       [this](const ObjectName& name, const ObjectPtr&, const ObjectPtr&) { queue_.add(name); });
    cluster_.on_change(scope, pods_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      const Labels was = before ? string_map(**before, "metadata/labels") : Labels{};
      const Labels is = now ? string_map(**now, "metadata/labels") : Labels{};
      for (const auto& s : services_.in(name.ns)) {
        const Labels selector = string_map(**s, "spec/selector");
        if (selects_all_of(selector, was) || selects_all_of(selector, is)) queue_.add(s->name);
      }
    });
    // Somebody changed or removed a slice of ours.
    cluster_.on_change(scope, slices_, [this](const ObjectName& name, const ObjectPtr& before, const ObjectPtr& now) {
      for (const auto& o : {before, now})
        if (o && label(**o, "endpointslice.kubernetes.io/managed-by") == kSliceManager)
          queue_.add({name.ns, label(**o, "kubernetes.io/service-name")});
    });
    cluster_.on_change(scope, nodes_, [this](const ObjectName&, const ObjectPtr& before, const ObjectPtr& now) {
      const auto zone = [](const ObjectPtr& n) {
        return n ? label(**n, "topology.kubernetes.io/zone") : std::string();
      };
      if (zone(before) == zone(now)) return;
      for (const auto& s : services_.in("")) queue_.add(s->name);
    });
    queue_.start(scope, 4, [this](ObjectName name) { return sync(std::move(name)); });
  }

 private:
  Task<Result<>> sync(ObjectName name) {
    const ObjectPtr service = services_.get(name);
    if (cluster_.ending(name.ns)) co_return Result<>{};
    if (!service) co_return co_await clear(std::move(name));
    SlicePlan plan = plan_slices(**service, pods_.in(name.ns), nodes_.in(""), slices_.in(name.ns));
    // Updates before removals, so that an endpoint that moves is never in no slice.
    for (auto& s : plan.create) {
      auto r = co_await cluster_.create(kube::kEndpointSlices, std::move(s));
      if (!r) co_return fail(r.error());
    }
    for (auto& s : plan.update) {
      auto r = co_await cluster_.update(kube::kEndpointSlices, std::move(s));
      if (!r) co_return fail(r.error());
    }
    for (const auto& s : plan.remove) {
      auto r = co_await cluster_.remove(kube::kEndpointSlices, s);
      if (!r) co_return r;
    }
    co_return Result<>{};
  }

  // The collector would find them by their owner as well; a name that is used again at once should not wait for it.
  Task<Result<>> clear(ObjectName service) {
    for (const auto& s : slices_.in(service.ns)) {
      if (label(**s, "kubernetes.io/service-name") != service.name ||
          label(**s, "endpointslice.kubernetes.io/managed-by") != kSliceManager || deleting(**s))
        continue;
      auto r = co_await cluster_.remove(kube::kEndpointSlices, s);
      if (!r) co_return r;
    }
    co_return Result<>{};
  }

  Cluster& cluster_;
  Informer& services_;
  Informer& pods_;
  Informer& nodes_;
  Informer& slices_;
  WorkQueue queue_;
};

}  // namespace

std::unique_ptr<Loop> make_slice_loop(Cluster& cluster) { return std::make_unique<SliceLoop>(cluster); }

}  // namespace weft::lab
