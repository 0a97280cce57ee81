// WatchStore: reads the keys under one prefix and keeps on reading.
//
// A list pinned to one revision, then a watch from the next one. A lost connection is resumed where it was lost; if
// etcd has compacted that revision meanwhile, everything is listed again and what vanished is reported as removed.
// Nothing is reported as removed because a connection was lost (cilium-compat sections 1.11 and 1.13).
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "kvstore/client.h"

namespace weft::kvstore {

class WatchStore {
 public:
  /// `key` is what follows the prefix.
  struct Observer {
    virtual ~Observer() = default;
    virtual void put(const std::string& key, const std::string& value) = 0;
    virtual void removed(const std::string& key) = 0;
    /// A list (the first, or one after a compaction) is complete.
    virtual void listed() = 0;
  };
  struct Options {
    std::string prefix;  // with its trailing slash
    std::int64_t first_page = 256;
    std::chrono::milliseconds retry_first{200};
    std::chrono::milliseconds retry_max{15'000};
  };
  struct Health {
    bool listed = false;     // at least once
    bool watching = false;   // right now
    std::string error;       // why not
    std::size_t keys = 0;
    std::uint64_t lists = 0;
    std::uint64_t watches = 0;  // opened so far: one more than the number of reconnections
    Wall::time_point last_event{};
  };

  WatchStore(Client& client, Observer& observer, Options options);

  /// Until cancelled, or until etcd turns out to hold another data set (Errc::conflict).
  Task<Result<>> run();
  const Health& health() const { return health_; }
  /// For a store that takes over from an earlier one (a new client for the same remote): keys that were reported by
  /// that one, so that the first list can report which have vanished.
  void adopt(const std::vector<std::string>& keys);
  /// All keys now held, without the prefix.
  std::vector<std::string> keys() const;

 private:
  Task<Result<>> list();
  Task<Result<>> watch();

  Client& client_;
  Observer& observer_;
  Options options_;
  Health health_;
  EtcdRevision revision_ = 0;                            // everything up to here was reported
  std::uint32_t generation_ = 0;                         // number of the list that saw a key
  std::unordered_map<std::string, std::uint32_t> seen_;  // key → generation
};

}  // namespace weft::kvstore
