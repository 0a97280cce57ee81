// Reads the fields of an object and notes what is wrong with each, instead of stopping at the first: whoever mends an
// object sees all of it at once. The API server's schema checks the same, but objects may be older than the schema.
#pragma once

#include <boost/json.hpp>

#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "bgp/control/finding.h"
#include "bgp/control/selector.h"

namespace weft::bgp::control {

namespace json = boost::json;

/// One object of a JSON tree with its path. Copies share the list of findings. An absent object reads as an empty one.
class Reader {
 public:
  Reader(const json::object& root, ObjectRef object, Findings& findings);

  bool has(std::string_view key) const;
  /// Not there, or a list without entries.
  bool none(std::string_view key) const;
  /// A nested object, also when absent; of another type, that is a finding and it reads as empty.
  Reader at(std::string_view key) const;
  /// The same, or nothing when absent.
  std::optional<Reader> maybe(std::string_view key) const;
  /// The objects of a list; a finding when there are fewer than `least` or more than `most`.
  std::vector<Reader> list(std::string_view key, std::size_t least = 0, std::size_t most = SIZE_MAX) const;
  /// The texts of a list.
  std::vector<std::string> texts(std::string_view key, std::size_t least = 0) const;

  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most) const;
  std::int64_t integer_or(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t otherwise) const;
  bool boolean(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key) const;
  std::optional<Address> address(std::string_view key) const;
  /// One of a few words; the first is what an unknown one reads as.
  std::optional<std::size_t> choice(std::string_view key, std::initializer_list<std::string_view> words) const;
  std::optional<Selector> selector(std::string_view key) const;
  /// A finding when absent.
  void require(std::string_view key) const;

  /// Notes a finding about `key` (about this object when empty).
  void error(std::string_view key, std::string wrong, std::string mend) const;
  void warn(std::string_view key, std::string wrong, std::string mend) const;
  /// About one entry of a list of plain values.
  void error_at(std::string_view key, std::size_t index, std::string value, std::string wrong, std::string mend) const;
  const std::string& path() const { return path_; }

 private:
  Reader(const json::object* at, std::string path, const Reader& parent);
  const json::value* find(std::string_view key) const;
  std::string path_of(std::string_view key) const;
  void note(Finding::Severity severity, std::string_view key, std::string wrong, std::string mend) const;

  const json::object* at_;
  std::string path_;
  std::shared_ptr<const ObjectRef> object_;
  Findings* findings_;
};

/// Notes every name (of `what`) that stands twice.
class Unique {
 public:
  bool add(const Reader& where, std::string_view key, const std::string& name);

 private:
  std::set<std::string> seen_;
};

}  // namespace weft::bgp::control
