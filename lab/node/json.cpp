#include "lab/node/json.h"

#include <fmt/format.h>

namespace weft::lab {

const json::value* find(const json::object& o, std::string_view pointer) {
  // One level at a time: json::value's own find_pointer wants a value, and an object is not one.
  const json::object* at = &o;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto end = pointer.find('/');
    const auto* v = at->if_contains(pointer.substr(0, end));
    if (v == nullptr) return nullptr;
    if (end == std::string_view::npos) return v;
    if (!v->is_object()) return nullptr;
    at = &v->get_object();
    pointer.remove_prefix(end);
  }
  return nullptr;
}

std::string str(const json::object& o, std::string_view pointer, std::string_view fallback) {
  const auto* v = find(o, pointer);
  if (v == nullptr) return std::string(fallback);
  if (v->is_string()) return std::string(v->get_string());
  if (v->is_int64()) return fmt::format("{}", v->get_int64());
  if (v->is_uint64()) return fmt::format("{}", v->get_uint64());
  if (v->is_bool()) return v->get_bool() ? "true" : "false";
  return std::string(fallback);
}

std::int64_t integer(const json::object& o, std::string_view pointer, std::int64_t fallback) {
  const auto* v = find(o, pointer);
  if (v == nullptr) return fallback;
  if (v->is_int64()) return v->get_int64();
  if (v->is_uint64()) return static_cast<std::int64_t>(v->get_uint64());
  return fallback;
}

bool boolean(const json::object& o, std::string_view pointer, bool fallback) {
  const auto* v = find(o, pointer);
  return v != nullptr && v->is_bool() ? v->get_bool() : fallback;
}

const json::array& list(const json::object& o, std::string_view pointer) {
  static const json::array none;
  const auto* v = find(o, pointer);
  return v != nullptr && v->is_array() ? v->get_array() : none;
}

const json::object& object(const json::object& o, std::string_view pointer) {
  static const json::object none;
  const auto* v = find(o, pointer);
  return v != nullptr && v->is_object() ? v->get_object() : none;
}

std::vector<std::string> strings(const json::object& o, std::string_view pointer) {
  std::vector<std::string> out;
  for (const auto& v : list(o, pointer))
    if (v.is_string()) out.emplace_back(v.get_string());
  return out;
}

std::map<std::string, std::string> string_map(const json::object& o, std::string_view pointer) {
  std::map<std::string, std::string> out;
  for (const auto& kv : object(o, pointer))
    if (kv.value().is_string()) out[kv.key()] = std::string(kv.value().get_string());
  return out;
}

}  // namespace weft::lab
