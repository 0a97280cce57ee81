#include "kvstore/lease.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace weft::kvstore {

LeaseManager::LeaseManager(Client& client, Options options)
    : client_(client), options_(options), changed_(client.io()) {}

Task<Result<LeaseId>> LeaseManager::lease_for(std::string key) {
  for (;;) {
    if (const auto it = of_key_.find(key); it != of_key_.end()) co_return it->second;
    const auto room = std::find_if(leases_.begin(), leases_.end(),
                                   [&](const auto& l) { return l.second.keys.size() < options_.keys_per_lease; });
    if (room != leases_.end()) {
      room->second.keys.insert(key);
      of_key_[key] = room->first;
      co_return room->first;
    }
    if (granting_) {
      co_await changed_.changed_since(changed_.version());
      continue;
    }
    granting_ = true;
    struct Done {
      LeaseManager& m;
      ~Done() { m.granting_ = false, m.changed_.notify(); }
    } done{*this};
    const auto granted = co_await client_.lease_grant(options_.ttl);
    if (!granted) co_return std::unexpected(granted.error());
    leases_[granted->id].renew_at = Steady::now() + options_.ttl / 3;
  }
}

void LeaseManager::release(const std::string& key) {
  const auto it = of_key_.find(key);
  if (it == of_key_.end()) return;
  leases_[it->second].keys.erase(key);
  of_key_.erase(it);
}

void LeaseManager::expire(LeaseId id) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  const std::vector<std::string> keys(it->second.keys.begin(), it->second.keys.end());
  leases_.erase(it);
  for (const auto& k : keys) of_key_.erase(k);
  log::warn("lease expired, writing its keys again", {{"lease", fmt::format("{:x}", id)}, {"keys", keys.size()}});
  for (const auto& l : listeners_) l(keys);
}

Task<> LeaseManager::run() {
  for (;;) {
    auto next = Steady::now() + options_.ttl / 3;
    for (const auto& [id, lease] : leases_) next = std::min(next, lease.renew_at);
    if (const auto wait = next - Steady::now(); wait > Steady::duration::zero()) {
      co_await changed_.changed_since(changed_.version(), wait);
      continue;
    }
    std::vector<LeaseId> due;
    for (const auto& [id, lease] : leases_)
      if (lease.renew_at <= Steady::now()) due.push_back(id);
    for (const LeaseId id : due) {
      const auto ttl = co_await client_.lease_keepalive(id);
      const auto it = leases_.find(id);
      if (it == leases_.end()) continue;
      if (ttl) {
        it->second.renew_at = Steady::now() + options_.ttl / 3;
      } else if (ttl.error().code == Errc::not_found) {
        expire(id);
      } else {
        log::warn("cannot renew a lease", {{"lease", fmt::format("{:x}", id)}, {"error", ttl.error().message}});
        it->second.renew_at = Steady::now() + std::min<Steady::duration>(options_.ttl / 30, std::chrono::seconds(5)) +
                              std::chrono::milliseconds(100);
      }
    }
  }
}

Task<> LeaseManager::revoke_all() {
  while (!leases_.empty()) {
    const LeaseId id = leases_.begin()->first;
    leases_.erase(leases_.begin());
    (void)co_await client_.lease_revoke(id);
  }
  of_key_.clear();
}

}  // namespace weft::kvstore
