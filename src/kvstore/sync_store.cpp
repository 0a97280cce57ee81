#include "kvstore/sync_store.h"

#include <algorithm>
#include <set>

#include "base/log.h"

namespace weft::kvstore {
namespace {
// etcd's limit is 1.5 MiB a transaction.
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
  refused_.erase(key);
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
    auto next_retry = Steady::now() + std::chrono::hours(1);
    for (auto it = refused_.begin(); it != refused_.end();) {
      if (it->second.retry_at <= Steady::now()) {
        const std::string key = it->first;
        it = refused_.erase(it);
        mark(key);
      } else {
        next_retry = std::min(next_retry, it->second.retry_at);
        ++it;
      }
    }
    const bool canary_due = canary_after_ && (queue_.empty() || queue_.begin()->first > *canary_after_);
    if (queue_.empty() && !canary_due) {
      co_await changed_.changed_since(changed_.version(), next_retry - Steady::now());
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
    if (error_ != r.error().message)
      log::warn("cannot write to the mesh store", {{"prefix", options_.prefix}, {"error", r.error().message}});
    error_ = r.error().message;
    progressed_.notify();
    if (r.error().code == Errc::conflict) co_return r;
    co_await sleep_for(backoff.next());
  }
}

const std::string& SyncStore::error() const {
  return error_.empty() && !refused_.empty() ? refused_.begin()->second.error : error_;
}

Task<Result<>> SyncStore::write_batch() {
  std::vector<std::pair<std::uint64_t, std::string>> batch;
  std::size_t bytes = 0;
  for (const auto& [sequence, key] : queue_) {
    const auto it = wanted_.find(key);
    bytes += key.size() + (it == wanted_.end() ? 0 : it->second.size());
    if (!batch.empty() && (batch.size() >= most_ops_ || bytes > kMostBytes)) break;
    batch.emplace_back(sequence, key);
  }
  std::vector<LeaseId> leases;
  for (const auto& [sequence, key] : batch) {
    LeaseId id = 0;
    if (wanted_.contains(key)) {
      std::string copy = key;
      const auto lease = co_await leases_.lease_for(std::move(copy));
      if (!lease) co_return std::unexpected(lease.error());
      id = *lease;
    }
    leases.push_back(id);
  }
  // From here to the call nothing waits, so what is written is what is wanted; what changes later queues again.
  Txn txn;
  if (singles_left_ > 0 && --singles_left_ == 0) most_ops_ = kMostOps;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& [sequence, key] = batch[i];
    const auto it = wanted_.find(key);
    if (it == wanted_.end()) {
      txn.then.push_back(Op::del(key));
    } else if (leases[i] != 0) {
      txn.then.push_back(Op::put(key, it->second, leases[i]));
    } else {
      continue;  // wanted only since we asked for leases: the next batch
    }
    queue_.erase(sequence);
    queued_.erase(key);
  }
  const auto r = co_await client_.txn(std::move(txn));
  if (r) {
    for (const auto& [sequence, key] : batch)
      if (!wanted_.contains(key)) leases_.release(key);
    co_return Result<>{};
  }
  const Errc code = r.error().code;
  if (code == Errc::not_found)  // a lease is gone; its keys, these among them, queue again
    for (const LeaseId id : std::set<LeaseId>(leases.begin(), leases.end())) leases_.expire(id);
  if (code == Errc::invalid && batch.size() == 1 && wanted_.contains(batch[0].second)) {
    log::error("etcd refuses a value", {{"key", batch[0].second}, {"error", r.error().message}});
    refused_[batch[0].second] = {Steady::now() + options_.retry_max, r.error().message};
    co_return Result<>{};  // the others shall not wait for it
  }
  // Back to their old places, so that the canary still waits for them; alone, if one of them spoils it for all.
  for (const auto& [sequence, key] : batch) requeue(key, sequence);
  if (code == Errc::invalid) {
    if (most_ops_ > 1) log::debug("writing keys one by one", {{"prefix", options_.prefix}});
    most_ops_ = 1;
    singles_left_ = batch.size();
    co_return Result<>{};
  }
  co_return std::unexpected(r.error());
}

void SyncStore::requeue(const std::string& key, std::uint64_t sequence) {
  if (const auto it = queued_.find(key); it != queued_.end()) {
    queue_.erase(it->second);
    it->second = sequence;
  } else {
    queued_.emplace(key, sequence);
  }
  queue_[sequence] = key;
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
  if (!stale.empty())
    log::info("deleting keys of an earlier life", {{"prefix", options_.prefix}, {"keys", stale.size()}});
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
