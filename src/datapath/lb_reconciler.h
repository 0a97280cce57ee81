// LbReconciler: makes the LB maps hold what Table<Frontend> says.
//
// Wiring (the agent):
//   LbReconciler lb(io, *datapath.lb_maps(), {.cut_udp = …});
//   if (auto r = lb.adopt(); !r) …            // reads back what a previous run left; traffic flows meanwhile
//   Reconciler<Frontend> loop(frontends, lb); scope.spawn("lb", loop.run());
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "datapath/lb_maps.h"
#include "datapath/lb_plan.h"
#include "state/reconciler.h"

namespace weft {

/// A UDP backend that is gone from a frontend: connected sockets that reached it through this frontend must not
/// wait for answers any more.
struct GoneUdpBackend {
  LbEndpoint frontend;
  LbEndpoint backend;
  bool operator==(const GoneUdpBackend&) const = default;
};

class LbReconciler final : public ReconcileOps<Frontend> {
 public:
  struct Options {
    /// Called from flush() on the io_context's thread with what has gone since the last call; must not block
    /// (udp_cutter.h). Empty: sockets are left alone.
    std::function<void(std::vector<GoneUdpBackend>)> cut_udp;
  };
  /// `maps` must outlive this.
  LbReconciler(asio::io_context& io, LbMaps& maps, Options options);
  LbReconciler(asio::io_context& io, LbMaps& maps);
  ~LbReconciler() override;

  /// Reads ids and contents back from the maps. Call before the first update. Returns the number of frontends found.
  Result<std::size_t> adopt();

  /// Errors: exhausted (which map, its size, and the setting to raise), unsupported (SCTP), invalid.
  Task<Result<>> update(const Frontend& row) override;
  Task<Result<>> remove(const FrontendKey& key) override;
  Task<Result<>> prune(const Table<Frontend>& table) override;
  Task<Result<>> flush() override;

  const LbState& state() const { return state_; }
  struct Counters {
    std::uint64_t updates = 0;
    std::uint64_t writes = 0;  // map operations
    std::uint64_t failures = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Releaser;
  Result<> execute(Result<LbPlan> plan);
  void release(const LbGarbage& garbage);
  bool release_now();
  void start_release();
  void hand_over();

  LbMaps& maps_;
  Options options_;
  LbState state_;
  Counters counters_;
  std::vector<GoneUdpBackend> gone_;
  LbGarbage garbage_;
  std::shared_ptr<Releaser> releaser_;
};

}  // namespace weft
