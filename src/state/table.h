// Table: rows with revisions, kept by one thread. Everything the agent knows is a row in one of these.
//
// A transaction is the code between two co_awaits: nothing else runs meanwhile, so a group of tables changes
// together and readers never see half of it. Rows are immutable values held by shared_ptr; who keeps the
// pointer keeps the row as it was.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/signal.h"

namespace weft {

using Revision = std::uint64_t;

/// What happened to one key since a reader looked last. `row` is null when the key was removed.
template <class Row>
struct Change {
  typename Row::Key key;
  std::shared_ptr<const Row> row;
  Revision revision = 0;
};

/// Row needs: `using Key = …` (ordered), `Key key() const`, operator==.
template <class Row>
class Table {
 public:
  using Key = typename Row::Key;
  using Ptr = std::shared_ptr<const Row>;

  Table(asio::io_context& io, std::string name) : name_(std::move(name)), notifier_(io) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const std::string& name() const { return name_; }
  Revision revision() const { return revision_; }
  std::size_t size() const { return rows_.size(); }

  Ptr get(const Key& key) const {
    const auto it = rows_.find(key);
    return it == rows_.end() ? nullptr : it->second.row;
  }
  bool contains(const Key& key) const { return rows_.contains(key); }

  /// In key order.
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (const auto& [key, slot] : rows_) fn(*slot.row);
  }
  std::vector<Ptr> all() const {
    std::vector<Ptr> out;
    out.reserve(rows_.size());
    for (const auto& [key, slot] : rows_) out.push_back(slot.row);
    return out;
  }
  /// Rows with from <= key, in order, while fn returns true.
  template <class Fn>
  void scan(const Key& from, Fn&& fn) const {
    for (auto it = rows_.lower_bound(from); it != rows_.end() && fn(*it->second.row); ++it) {
    }
  }

  /// Inserts or replaces. Writing an equal row changes nothing and wakes nobody. True if something changed.
  bool upsert(Row row) {
    Key key = row.key();
    const auto it = rows_.find(key);
    if (it != rows_.end() && *it->second.row == row) return false;
    record(key, std::make_shared<const Row>(std::move(row)));
    return true;
  }
  bool remove(const Key& key) {
    if (!rows_.contains(key)) return false;
    record(key, nullptr);
    return true;
  }
  /// Makes the rows for which `owned` holds be exactly `wanted`: upserts them, removes the others.
  void replace(
      std::vector<Row> wanted, const std::function<bool(const Row&)>& owned = [](const Row&) { return true; }) {
    std::set<Key> keep;
    for (const Row& r : wanted) keep.insert(r.key());
    std::vector<Key> drop;
    for (const auto& [key, slot] : rows_)
      if (owned(*slot.row) && !keep.contains(key)) drop.push_back(key);
    for (const Key& k : drop) remove(k);
    for (Row& r : wanted) upsert(std::move(r));
  }

  // ---- initial sync: a table is initialized when every source that registered has delivered its first list.
  void expect(const std::string& source) { pending_.insert(source); }
  void initialized_by(const std::string& source) {
    if (pending_.erase(source) > 0) notifier_.notify();
  }
  bool initialized() const { return pending_.empty(); }
  const std::set<std::string>& waiting_for() const { return pending_; }
  /// Whether a source whose name begins so has still to deliver.
  bool waits_for(std::string_view prefix) const {
    const auto it = pending_.lower_bound(std::string(prefix));
    return it != pending_.end() && it->starts_with(prefix);
  }

  /// Whether every source that has still to deliver has such a name; so when none has.
  bool waits_only_for(std::string_view prefix) const {
    return std::all_of(pending_.begin(), pending_.end(), [&](const std::string& s) { return s.starts_with(prefix); });
  }

  Notifier& notifier() { return notifier_; }

  /// A reader of changes. Coalescing: a key that changed five times since the last look shows up once, as it is now.
  class Stream {
   public:
    explicit Stream(Table& table) : table_(table), seen_(0) { table_.streams_.insert(this); }
    ~Stream() {
      table_.streams_.erase(this);
      table_.forget_tombstones();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Everything that changed since the last call (the whole table on the first), oldest first, at most `limit`.
    std::vector<Change<Row>> next(std::size_t limit = SIZE_MAX) {
      std::vector<Change<Row>> out;
      auto it = table_.log_.upper_bound(seen_);
      for (; it != table_.log_.end() && out.size() < limit; ++it) {
        out.push_back({it->second, table_.get(it->second), it->first});
        seen_ = it->first;
      }
      // The newest revisions may be removals that were forgotten before this stream began: nothing is left of them.
      if (it == table_.log_.end()) seen_ = table_.revision_;
      table_.forget_tombstones();
      return out;
    }
    bool pending() const { return table_.revision_ > seen_; }
    /// Waits until next() has something to say or another source has delivered its first list.
    Task<> changed() {
      while (!pending()) {
        const std::size_t waiting = table_.pending_.size();
        co_await table_.notifier_.changed_since(table_.notifier_.version());
        if (table_.pending_.size() != waiting) co_return;
      }
    }
    Revision seen() const { return seen_; }

   private:
    friend class Table;
    Table& table_;
    Revision seen_;
  };

 private:
  struct Slot {
    Ptr row;
    Revision revision;
  };

  void record(const Key& key, Ptr row) {
    if (const auto it = rows_.find(key); it != rows_.end()) {
      log_.erase(it->second.revision);
    } else if (const auto dead = tombstones_.find(key); dead != tombstones_.end()) {
      log_.erase(dead->second);
      tombstones_.erase(dead);
    }
    ++revision_;
    log_.emplace(revision_, key);
    if (row) {
      rows_[key] = {std::move(row), revision_};
    } else {
      rows_.erase(key);
      tombstones_.emplace(key, revision_);
    }
    if (!row && streams_.empty()) forget_tombstones();
    notifier_.notify();
  }

  // A removal is remembered until every stream has seen it.
  void forget_tombstones() {
    if (tombstones_.empty()) return;
    Revision oldest = revision_;
    for (const Stream* s : streams_) oldest = std::min(oldest, s->seen_);
    for (auto it = tombstones_.begin(); it != tombstones_.end();) {
      if (it->second <= oldest) {
        log_.erase(it->second);
        it = tombstones_.erase(it);
      } else {
        ++it;
      }
    }
  }

  std::string name_;
  Notifier notifier_;
  Revision revision_ = 0;
  std::map<Key, Slot> rows_;
  std::map<Revision, Key> log_;
  std::map<Key, Revision> tombstones_;
  std::set<Stream*> streams_;
  std::set<std::string> pending_;
};

}  // namespace weft
