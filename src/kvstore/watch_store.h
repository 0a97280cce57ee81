// WatchStore: reads the keys under one prefix and keeps on reading.
//
// A list pinned to one revision, then a watch from the next one. A lost connection is resumed where it was lost; if
// etcd has compacted that revision meanwhile, everything is listed again, and the observer drops what the list did not
// have. Nothing is dropped because a connection was lost (cilium-compat sections 1.11 and 1.13). The store keeps no
// keys of its own: the observer has them already.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "kvstore/client.h"

namespace weft::kvstore {

class WatchStore {
 public:
  /// `key` is what follows the prefix.
  struct Observer {
    virtual ~Observer() = default;
    /// A list begins. It may break off; then another begins.
    virtual void begin_list() {}
    virtual void put(const std::string& key, const std::string& value) = 0;
    /// May name a key that was never put.
    virtual void removed(const std::string& key) = 0;
    /// The list is complete: what was not put since begin_list() is not there.
    virtual void listed() = 0;
  };
  struct Options {
    std::string prefix;  // with its trailing slash
    std::int64_t first_page = 256;
    std::chrono::milliseconds retry_first{200};
    std::chrono::milliseconds retry_max{15'000};
  };
  struct Health {
    bool listed = false;    // at least once
    bool watching = false;  // right now
    std::string error;      // why not
    std::uint64_t lists = 0;
    std::uint64_t watches = 0;  // opened so far: one more than the number of reconnections
    Wall::time_point last_event{};
  };

  WatchStore(Client& client, Observer& observer, Options options);

  /// Until cancelled, or until etcd turns out to hold another data set (Errc::conflict).
  Task<Result<>> run();
  const Health& health() const { return health_; }

 private:
  Task<Result<>> list();
  Task<Result<>> watch();

  Client& client_;
  Observer& observer_;
  Options options_;
  Health health_;
  EtcdRevision revision_ = 0;  // everything up to here was reported
};

}  // namespace weft::kvstore
