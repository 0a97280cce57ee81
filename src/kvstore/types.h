// What etcd v3 stores and answers, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::kvstore {

/// etcd's logical clock: one step per write transaction. 0 means "now" or "none".
using EtcdRevision = std::int64_t;
using LeaseId = std::int64_t;

struct KeyValue {
  std::string key;
  std::string value;
  EtcdRevision create_revision = 0;
  EtcdRevision mod_revision = 0;
  std::int64_t version = 0;  // 1 after creation
  LeaseId lease = 0;
  bool operator==(const KeyValue&) const = default;
};

/// The end of the range that holds every key starting with `prefix`: [prefix, prefix_end(prefix)).
std::string prefix_end(std::string_view prefix);

/// [key, end); an empty end means the one key.
struct RangeRequest {
  std::string key;
  std::string end;
  std::int64_t limit = 0;  // 0: no limit
  EtcdRevision revision = 0;
  bool keys_only = false;
  bool count_only = false;
  bool serializable = false;  // answered by the member reached, without asking the others
  static RangeRequest prefix(std::string_view p) { return {std::string(p), prefix_end(p)}; }
};

struct RangeResult {
  std::vector<KeyValue> kvs;  // in key order
  bool more = false;          // the limit cut it short
  std::int64_t count = 0;     // of the whole range
  EtcdRevision revision = 0;  // of the store when it answered
};

struct PutResult {
  EtcdRevision revision = 0;
};

struct DeleteResult {
  std::int64_t deleted = 0;
  EtcdRevision revision = 0;
};

/// A condition of a transaction. A key that does not exist has revision and version 0.
struct Compare {
  enum class Target { version, create_revision, mod_revision, value, lease };
  enum class Relation { equal, greater, less, not_equal };
  std::string key;
  Target target = Target::mod_revision;
  Relation relation = Relation::equal;
  std::int64_t number = 0;
  std::string text;  // for Target::value

  static Compare mod_revision_is(std::string key, EtcdRevision r) {
    return {std::move(key), Target::mod_revision, Relation::equal, r, {}};
  }
  static Compare absent(std::string key) { return {std::move(key), Target::create_revision, Relation::equal, 0, {}}; }
  static Compare exists(std::string key) { return {std::move(key), Target::create_revision, Relation::greater, 0, {}}; }
  static Compare value_is(std::string key, std::string v) {
    return {std::move(key), Target::value, Relation::equal, 0, std::move(v)};
  }
};

/// One step of a transaction.
struct Op {
  enum class Kind { get, put, del };
  Kind kind = Kind::get;
  std::string key;
  std::string end;  // get and del: a range
  std::string value;
  LeaseId lease = 0;
  bool prev_kv = false;  // put and del: answer with what was there

  static Op get(std::string key, std::string end = {}) {
    return {Kind::get, std::move(key), std::move(end), {}, 0, false};
  }
  static Op put(std::string key, std::string value, LeaseId lease = 0, bool prev = false) {
    return {Kind::put, std::move(key), {}, std::move(value), lease, prev};
  }
  static Op del(std::string key, std::string end = {}, bool prev = false) {
    return {Kind::del, std::move(key), std::move(end), {}, 0, prev};
  }
};

struct Txn {
  std::vector<Compare> when;
  std::vector<Op> then;
  std::vector<Op> otherwise;
};

struct OpResult {
  std::vector<KeyValue> kvs;  // get: what is there; put and del with prev_kv: what was there
  std::int64_t count = 0;     // get: keys in range; del: keys deleted
};

struct TxnResult {
  bool succeeded = false;  // the conditions held, `then` was done
  EtcdRevision revision = 0;
  std::vector<OpResult> results;  // one for each op of the branch taken
};

struct LeaseGrant {
  LeaseId id = 0;
  std::int64_t ttl_seconds = 0;
};

struct ServerStatus {
  std::string version;
  std::int64_t db_size = 0;
  bool has_leader = false;
  std::uint64_t cluster_id = 0;
  EtcdRevision revision = 0;
};

struct WatchRequest {
  std::string key;
  std::string end;                  // empty: the one key
  EtcdRevision start_revision = 0;  // 0: from now on
  bool prev_kv = false;
  bool progress_notify = false;  // an empty batch about every ten minutes without events
  static WatchRequest prefix(std::string_view p, EtcdRevision from = 0) {
    return {std::string(p), prefix_end(p), from};
  }
};

struct WatchEvent {
  enum class Type { put, del };
  Type type = Type::put;
  KeyValue kv;  // del: key and mod_revision of the deletion only
  std::optional<KeyValue> prev;
};

/// All events of one answer; those of one transaction always come together. No events: a progress note, which says
/// that everything up to `revision` has been delivered.
struct WatchBatch {
  EtcdRevision revision = 0;
  std::vector<WatchEvent> events;
  bool progress() const { return events.empty(); }
};

}  // namespace weft::kvstore
