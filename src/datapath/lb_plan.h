// What to write into the LB maps, in which order. Pure: rows in, writes out; no kernel, no clock.
//
// The rule that every plan keeps: after each single write a client of a service that had a backend before and has
// one afterwards finds a live backend. Hence backends before the slots that name them, slots before the choice that
// reaches them, and nothing that a reader may still hold is given to somebody else before a grace period (LbGarbage).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "datapath/id_allocator.h"
#include "datapath/lb_maps.h"
#include "model/frontend.h"

namespace weft {

/// What nobody is led to any more, but a program that started earlier may still read.
struct LbGarbage {
  std::vector<std::uint32_t> backends;
  std::vector<std::uint32_t> services;
  std::vector<SlotRange> ranges;
  bool empty() const { return backends.empty() && services.empty() && ranges.empty(); }
  void add(LbGarbage&& more);
};

/// A backend of a service; `member` is its lb_member_state, 0 when the service keeps no members.
struct LbHeld {
  std::uint32_t id = 0;
  std::uint8_t member = 0;
};

/// A frontend as the planner remembers it.
struct LbServiceState {
  std::uint32_t id = 0;
  LbChoice choice;
  SlotRange range;  // no slots: range.count() == 0
  std::uint32_t affinity_seconds = 0;
  std::vector<std::uint32_t> slots;  // backend ids, as in the map
  // Every backend this service holds a reference to, sorted by id.
  std::vector<LbHeld> held;
  // UDP: every backend address of the row, also those held back, to tell what has gone. Sorted.
  std::vector<SocketAddress> known;
};

struct LbPlan {
  LbEndpoint frontend;
  std::vector<LbWrite> writes;
  std::vector<LbWrite> undo;         // if a write failed; those that can fail come before those that clients see
  LbGarbage garbage;                 // after success
  LbGarbage fresh;                   // allocated for this plan: given back if it failed
  std::vector<LbEndpoint> gone_udp;  // backends that connected UDP sockets must not wait for any more
  bool removes = false;
  LbServiceState next;
};

class LbState {
 public:
  explicit LbState(const LbSizes& sizes);

  /// Exactly one of commit and abort must follow each plan.
  /// Errors: unsupported (not TCP or UDP), invalid, exhausted (naming the map).
  Result<LbPlan> plan_update(const Frontend& row);
  /// An unknown key gives an empty plan.
  LbPlan plan_remove(const LbEndpoint& frontend);
  /// Completes plan.garbage with the backends that nobody holds any more.
  void commit(LbPlan& plan);
  void abort(LbPlan&& plan);
  /// After the grace period: the ids and ranges may be used again. Returns writes that blank them for readers of dumps.
  std::vector<LbWrite> release(const LbGarbage& garbage);

  /// Takes over what is in the maps. Returns writes that remove what makes no sense (a run that died half-way).
  /// Only on an empty state.
  Result<std::vector<LbWrite>> adopt(const LbMaps& maps);

  /// Other clusters' backends as they stand in the maps, a backend of several clusters being whose it was first. Right
  /// after adopt(): what an earlier run left.
  InheritedBackends remote_backends() const;

  const std::map<LbEndpoint, LbServiceState>& services() const { return services_; }
  std::size_t backends() const { return backend_ids_.used(); }
  std::uint32_t slots_used() const { return ranges_.used(); }

 private:
  struct HeldBackend {
    LbEndpoint endpoint;
    ClusterTag cluster = 0;
    std::uint32_t refs = 0;
  };
  using Clusters = std::map<SocketAddress, ClusterTag>;  // of remote backends
  struct Hash {
    std::size_t operator()(const LbEndpoint& e) const noexcept;
  };

  Result<std::uint32_t> backend_id(const LbEndpoint& e, const Clusters& clusters, LbPlan& plan);
  Result<SlotRange> new_range(std::uint32_t slots, LbPlan& plan);
  Result<> plan_random(LbPlan& plan, const LbServiceState* old, const std::vector<std::uint32_t>& chosen);
  Result<> plan_maglev(LbPlan& plan, const LbServiceState* old, const std::vector<std::uint32_t>& chosen);
  Result<> fill(const Frontend& row, LbPlan& plan);
  void add_reserve(const Frontend& row, const Clusters& clusters, const LbServiceState* old, LbPlan& plan);
  void hold(std::uint32_t id, const HeldBackend* found = nullptr);
  bool drop(std::uint32_t id);

  LbSizes sizes_;
  std::map<LbEndpoint, LbServiceState> services_;
  std::uint32_t reserved_ = 0;  // of all services' held backends, those in reserve
  std::unordered_map<LbEndpoint, std::uint32_t, Hash> by_endpoint_;
  std::vector<HeldBackend> backends_;  // by id
  IdAllocator service_ids_;
  IdAllocator backend_ids_;
  RangeAllocator ranges_;
};

}  // namespace weft
