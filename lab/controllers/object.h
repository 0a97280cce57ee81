// Kubernetes objects as the controllers see them: JSON bodies in tables, and short ways to read them.
#pragma once

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/names.h"

namespace weft::lab {

namespace json = boost::json;

/// A row: any object, whole. Controllers touch a handful of fields of many kinds, and must hand templates on
/// without losing what they do not know, so nothing is gained by parsing them into structs.
struct Object {
  using Key = ObjectName;
  ObjectName name;
  std::shared_ptr<const json::object> body;
  const Key& key() const { return name; }
  const json::object& operator*() const { return *body; }
  const json::object* operator->() const { return body.get(); }
  bool operator==(const Object& o) const { return name == o.name && (body == o.body || *body == *o.body); }
};
using ObjectPtr = std::shared_ptr<const Object>;

Object make_object(json::object body);
Result<std::optional<Object>> parse_object(const json::object& body);

// ---- reading; a path is "spec/template/metadata", absent or of another type is the fallback
const json::value* find(const json::object& o, std::string_view path);
std::string text(const json::object& o, std::string_view path, std::string_view fallback = {});
std::int64_t number(const json::object& o, std::string_view path, std::int64_t fallback = 0);
bool flag(const json::object& o, std::string_view path, bool fallback = false);
const json::object& sub(const json::object& o, std::string_view path);
const json::array& list(const json::object& o, std::string_view path);
Labels string_map(const json::object& o, std::string_view path);
inline bool has(const json::object& o, std::string_view path) { return find(o, path) != nullptr; }

ObjectName name_of(const json::object& o);
std::string uid_of(const json::object& o);
std::uint64_t version_of(const json::object& o);
bool deleting(const json::object& o);
/// metadata.labels[key]; keys of labels contain slashes, so they are no paths. Empty when absent.
std::string label(const json::object& o, std::string_view key);
std::string annotation(const json::object& o, std::string_view key);
Wall::time_point time_at(const json::object& o, std::string_view path);
Wall::time_point created(const json::object& o);

/// The owner reference with controller: true; null when there is none.
const json::object* controller_of(const json::object& o);
bool controlled_by(const json::object& o, std::string_view uid);
json::object controller_reference(std::string_view api_version, std::string_view kind, const json::object& owner);

/// status.conditions[type]; null when absent.
const json::object* condition(const json::object& o, std::string_view type);

/// Text that is equal for equal values, whatever the order of keys.
std::string canonical(const json::value& v);
/// Eight to ten characters, as the suffix of names made from templates: no vowels, so no words.
std::string short_hash(const json::value& v, std::int64_t collisions = 0);
/// `n` characters of the same alphabet, at random.
std::string random_suffix(std::size_t n);

}  // namespace weft::lab
