// Reflector: keeps the rows of a table equal to the objects of one kind. List in pages, then watch from that revision;
// resume after a lost connection; list again after 410 and change only the rows that differ, so that nobody ever sees
// a row vanish and come back. An object that cannot be read is logged, and the row it had stays.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "async/backoff.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/json.h"
#include "model/names.h"
#include "state/table.h"

namespace weft::kube {

/// The names under which tables wait for reflectors begin so; see Table::waits_for().
inline constexpr std::string_view kSourcePrefix = "kubernetes ";

struct ReflectorOptions {
  std::string ns;  // empty: all
  std::string label_selector;
  std::string field_selector;
  unsigned page = 500;
  std::chrono::milliseconds retry_first{200};
  std::chrono::milliseconds retry_max{30'000};
  /// The kind is not there (a CRD that somebody is about to install): asked for again after at most this long, for as
  /// long as `missing_kind_patience`; then it is missed less.
  std::chrono::milliseconds missing_kind_retry{2'000};
  std::chrono::milliseconds missing_kind_patience{60'000};
};

/// For `status` and the logs.
struct ReflectorHealth {
  bool synced = false;           // the first list was taken over
  bool watching = false;         // a watch is open now
  std::string resource_version;  // the state of the rows
  std::string error;             // the last failure, empty once it is over
  /// Since when every list is answered by 404: nobody serves the kind at this version.
  std::optional<Steady::time_point> missing_since;
  std::uint64_t lists = 0;
  std::uint64_t watches = 0;
  std::uint64_t events = 0;
  std::map<ObjectName, std::string> bad;  // objects that could not be read, and why
};

/// The part without types; use Reflector.
class ReflectorCore {
 public:
  struct Sink {
    virtual ~Sink() = default;
    virtual void begin_list() = 0;
    virtual void listed(const json::object& object) = 0;
    virtual void end_list() = 0;
    virtual void changed(const json::object& object) = 0;
    virtual void deleted(const json::object& object) = 0;
  };
  ReflectorCore(Client& client, Resource resource, ReflectorOptions options, Sink& sink, ReflectorHealth& health)
      : client_(client), resource_(std::move(resource)), options_(std::move(options)), sink_(sink), health_(health) {}

  /// Runs until cancelled.
  Task<> run();

 private:
  enum class Next { list, watch };
  Task<Result<>> list();
  /// Until the stream ends or breaks; what to do then.
  Task<Next> watch();
  void failed(const Error& error);
  void expired();

  Client& client_;
  Resource resource_;
  ReflectorOptions options_;
  Sink& sink_;
  ReflectorHealth& health_;
  std::chrono::milliseconds wait_{0};
  unsigned expired_ = 0;  // in a row
  Backoff backoff_{options_.retry_first, options_.retry_max};
};

/// Usage:
///   Table<Service> services(io, "services");
///   Reflector<Service> source(client, kServices, services, parse_service);
///   scope.spawn("services", source.run());
/// The table is initialized once the first list is in it. Several reflectors may share a table: each removes only
/// rows of its own objects.
template <class Row>
class Reflector final : private ReflectorCore::Sink {
 public:
  using Key = typename Row::Key;
  /// No value: the object is of no interest and has no row.
  using Parse = std::function<Result<std::optional<Row>>(const json::object&)>;

  Reflector(Client& client, Resource resource, Table<Row>& table, Parse parse, ReflectorOptions options = {})
      : table_(table),
        parse_(std::move(parse)),
        source_(std::string(kSourcePrefix) + resource.to_string() + (options.ns.empty() ? "" : " in " + options.ns)),
        core_(client, std::move(resource), std::move(options), *this, health_) {
    table_.expect(source_);
  }

  Task<> run() { return core_.run(); }
  const ReflectorHealth& health() const { return health_; }

 private:
  void begin_list() override {
    rows_.clear();
    next_.clear();
    bad_.clear();
  }
  void listed(const json::object& object) override {
    const ObjectName name = name_of(object);
    auto row = parse_(object);
    if (!row) {
      bad_[name] = row.error().message;
      if (const auto it = keys_.find(name); it != keys_.end()) next_.insert(*it);
    } else if (*row) {
      next_.insert_or_assign(name, (*row)->key());
      rows_.push_back(std::move(**row));
    }
  }
  void end_list() override {
    std::set<Key> keep;
    for (const auto& [name, key] : next_) keep.insert(key);
    for (const auto& [name, key] : keys_)
      if (!keep.contains(key)) table_.remove(key);
    for (Row& row : rows_) table_.upsert(std::move(row));
    keys_ = std::move(next_);
    for (const auto& [name, why] : bad_) report(name, why);
    health_.bad = std::move(bad_);
    begin_list();
    table_.initialized_by(source_);
  }
  void changed(const json::object& object) override {
    const ObjectName name = name_of(object);
    auto row = parse_(object);
    if (!row) {
      if (health_.bad[name] != row.error().message) report(name, row.error().message);
      health_.bad[name] = row.error().message;
      return;
    }
    health_.bad.erase(name);
    const auto old = keys_.find(name);
    if (!*row) {
      if (old != keys_.end()) drop(old);
      return;
    }
    Key key = (*row)->key();
    if (old != keys_.end() && old->second != key) drop(old);
    keys_.insert_or_assign(name, std::move(key));
    table_.upsert(std::move(**row));
  }
  void deleted(const json::object& object) override {
    const ObjectName name = name_of(object);
    health_.bad.erase(name);
    if (const auto it = keys_.find(name); it != keys_.end()) drop(it);
  }
  void drop(typename std::map<ObjectName, Key>::iterator it) {
    const Key key = it->second;
    keys_.erase(it);
    table_.remove(key);
  }
  void report(const ObjectName& name, const std::string& why) {
    log::warn("object cannot be read, its last good state stays",
              {{"source", source_}, {"object", name.to_string()}, {"error", why}});
  }

  Table<Row>& table_;
  Parse parse_;
  std::string source_;
  ReflectorHealth health_;
  ReflectorCore core_;
  std::map<ObjectName, Key> keys_;  // which row each object made
  // The list being read, not yet taken over.
  std::vector<Row> rows_;
  std::map<ObjectName, Key> next_;
  std::map<ObjectName, std::string> bad_;
};

}  // namespace weft::kube
