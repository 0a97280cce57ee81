#include "datapath/lb_reconciler.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/log.h"

namespace weft {

// Waits for the kernel's readers on a thread of its own and hands the garbage back to the io_context.
struct LbReconciler::Releaser {
  Releaser(asio::io_context& loop, LbReconciler& r) : io(loop), owner(&r) {}
  asio::io_context& io;
  LbReconciler* owner;  // null once the reconciler is gone
  bool waiting = false;
  LbGarbage held;  // what the thread waits for
  asio::thread_pool pool{1};

  static void start(const std::shared_ptr<Releaser>& self, LbGarbage garbage) {
    self->waiting = true;
    self->held = std::move(garbage);
    asio::post(self->pool, [self, maps = &self->owner->maps_, work = asio::make_work_guard(self->io)] {
      maps->wait_readers();
      asio::post(self->io, [self] {
        self->waiting = false;
        if (!self->owner) return;
        self->owner->release(std::exchange(self->held, {}));
        self->owner->start_release();  // what has come together meanwhile
      });
    });
  }
};

LbReconciler::LbReconciler(asio::io_context& io, LbMaps& maps, Options options)
    : maps_(maps),
      options_(std::move(options)),
      state_(maps.sizes()),
      releaser_(std::make_shared<Releaser>(io, *this)) {}

LbReconciler::LbReconciler(asio::io_context& io, LbMaps& maps) : LbReconciler(io, maps, Options{}) {}

LbReconciler::~LbReconciler() {
  releaser_->pool.join();
  releaser_->owner = nullptr;
}

Result<std::size_t> LbReconciler::adopt() {
  const auto repairs = state_.adopt(maps_);
  if (!repairs) return fail(repairs.error());
  WEFT_TRY(maps_.apply(*repairs));
  if (!repairs->empty()) log::info("removed incomplete entries from the LB maps", {{"entries", repairs->size()}});
  return state_.services().size();
}

Result<> LbReconciler::execute(Result<LbPlan> planned) {
  if (!planned) {
    ++counters_.failures;
    return fail(std::move(planned).error());
  }
  LbPlan plan = std::move(*planned);
  if (auto r = maps_.apply(plan.writes); !r) {
    ++counters_.failures;
    if (auto u = maps_.apply(plan.undo); !u) log::warn("cannot undo LB map writes", {{"error", u.error().message}});
    const std::string name = plan.frontend.to_string();
    state_.abort(std::move(plan));
    return fail(r.error().in("frontend " + name));
  }
  ++counters_.updates;
  counters_.writes += plan.writes.size();
  if (options_.cut_udp)
    for (const LbEndpoint& backend : plan.gone_udp) gone_.push_back({plan.frontend, backend});
  LbGarbage garbage;
  state_.commit(plan);
  garbage = std::move(plan.garbage);
  garbage_.add(std::move(garbage));
  return {};
}

void LbReconciler::release(const LbGarbage& garbage) {
  const auto writes = state_.release(garbage);
  if (auto r = maps_.apply(writes); !r) log::warn("cannot clear unused LB map entries", {{"error", r.error().message}});
}

// When a map looks full while something waits to be given back: wait here and now. Rare, and better than refusing.
bool LbReconciler::release_now() {
  LbGarbage all = std::exchange(garbage_, {});
  all.add(std::exchange(releaser_->held, {}));
  if (all.empty()) return false;
  maps_.wait_readers();
  release(all);
  return true;
}

Task<Result<>> LbReconciler::update(const Frontend& row) {
  auto plan = state_.plan_update(row);
  if (!plan && plan.error().code == Errc::exhausted && release_now()) plan = state_.plan_update(row);
  co_return execute(std::move(plan));
}

Task<Result<>> LbReconciler::remove(const FrontendKey& key) { co_return execute(state_.plan_remove(key)); }

Task<Result<>> LbReconciler::prune(const Table<Frontend>& table) {
  std::vector<LbEndpoint> extra;
  for (const auto& [frontend, service] : state_.services())
    if (!table.contains(frontend)) extra.push_back(frontend);
  for (const LbEndpoint& frontend : extra) WEFT_CO_TRY(execute(state_.plan_remove(frontend)));
  if (!extra.empty()) log::info("pruned frontends that no row asks for", {{"frontends", extra.size()}});
  hand_over();  // the next flush() may be minutes away
  co_return maps_.activate();
}

Task<Result<>> LbReconciler::flush() {
  hand_over();
  co_return Result<>{};
}

void LbReconciler::hand_over() {
  if (!gone_.empty()) options_.cut_udp(std::exchange(gone_, {}));
  start_release();
}

void LbReconciler::start_release() {
  if (!garbage_.empty() && !releaser_->waiting) Releaser::start(releaser_, std::exchange(garbage_, {}));
}

}  // namespace weft
