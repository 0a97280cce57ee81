#include "apps/cli/objects.h"

namespace weft::cli {

const json::value* find(const json::object& o, std::initializer_list<const char*> steps) {
  const json::object* at = &o;
  const json::value* v = nullptr;
  for (const char* step : steps) {
    if (!at) return nullptr;
    v = at->if_contains(step);
    if (!v) return nullptr;
    at = v->if_object();
  }
  return v;
}

std::string text(const json::object& o, std::initializer_list<const char*> steps) {
  const auto* v = find(o, steps);
  return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

std::int64_t number(const json::object& o, std::initializer_list<const char*> steps, std::int64_t otherwise) {
  const auto* v = find(o, steps);
  if (!v || !v->is_number()) return otherwise;
  json::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  return ec ? otherwise : n;
}

const json::array& list(const json::object& o, std::initializer_list<const char*> steps) {
  static const json::array none;
  const auto* v = find(o, steps);
  return v && v->is_array() ? v->as_array() : none;
}

bool truth(const json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v && v->is_bool() && v->as_bool();
}

}  // namespace weft::cli
