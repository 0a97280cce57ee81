// Reconciler: makes something outside match a table, and keeps it so.
//
// One loop for BPF maps, kernel routes and etcd keys: apply what changed, retry what failed with back-off,
// prune what no row asks for once the table is initialized. Errors stay here, where something can be done.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "async/backoff.h"
#include "async/scope.h"
#include "base/clock.h"
#include "base/log.h"
#include "state/table.h"

namespace weft {

/// What a Reconciler calls. Each call is idempotent: the same row twice is the same world.
template <class Row>
struct ReconcileOps {
  virtual ~ReconcileOps() = default;
  virtual Task<Result<>> update(const Row& row) = 0;
  /// Already absent is success.
  virtual Task<Result<>> remove(const typename Row::Key& key) = 0;
  /// Drops whatever outside is not asked for by a row of the table. Called once after initialization and then
  /// every `full_every`.
  virtual Task<Result<>> prune(const Table<Row>& table) = 0;
  /// Called after a batch of updates and removes, before errors are counted: the place to flush.
  virtual Task<Result<>> flush() { co_return Result<>{}; }
};

/// Where a row stands. Rows absent from the error map are done.
struct ReconcileHealth {
  Revision applied = 0;                       // everything up to this revision was tried
  std::map<std::string, std::string> errors;  // key as text → why, and when it is tried again
  bool pruned = false;                        // the first prune succeeded
};

template <class Row>
class Reconciler {
 public:
  using Key = typename Row::Key;
  struct Options {
    std::chrono::milliseconds retry_first{50};
    std::chrono::milliseconds retry_max{30'000};
    std::chrono::milliseconds full_every{300'000};
    std::size_t batch = 4096;
  };

  Reconciler(Table<Row>& table, ReconcileOps<Row>& ops, Options options)
      : table_(table), ops_(ops), options_(options) {}
  Reconciler(Table<Row>& table, ReconcileOps<Row>& ops) : Reconciler(table, ops, Options{}) {}

  Task<> run() {
    typename Table<Row>::Stream changes(table_);
    auto next_full = Steady::now();
    for (;;) {
      const auto batch = changes.next(options_.batch);
      for (const auto& change : batch) co_await apply(change.key, change.row);
      for (const auto& key : due()) co_await apply(key, table_.get(key));
      if (auto r = co_await ops_.flush(); !r)
        log::warn("flush failed", {{"table", table_.name()}, {"error", r.error().message}});
      if (!changes.pending()) health_.applied = changes.seen();
      if (!changes.pending() && table_.initialized() && Steady::now() >= next_full) {
        if (auto r = co_await ops_.prune(table_); r) {
          health_.pruned = true;
          next_full = Steady::now() + options_.full_every;
        } else {
          log::warn("prune failed", {{"table", table_.name()}, {"error", r.error().message}});
          next_full = Steady::now() + options_.retry_first * 20;
        }
        done_.notify();
      }
      if (!batch.empty()) done_.notify();
      if (changes.pending()) continue;
      const auto seen = table_.notifier().version();
      if (changes.pending()) continue;
      co_await table_.notifier().changed_since(seen, wait_limit(next_full));
    }
  }

  const ReconcileHealth& health() const { return health_; }
  /// True when every change so far was applied without error.
  bool settled() const { return health_.applied >= table_.revision() && retries_.empty(); }

 private:
  struct Retry {
    Backoff backoff;
    Steady::time_point due;
  };

  Task<> apply(Key key, std::shared_ptr<const Row> row) {
    Result<> r;
    if (row) {
      r = co_await ops_.update(*row);
    } else {
      r = co_await ops_.remove(key);
    }
    if (r) {
      retries_.erase(key);
      health_.errors.erase(key_text(key));
      co_return;
    }
    auto [it, fresh] = retries_.try_emplace(key, Retry{Backoff(options_.retry_first, options_.retry_max), {}});
    const auto wait = it->second.backoff.next();
    it->second.due = Steady::now() + wait;
    if (fresh)
      log::warn("reconcile failed", {{"table", table_.name()}, {"key", key_text(key)}, {"error", r.error().message}});
    health_.errors[key_text(key)] = r.error().message;
  }

  std::vector<Key> due() const {
    std::vector<Key> out;
    const auto now = Steady::now();
    for (const auto& [key, retry] : retries_)
      if (retry.due <= now) out.push_back(key);
    return out;
  }

  std::chrono::nanoseconds wait_limit(Steady::time_point next_full) const {
    auto until = table_.initialized() ? next_full : Steady::now() + options_.full_every;
    for (const auto& [key, retry] : retries_) until = std::min(until, retry.due);
    return std::max<std::chrono::nanoseconds>(until - Steady::now(), std::chrono::milliseconds(1));
  }

  static std::string key_text(const Key& key) {
    if constexpr (requires { to_string(key); }) {
      return std::string(to_string(key));
    } else if constexpr (requires { key.to_string(); }) {
      return key.to_string();
    } else {
      return fmt::format("{}", key);
    }
  }

  Table<Row>& table_;
  ReconcileOps<Row>& ops_;
  Options options_;
  ReconcileHealth health_;
  std::map<Key, Retry> retries_;
  Notifier done_{table_.notifier().io()};

 public:
  /// Wakes after each batch: tests and `api` wait on it instead of sleeping.
  Notifier& progressed() { return done_; }
};

}  // namespace weft
