// Routes of one family in order of their prefixes, as a value: sorted pages that copies share (copy on write). What a
// set of routes is, what a peer has, and what it shall have are all such tables, so that "what is missing" is one
// comparison of two of them, which skips every page that both hold.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bgp/rib/route.h"

namespace weft::bgp {

/// A prefix as numbers that sort like Prefix does within a family.
struct PrefixKey {
  std::uint64_t high = 0;  // IPv4: the address in the upper half
  std::uint64_t low = 0;
  std::uint8_t length = 0;

  static PrefixKey of(const Prefix& prefix);
  Prefix prefix(Family family) const;
  /// The least key behind this one; not a prefix when this is a host's.
  PrefixKey successor() const { return {high, low, static_cast<std::uint8_t>(length + 1)}; }
  auto operator<=>(const PrefixKey&) const = default;
};

class RouteTable {
 public:
  /// How a prefix changes: `before` is null for a new one, `after` for one that goes.
  struct Change {
    PrefixKey key;
    const SharedAttributes* before = nullptr;
    const SharedAttributes* after = nullptr;
  };
  using Visitor = std::function<void(const Change&)>;

  RouteTable() = default;  // of IPv4
  explicit RouteTable(Family family) : family_(family) {}

  Family family() const { return family_; }
  std::size_t size() const;
  bool empty() const { return size() == 0; }

  /// False when exactly that was there.
  bool set(const Route& route) { return set(PrefixKey::of(route.prefix), route.attributes); }
  bool set(const PrefixKey& key, const SharedAttributes& attributes);
  /// False when there was none.
  bool remove(const Prefix& prefix) { return remove(PrefixKey::of(prefix)); }
  bool remove(const PrefixKey& key);
  std::optional<SharedAttributes> find(const Prefix& prefix) const;
  /// The same without a copy; null when absent. Good until the table changes.
  const SharedAttributes* get(const PrefixKey& key) const;

  void for_each(const std::function<void(const PrefixKey&, const SharedAttributes&)>& visit) const;
  /// What makes this table into `next`, in order.
  void diff(const RouteTable& next, const Visitor& visit) const;
  /// True at once when one is an unchanged copy of the other; false says nothing.
  bool same(const RouteTable& other) const { return root_ == other.root_; }
  bool operator==(const RouteTable& other) const;

  /// Up to and with `key` what `low` has, beyond it what `high` has.
  static RouteTable splice(const RouteTable& low, const RouteTable& high, const PrefixKey& key);

  struct Page;
  struct Root;
  class Cursor;

 private:
  friend class TableDiff;
  Root& writable_root();
  Page& writable_page(std::size_t index);
  void split(std::size_t index);
  void join_small(std::size_t index);

  Family family_ = Family::v4;
  std::shared_ptr<Root> root_;
};

/// The differences of two tables, one by one: a comparison that can stop and go on.
class TableDiff {
 public:
  /// From `all_from` on, equal routes are told as changes too.
  TableDiff(RouteTable before, RouteTable after, std::optional<PrefixKey> all_from = std::nullopt);
  ~TableDiff();
  TableDiff(const TableDiff&) = delete;
  TableDiff& operator=(const TableDiff&) = delete;
  /// False at the end. `change` points into the tables, which this object keeps.
  bool next(RouteTable::Change& change);

 private:
  RouteTable before_;
  RouteTable after_;
  std::optional<PrefixKey> all_from_;
  std::unique_ptr<RouteTable::Cursor> a_;
  std::unique_ptr<RouteTable::Cursor> b_;
};

}  // namespace weft::bgp
