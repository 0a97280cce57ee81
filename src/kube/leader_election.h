// LeaderElection: one holder of a coordination.k8s.io/v1 Lease at a time, as client-go does it: a candidate takes the
// lease when it has seen no renewal for the lease's duration by its own clock, so clocks need not agree.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "async/scope.h"
#include "base/clock.h"
#include "kube/client.h"

namespace weft::kube {

struct LeaseSpec {
  std::string holder;
  std::chrono::seconds duration{15};
  Wall::time_point acquired;
  Wall::time_point renewed;
  std::int64_t transitions = 0;
  bool operator==(const LeaseSpec&) const = default;
};
LeaseSpec parse_lease(const json::object& lease);
/// Writes the spec's fields into the object; others are left as they are.
void write_lease(json::object& lease, const LeaseSpec& spec);

enum class LeaseMove { create, take, renew, wait };
/// Pure. `seen` is the lease as read last (no value: it does not exist), `seen_since` when it last looked different.
LeaseMove next_lease_move(const std::optional<LeaseSpec>& seen, Steady::time_point seen_since, Steady::time_point now,
                          const std::string& self);

class LeaderElection {
 public:
  struct Options {
    std::string ns;
    std::string name;
    std::string identity;  // of this candidate: host name and something unique
    std::chrono::seconds duration{15};
    std::chrono::milliseconds renew_deadline{10'000};  // without a renewal for this long, leading ends
    std::chrono::milliseconds retry{2'000};
  };
  /// The client's Config::timeout must be less than half of the renew deadline: a request that hangs must not outlive
  /// the lease.
  LeaderElection(Client& client, Options options);

  /// Competes until cancelled; ends after `lead` has. `lead` runs while the lease is held and is cancelled when it is
  /// lost; `lead` may end by itself, the lease is held on.
  Task<> run(std::function<Task<>()> lead);
  /// After run() was cancelled: gives the lease back, so that the next need not wait for it to expire.
  Task<> release();

  bool leading() const { return leading_; }
  const std::string& holder() const { return holder_; }

 private:
  Task<> compete(const std::function<Task<>()>& lead);
  /// True when the lease is ours after this attempt.
  Task<bool> attempt();

  Client& client_;
  Options options_;
  Scope work_;
  bool leading_ = false;
  std::string holder_;
  std::optional<LeaseSpec> seen_;
  Steady::time_point seen_since_{};
  std::string last_error_;
};

}  // namespace weft::kube
