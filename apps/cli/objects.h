// Looking into Kubernetes objects without minding what is missing.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>

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
inline std::string name_of(const json::object& o) { return text(o, {"metadata", "name"}); }

}  // namespace weft::cli
