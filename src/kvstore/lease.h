// LeaseManager: the leases that a writer's keys hang on, so that they vanish when the writer does.
// Source: cilium-compat section 1.12 (TTL 15 min, at most 1000 keys a lease).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/signal.h"
#include "base/clock.h"
#include "kvstore/client.h"

namespace weft::kvstore {

class LeaseManager {
 public:
  struct Options {
    std::chrono::seconds ttl{900};
    std::size_t keys_per_lease = 1000;
  };
  /// Told which keys etcd has dropped because their lease expired (etcd lost it, or we could not renew in time).
  using Expired = std::function<void(const std::vector<std::string>& keys)>;

  LeaseManager(Client& client, Options options);
  explicit LeaseManager(Client& client) : LeaseManager(client, Options{}) {}

  /// The lease to write `key` with: its own if it has one, otherwise one with room, granted if there is none.
  Task<Result<LeaseId>> lease_for(std::string key);
  /// The key was deleted.
  void release(const std::string& key);
  void on_expired(Expired listener) { listeners_.push_back(std::move(listener)); }
  /// A write with this lease found it gone.
  void expire(LeaseId id);

  /// Renews; until cancelled.
  Task<> run();
  /// Gives the leases back: all keys on them go at once. For a writer that leaves for good.
  Task<> revoke_all();

  std::size_t leases() const { return leases_.size(); }

 private:
  struct Lease {
    std::set<std::string> keys;
    Steady::time_point renew_at;
  };
  Client& client_;
  Options options_;
  std::map<LeaseId, Lease> leases_;
  std::unordered_map<std::string, LeaseId> of_key_;
  std::vector<Expired> listeners_;
  Notifier changed_;
  bool granting_ = false;
};

}  // namespace weft::kvstore
