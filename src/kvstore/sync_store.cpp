#include "kvstore/sync_store.h"

#include <algorithm>

#include "base/log.h"

namespace weft::kvstore {
namespace {
// etcd's limits are 128 operations and 1.5 MiB a transaction.
constexpr std::size_t kMostOps = 100;
constexpr std::size_t kMostBytes = 512 * 1024;
}  // namespace

SyncStore::SyncStore(Client& client, LeaseManager& leases, Options options)
    : client_(client), leases_(leases), options_(std::move(options)), changed_(client.io()), progressed_(client.io()) {
  leases_.on_expired([this](const std::vector<std::string>& keys) {
    bool ours = false;
    for (const auto& k : keys) {
      if (!wanted_.contains(k) && k != options_.canary) continue;
      ours = true;
      if (k != options_.canary) mark(k);
    }
    if (ours && (canary_written_ || canary_after_)) {
      canary_written_ = false;
      canary_after_ = sequence_;
      changed_.notify();
    }
  });
}

void SyncStore::mark(const std::string& key) {
  if (queued_.contains(key)) return;
  queue_.emplace(++sequence_, key);
  queued_.emplace(key, sequence_);
  changed_.notify();
}

void SyncStore::upsert(const std::string& key, std::string value) {
  const std::string full = options_.prefix + key;
  const auto [it, fresh] = wanted_.try_emplace(full, value);
  if (!fresh) {
    if (it->second == value) return;
    it->second = std::move(value);
  }
  mark(full);
}

void SyncStore::remove(const std::string& key) {
  const std::string full = options_.prefix + key;
  if (wanted_.erase(full) > 0) mark(full);
}

void SyncStore::synced() {
  if (canary_after_ || canary_written_) return;
  canary_after_ = sequence_;
  changed_.notify();
}

Task<Result<>> SyncStore::run() {
  Backoff backoff(options_.retry_first, options_.retry_max);
  for (;;) {
    const bool canary_due = canary_after_ && (queue_.empty() || queue_.begin()->first > *canary_after_);
    if (queue_.empty() && !canary_due) {
      co_await changed_.changed_since(changed_.version());
      continue;
    }
    Result<> r;
    if (canary_due && !pruned_) {
      r = co_await prune();
    } else if (canary_due) {
      r = co_await write_canary();
    } else {
      r = co_await write_batch();
    }
    if (r) {
      error_.clear();
      backoff.reset();
      progressed_.notify();
      continue;
    }
    if (error_ != r.error().message) log::warn("cannot write to the mesh store", {{"prefix", options_.prefix}, {"error", r.error().message}});
    error_ = r.error().message;
    progressed_.notify();
    if (r.error().code == Errc::conflict) co_return r;
    co_await sleep_for(backoff.next());
  }
}

Task<Result<>> SyncStore::write_batch() {
  std::vector<std::pair<std::uint64_t, std::string>> batch;
  std::size_t bytes = 0;
  for (const auto& [sequence, key] : queue_) {
    const auto it = wanted_.find(key);
    bytes += key.size() + (it == wanted_.end() ? 0 : it->second.size());
    if (!batch.empty() && (batch.size() >= kMostOps || bytes > kMostBytes)) break;
    batch.emplace_back(sequence, key);
  }
  if (batch.size() == 1) {
    std::string key = batch[0].second;
    const Result<> r = co_await write_one(std::move(key));
    co_return r;
  }
  Txn txn;
  for (const auto& [sequence, key] : batch) {
    if (!wanted_.contains(key)) {
      txn.then.push_back(Op::del(key));
      continue;
    }
    std::string copy = key;
    const auto lease = co_await leases_.lease_for(std::move(copy));
    if (!lease) co_return std::unexpected(lease.error());
    const auto it = wanted_.find(key);  // may have changed while we waited for the lease
    txn.then.push_back(it == wanted_.end() ? Op::del(key) : Op::put(key, it->second, *lease));
  }
  // What changes from here on is not in this transaction and must queue again.
  for (const auto& [sequence, key] : batch) {
    queue_.erase(sequence);
    queued_.erase(key);
  }
  std::map<std::string, LeaseId> used;
  for (const auto& op : txn.then) used[op.key] = op.lease;
  const auto r = co_await client_.txn(std::move(txn));
  Result<> outcome;
  if (!r) {
    outcome = std::unexpected(r.error());
    // One key spoils the whole batch: find out which by writing them one by one.
    const bool one_is_bad = r.error().code == Errc::invalid || r.error().code == Errc::not_found || r.error().code == Errc::exhausted;
    for (const auto& [sequence, key] : batch) {
      if (!one_is_bad) {
        finished(key, sequence, outcome);
        continue;
      }
      std::string copy = key;
      const Result<> single = co_await write_one(std::move(copy));
      if (!single) finished(key, sequence, single);
    }
    co_return outcome;
  }
  for (const auto& [key, lease] : used)
    if (lease == 0 && !wanted_.contains(key)) leases_.release(key);
  co_return outcome;
}

// Puts a key back in the queue, at its old place so that the canary still waits for it.
void SyncStore::finished(const std::string& key, std::uint64_t sequence, const Result<>& result) {
  if (result) return;
  if (const auto it = queued_.find(key); it != queued_.end()) {
    queue_.erase(it->second);
    it->second = sequence;
  } else {
    queued_.emplace(key, sequence);
  }
  queue_[sequence] = key;
}

Task<Result<>> SyncStore::write_one(std::string key) {
  std::optional<std::uint64_t> sequence;
  if (wanted_.contains(key)) {
    std::string copy = key;
    const auto lease = co_await leases_.lease_for(std::move(copy));
    if (!lease) co_return std::unexpected(lease.error());
    if (const auto it = queued_.find(key); it != queued_.end()) {
      sequence = it->second;
      queue_.erase(it->second);
      queued_.erase(it);
    }
    if (const auto it = wanted_.find(key); it != wanted_.end()) {
      std::string name = key, value = it->second;
      const auto r = co_await client_.put(std::move(name), std::move(value), *lease);
      if (!r) {
        if (r.error().code == Errc::not_found) leases_.expire(*lease);
        const Result<> failed = std::unexpected(r.error());
        finished(key, sequence.value_or(++sequence_), failed);
        co_return failed;
      }
      co_return Result<>{};
    }
  } else if (const auto it = queued_.find(key); it != queued_.end()) {
    sequence = it->second;
    queue_.erase(it->second);
    queued_.erase(it);
  }
  std::string name = key;
  const auto r = co_await client_.del(std::move(name));
  if (!r) {
    const Result<> failed = std::unexpected(r.error());
    finished(key, sequence.value_or(++sequence_), failed);
    co_return failed;
  }
  if (!wanted_.contains(key)) leases_.release(key);
  co_return Result<>{};
}

Task<Result<>> SyncStore::prune() {
  RangeRequest request = RangeRequest::prefix(options_.prefix);
  request.keys_only = true;
  std::vector<std::string> stale;
  std::function<void(std::vector<KeyValue>)> page = [&](std::vector<KeyValue> kvs) {
    for (auto& kv : kvs)
      if (!wanted_.contains(kv.key) && !queued_.contains(kv.key)) stale.push_back(std::move(kv.key));
  };
  const auto r = co_await client_.list(std::move(request), page, 1024);
  if (!r) co_return std::unexpected(r.error());
  if (!stale.empty()) log::info("deleting keys of an earlier life", {{"prefix", options_.prefix}, {"keys", stale.size()}});
  for (const auto& k : stale)
    if (!wanted_.contains(k)) mark(k);
  // The canary waits for these, too.
  canary_after_ = sequence_;
  pruned_ = true;
  co_return Result<>{};
}

Task<Result<>> SyncStore::write_canary() {
  const auto after = *canary_after_;
  if (!options_.canary.empty()) {
    std::string key = options_.canary;
    const auto lease = co_await leases_.lease_for(std::move(key));
    if (!lease) co_return std::unexpected(lease.error());
    std::string name = options_.canary, value = rfc3339(Wall::now());
    const auto r = co_await client_.put(std::move(name), std::move(value), *lease);
    if (!r) {
      if (r.error().code == Errc::not_found) leases_.expire(*lease);
      co_return std::unexpected(r.error());
    }
  }
  if (canary_after_ == after) {
    canary_after_.reset();
    canary_written_ = true;
  }
  co_return Result<>{};
}

}  // namespace weft::kvstore
