// Reading the lab's own JSON files, which this build wrote itself: a missing field is a bug, not an input error.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <vector>

#include "lab/sys/rootfs.h"

namespace weft::lab {

inline std::string text(const boost::json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

inline bool flag(const boost::json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_bool() && v->get_bool();
}

inline std::int64_t number(const boost::json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_int64() ? v->get_int64() : 0;
}

inline std::vector<std::string> texts(const boost::json::object& o, const char* key) {
  std::vector<std::string> out;
  if (const auto* v = o.if_contains(key); v != nullptr && v->is_array())
    for (const auto& item : v->get_array()) out.emplace_back(item.as_string());
  return out;
}

inline std::vector<BindMount> binds(const boost::json::object& o) {
  std::vector<BindMount> out;
  if (const auto* v = o.if_contains("binds"); v != nullptr && v->is_array())
    for (const auto& item : v->get_array()) {
      const auto& b = item.as_object();
      out.push_back({text(b, "source"), text(b, "target"), flag(b, "read_only")});
    }
  return out;
}

}  // namespace weft::lab
