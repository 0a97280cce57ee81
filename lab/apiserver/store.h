// Store: the objects, in etcd under /registry/<group>/<plural>/[<namespace>/]<name> as JSON, and a cache of all of them
// that one etcd watch keeps true. Reads come from the cache; a write returns when the cache has it, so that who wrote
// reads what he wrote. resourceVersion is etcd's revision.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "async/signal.h"
#include "async/task.h"
#include "kvstore/client.h"
#include "lab/apiserver/status.h"

namespace weft::lab::api {

using Revision = std::int64_t;

/// An object as it is at a revision. Never changes.
struct Stored {
  std::string ns;
  std::string name;
  Revision revision = 0;
  json::value object;  // with metadata.resourceVersion
  std::string bytes;   // the same, serialised
};
using StoredPtr = std::shared_ptr<const Stored>;

/// One step of a resource's history, kept for watchers.
struct Change {
  enum class Type { added, modified, deleted };
  Type type = Type::added;
  Revision revision = 0;
  StoredPtr now;     // deleted: as it was last, at the deletion's revision
  StoredPtr before;  // added: null
  /// {"type":…,"object":…}\n, made once and shared by all watchers.
  const std::string& line() const;

 private:
  mutable std::string line_;
};

/// {"type":"ADDED","object":BYTES}\n
std::string event_line(std::string_view type, std::string_view object_bytes);

/// The objects of one resource by "namespace/name", and their recent history.
class Cache {
 public:
  explicit Cache(asio::io_context& io) : notifier(io) {}

  std::map<std::string, StoredPtr> objects;
  std::deque<std::shared_ptr<const Change>> ring;
  std::uint64_t first = 0;  // sequence number of the front of the ring
  Revision floor = 0;       // history after this revision is complete
  Notifier notifier;

  std::uint64_t end() const { return first + ring.size(); }
  /// Sequence number of the first change after `revision`.
  std::uint64_t after(Revision revision) const;
  StoredPtr get(const std::string& ns, const std::string& name) const;
};

class Store {
 public:
  Store(asio::io_context& io, kvstore::Options options, std::size_t history);

  /// Lists everything once; retries while etcd is not there.
  Task<Result<>> load();
  /// Keeps the cache true; returns with an error when the data behind the endpoint is not what it was.
  Task<Result<>> follow();
  /// Compacts etcd every five minutes, to what was five minutes before, as kube-apiserver does; runs until cancelled.
  Task<> compact();
  bool loaded() const { return loaded_; }
  /// When etcd's watch is down, writes still work but do not show: readyz.
  bool following() const { return following_; }

  asio::io_context& io() const { return client_.io(); }
  Revision revision() const { return revision_; }
  Cache& cache(const std::string& group, const std::string& plural);

  /// Errors: exists.
  Task<Answer<StoredPtr>> create(std::string group, std::string plural, std::string ns, std::string name,
                                 json::value object);
  /// Replaces exactly `old`. Errors: conflict, not_found.
  Task<Answer<StoredPtr>> update(std::string group, std::string plural, StoredPtr old, json::value object);
  Task<Answer<>> remove(std::string group, std::string plural, StoredPtr old);

  struct Page {
    std::vector<StoredPtr> objects;
    std::string next;  // key to go on from, "namespace/name"; empty: that was all
    std::int64_t remaining = 0;
  };
  /// Objects of a past revision, from `start` on. Errors: expired, when etcd has compacted it.
  Task<Answer<Page>> page(std::string group, std::string plural, std::string ns, std::string start, std::int64_t limit,
                          Revision revision);

  /// Called for each change, in order, before watchers see it.
  std::function<void(const std::string& group, const std::string& plural, const Change&)> on_change;

 private:
  struct Place {
    std::string group, plural, ns, name;
  };
  static std::string key_of(const std::string& group, const std::string& plural, const std::string& ns,
                            const std::string& name);
  static std::optional<Place> place_of(const std::string& key);
  static StoredPtr stored(const Place& at, Revision revision, json::value object);
  Task<> wait_for(Revision revision);
  void put(const Place& at, Revision revision, const std::string& value);
  void drop(const Place& at, Revision revision);
  void record(Cache& cache, const Place& at, std::shared_ptr<Change> change);

  kvstore::Client client_;
  std::size_t history_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Cache>> caches_;
  Revision revision_ = 0;
  Notifier applied_;
  bool loaded_ = false;
  bool following_ = false;
};

/// What a continue token says.
struct Continue {
  Revision revision = 0;
  std::string start;  // "namespace/name": the first that has not been sent
};
std::string encode_continue(const Continue& c);
Answer<Continue> decode_continue(const std::string& token);

}  // namespace weft::lab::api
