// Importer: takes the keys of one kind of one remote into a table. Internal to remote_cluster.cpp.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "kvstore/watch_store.h"
#include "state/table.h"

namespace weft::mesh {

/// What all kinds have in common.
class ImporterBase : public kvstore::WatchStore::Observer {
 public:
  std::uint64_t count() const { return count_; }
  bool listed_once() const { return listed_; }
  const std::map<std::string, std::string>& rejected() const { return rejected_; }
  std::function<void()> on_listed;

 protected:
  std::uint64_t count_ = 0;
  bool listed_ = false;
  std::map<std::string, std::string> rejected_;  // key → why
};

template <class Row>
class Importer final : public ImporterBase {
 public:
  using Key = typename Row::Key;
  /// No value: the object is withdrawn, as if its key were gone.
  using Parse = std::function<Result<std::optional<Row>>(const std::string& key, const std::string& value)>;
  using KeyOf = std::function<std::optional<Key>(const std::string& key)>;

  using Ours = std::function<bool(const Row&)>;

  /// `ours` tells the rows of this remote from those of others.
  Importer(Table<Row>& table, Parse parse, KeyOf key_of, Ours ours)
      : table_(table), parse_(std::move(parse)), key_of_(std::move(key_of)), ours_(std::move(ours)) {}

  void begin_list() override {
    listing_ = true;
    unseen_.clear();
    unseen_rejected_.clear();
    if (count_ == 0 && rejected_.empty()) return;
    table_.for_each([&](const Row& row) {
      if (ours_(row)) unseen_.insert(row.key());
    });
    for (const auto& [key, why] : rejected_) unseen_rejected_.insert(key);
  }
  void put(const std::string& key, const std::string& value) override {
    if (!unseen_.empty()) {
      if (const auto row_key = key_of_(key)) unseen_.erase(*row_key);
    }
    if (!unseen_rejected_.empty()) unseen_rejected_.erase(key);
    auto row = parse_(key, value);
    if (!row) {
      // A writer repeats a bad value with every renewal; say it once.
      auto& why = rejected_[key];
      if (why != row.error().message)
        log::warn("value of a remote cluster not taken, the last good one stays", {{"error", row.error().message}});
      why = row.error().message;
      return;
    }
    rejected_.erase(key);
    if (!*row) {
      drop(key);
      return;
    }
    const auto rows = table_.size();
    table_.upsert(std::move(**row));
    if (table_.size() > rows) ++count_;
  }
  void removed(const std::string& key) override {
    rejected_.erase(key);
    drop(key);
  }
  void listed() override {
    for (const auto& key : unseen_)
      if (table_.remove(key)) --count_;
    for (const auto& key : unseen_rejected_) rejected_.erase(key);
    unseen_.clear();
    unseen_rejected_.clear();
    listing_ = false;
    listed_ = true;
    if (on_listed) on_listed();
  }
  /// Takes values of earlier, by their keys, as if they had just been put. Nothing while a list runs, or after one that
  /// broke off: which of the keys are still there is known at its end only.
  void retry(const std::map<std::string, std::string>& values) {
    if (listing_) return;
    for (const auto& [key, value] : values) put(key, value);
  }
  /// Removes every row of this remote.
  void withdraw() {
    table_.replace({}, ours_);
    unseen_.clear();
    unseen_rejected_.clear();
    count_ = 0;
    listed_ = false;
    rejected_.clear();
  }

 private:
  void drop(const std::string& key) {
    const auto row_key = key_of_(key);
    if (row_key && table_.remove(*row_key)) --count_;
  }

  Table<Row>& table_;
  Parse parse_;
  KeyOf key_of_;
  Ours ours_;
  bool listing_ = false;  // from the beginning of a list until one is complete
  // While a list runs: what was there before and has not been seen in it.
  std::set<Key> unseen_;
  std::set<std::string> unseen_rejected_;
};

}  // namespace weft::mesh
