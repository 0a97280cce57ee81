// Looking into Kubernetes objects without minding what is missing.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

namespace weft::cli {

namespace json = boost::json;

/// The value below `steps`; null when a step is missing or not an object.
const json::value* find(const json::object& o, std::initializer_list<const char*> steps);
/// Text at `steps`; empty when it is not there or not text.
std::string text(const json::object& o, std::initializer_list<const char*> steps);
/// Number at `steps`; `otherwise` when it is not there or not a whole number.
std::int64_t number(const json::object& o, std::initializer_list<const char*> steps, std::int64_t otherwise = 0);
/// List at `steps`; an empty one when it is not there.
const json::array& list(const json::object& o, std::initializer_list<const char*> steps);
/// Whether `key` is there and true.
bool truth(const json::object& o, const char* key);
inline std::string or_dash(std::string s) { return s.empty() ? "-" : std::move(s); }
/// Calls `fn` with each object of a list; with nothing when it is no list.
template <class Fn>
void each(const json::value& v, Fn&& fn) {
  if (!v.is_array()) return;
  for (const auto& e : v.as_array())
    if (const auto* o = e.if_object()) fn(*o);
}
inline std::string name_of(const json::object& o) { return text(o, {"metadata", "name"}); }

}  // namespace weft::cli
