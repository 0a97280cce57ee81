// Small moves on objects that are being defaulted. Internal to the strategies.
#pragma once

#include <string_view>
#include <utility>

#include "lab/apiserver/json.h"

namespace weft::lab::api {

/// Sets what is absent, null or an empty text.
inline void default_to(json::object& o, std::string_view key, json::value value) {
  auto* at = o.if_contains(key);
  if (at == nullptr || at->is_null() || (at->is_string() && at->get_string().empty())) o[key] = std::move(value);
}

/// A member that is an object, or null.
inline json::object* child(json::object& o, std::string_view key) {
  auto* at = o.if_contains(key);
  return at != nullptr ? at->if_object() : nullptr;
}

/// A member that is an array, or null.
inline json::array* items(json::object& o, std::string_view key) {
  auto* at = o.if_contains(key);
  return at != nullptr ? at->if_array() : nullptr;
}

}  // namespace weft::lab::api
