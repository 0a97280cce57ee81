// SyncStore: makes the keys under one prefix be what its owner wants, and keeps them so.
//
// upsert() and remove() only note the wish; run() writes in order, many keys in a transaction when many wait, and
// tries again what failed. When the owner has said synced(), and all that was wanted until then is written, keys under
// the prefix that nobody wants (left by an earlier life) are deleted and the canary is written
// (cilium-compat section 1.10). A lease that expires has its keys written again, then the canary.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "async/backoff.h"
#include "base/clock.h"
#include "kvstore/client.h"
#include "kvstore/lease.h"

namespace weft::kvstore {

class SyncStore {
 public:
  struct Options {
    std::string prefix;  // with its trailing slash
    std::string canary;  // key of the canary; empty: none
    std::chrono::milliseconds retry_first{100};
    std::chrono::milliseconds retry_max{30'000};
  };

  SyncStore(Client& client, LeaseManager& leases, Options options);
  SyncStore(const SyncStore&) = delete;

  /// `key` is what follows the prefix. Wishing what is wished already does nothing.
  void upsert(const std::string& key, std::string value);
  void remove(const std::string& key);
  /// The first list is complete.
  void synced();

  /// Until cancelled, or until etcd turns out to hold another data set (Errc::conflict).
  Task<Result<>> run();

  std::size_t wanted() const { return wanted_.size(); }
  std::size_t waiting() const { return queue_.size(); }
  bool canary_written() const { return canary_written_; }
  /// Why the last attempt failed; empty while all is well.
  const std::string& error() const;
  const std::string& prefix() const { return options_.prefix; }
  /// Wakes after every attempt to write.
  Notifier& progressed() { return progressed_; }

 private:
  void mark(const std::string& full_key);
  Task<Result<>> write_batch();
  Task<Result<>> prune();
  Task<Result<>> write_canary();
  void requeue(const std::string& key, std::uint64_t sequence);

  struct Refused {
    Steady::time_point retry_at;
    std::string error;
  };
  static constexpr std::size_t kMostOps = 100;  // etcd's limit is 128 in a transaction

  Client& client_;
  LeaseManager& leases_;
  Options options_;
  std::unordered_map<std::string, std::string> wanted_;  // full key → value
  std::map<std::uint64_t, std::string> queue_;           // by when it was asked for → full key
  std::unordered_map<std::string, std::uint64_t> queued_;
  std::map<std::string, Refused> refused_;  // for their own sake: too large. The canary does not wait for them.
  std::size_t most_ops_ = kMostOps;
  std::size_t singles_left_ = 0;
  std::uint64_t sequence_ = 0;
  std::optional<std::uint64_t> canary_after_;  // due once everything up to here is written
  bool pruned_ = false;
  bool canary_written_ = false;
  std::string error_;
  Notifier changed_;
  Notifier progressed_;
};

}  // namespace weft::kvstore
