#include "lab/apiserver/patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace weft::lab::api {

// ---- JSON patch (RFC 6902)
namespace {

ApiError cannot_apply(const std::string& why) {
  return {422, "Invalid", "the server rejected our request due to an error in our request: " + why, {}};
}

std::vector<std::string> pointer(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = 1;
  while (begin <= text.size()) {
    const auto end = std::min(text.find('/', begin), text.size());
    std::string part;
    for (std::size_t i = begin; i < end; ++i) {
      if (text[i] == '~' && i + 1 < end) {
        part += text[++i] == '1' ? '/' : '~';
      } else {
        part += text[i];
      }
    }
    out.push_back(std::move(part));
    begin = end + 1;
  }
  return out;
}

// The index that a part of a path names; `end` also allows "-" and the place after the last one.
std::optional<std::size_t> index_of(const json::array& a, const std::string& part, bool end) {
  if (part == "-") return end ? std::optional(a.size()) : std::nullopt;
  std::size_t i = 0;
  const auto r = std::from_chars(part.data(), part.data() + part.size(), i);
  if (r.ec != std::errc() || r.ptr != part.data() + part.size() || i >= a.size() + (end ? 1 : 0)) return std::nullopt;
  return i;
}

json::value* walk(json::value& v, const std::vector<std::string>& path, std::size_t parts) {
  json::value* at = &v;
  for (std::size_t i = 0; i < parts; ++i) {
    if (auto* o = at->if_object()) {
      at = o->if_contains(path[i]);
      if (at == nullptr) return nullptr;
    } else if (auto* a = at->if_array()) {
      const auto n = index_of(*a, path[i], false);
      if (!n) return nullptr;
      at = &(*a)[*n];
    } else {
      return nullptr;
    }
  }
  return at;
}

Answer<> add(json::value& doc, const std::string& path, json::value value) {
  const auto parts = pointer(path);
  if (parts.empty()) return doc = std::move(value), Answer<>{};
  json::value* parent = walk(doc, parts, parts.size() - 1);
  if (parent != nullptr && parent->is_object()) {
    parent->get_object()[parts.back()] = std::move(value);
    return {};
  }
  if (parent != nullptr && parent->is_array()) {
    auto& a = parent->get_array();
    if (const auto i = index_of(a, parts.back(), true)) {
      a.insert(a.begin() + static_cast<std::ptrdiff_t>(*i), std::move(value));
      return {};
    }
  }
  return refuse(
      cannot_apply(fmt::format("add operation does not apply: doc is missing path: \"{}\": missing value", path)));
}

Answer<json::value> take(json::value& doc, const std::string& path, const char* op) {
  const auto parts = pointer(path);
  json::value* parent = parts.empty() ? nullptr : walk(doc, parts, parts.size() - 1);
  if (parent != nullptr && parent->is_object()) {
    auto& o = parent->get_object();
    if (auto* at = o.if_contains(parts.back())) {
      json::value out = std::move(*at);
      o.erase(parts.back());
      return out;
    }
  }
  if (parent != nullptr && parent->is_array()) {
    auto& a = parent->get_array();
    if (const auto i = index_of(a, parts.back(), false)) {
      json::value out = std::move(a[*i]);
      a.erase(a.begin() + static_cast<std::ptrdiff_t>(*i));
      return out;
    }
  }
  return refuse(
      cannot_apply(fmt::format("{} operation does not apply: doc is missing path: \"{}\": missing value", op, path)));
}

Answer<> one_operation(json::value& doc, const json::value& step) {
  const auto op = text(step, {"op"}), path = text(step, {"path"}), from = text(step, {"from"});
  const auto* value = find(step, {"value"});
  if (!step.is_object() || (!path.empty() && path[0] != '/'))
    return refuse(ApiError::bad_request("json patch: an operation needs op and a path that starts with '/'"));
  const bool needs_value = op == "add" || op == "replace" || op == "test";
  if (needs_value && value == nullptr)
    return refuse(ApiError::bad_request(fmt::format("json patch: {} {} has no value", op, path)));
  if (op == "add") return add(doc, path, *value);
  if (op == "remove") {
    if (auto r = take(doc, path, "remove"); !r) return refuse(r.error());
    return {};
  }
  if (op == "replace" || op == "test" || op == "copy") {
    const auto parts = pointer(op == "copy" ? from : path);
    json::value* at = walk(doc, parts, parts.size());
    if (op == "test") {
      // A test for null also holds where there is nothing.
      if (at == nullptr ? value->is_null() : same(*at, *value)) return {};
      return refuse(cannot_apply(fmt::format("testing value {} failed", path)));
    }
    if (at == nullptr)
      return refuse(cannot_apply(fmt::format("{} operation does not apply: doc is missing key: {}: missing value", op,
                                             op == "copy" ? from : path)));
    if (op == "copy") return add(doc, path, json::value(*at));
    *at = *value;
    return {};
  }
  if (op == "move") {
    auto taken = take(doc, from, "move");
    if (!taken) return refuse(taken.error());
    return add(doc, path, std::move(*taken));
  }
  return refuse(ApiError::bad_request(
      fmt::format("json patch: unknown operation \"{}\": use add, remove, replace, move, copy or test", op)));
}

}  // namespace

Answer<json::value> json_patch(json::value document, const json::value& patch) {
  if (!patch.is_array()) return refuse(ApiError::bad_request("json patch: expected an array of operations"));
  if (patch.get_array().size() > 10000) return refuse(ApiError::bad_request("json patch: more than 10000 operations"));
  for (const auto& step : patch.get_array()) API_TRY(one_operation(document, step));
  return document;
}

// ---- Merge patch (RFC 7386)

json::value merge_patch(json::value document, const json::value& patch) {
  if (!patch.is_object()) return patch;
  if (!document.is_object()) document.emplace_object();
  auto& o = document.get_object();
  for (const auto& [k, v] : patch.get_object()) {
    if (v.is_null()) {
      o.erase(k);
    } else {
      auto& at = o[k];
      at = merge_patch(std::move(at), v);
    }
  }
  return document;
}

// ---- Strategic merge patch
namespace {

bool is_directive(std::string_view key) { return key.starts_with("$"); }

class Strategic {
 public:
  Answer<> object(const Schema* field, json::object& doc, const json::object& patch) {
    if (const auto* directive = patch.if_contains("$patch")) {
      const std::string what = directive->is_string() ? std::string(directive->get_string()) : show(*directive);
      if (what == "replace") {
        doc.clear();
        for (const auto& [k, v] : patch)
          if (!is_directive({k.data(), k.size()})) doc[k] = v;
        return {};
      }
      if (what == "delete") return doc.clear(), Answer<>{};
      if (what != "merge")
        return refuse(ApiError::bad_request(
            fmt::format("unknown patch type {} in map: use delete, replace or merge", show(*directive))));
    }
    if (const auto* keep = patch.if_contains("$retainKeys"); keep != nullptr && keep->is_array()) {
      std::vector<std::string> drop;
      for (const auto& [k, v] : doc) {
        const json::value key{json::string_view(k.data(), k.size())};
        if (std::find(keep->get_array().begin(), keep->get_array().end(), key) == keep->get_array().end())
          drop.emplace_back(k);
      }
      for (const auto& k : drop) doc.erase(k);
    }
    for (const auto& [k, v] : patch) {
      const std::string key(k);
      if (key.starts_with("$deleteFromPrimitiveList/")) {
        delete_primitives(doc, key.substr(25), v);
      }
      if (is_directive(key)) continue;
      const Schema* child = child_of(field, key);
      if (v.is_null()) {
        doc.erase(key);
      } else if (v.is_object()) {
        auto& at = doc[key];
        if (!at.is_object()) at.emplace_object();
        API_TRY(object(child, at.get_object(), v.get_object()));
        if (const auto* d = v.get_object().if_contains("$patch"); d != nullptr && *d == "delete") doc.erase(key);
      } else if (v.is_array()) {
        auto& at = doc[key];
        if (!at.is_array()) at.emplace_array();
        API_TRY(array(child, at.get_array(), v.get_array(), key));
      } else {
        doc[key] = v;
      }
    }
    for (const auto& [k, v] : patch) {
      const std::string key(k);
      if (!key.starts_with("$setElementOrder/") || !v.is_array()) continue;
      const auto name = key.substr(17);
      if (auto* at = doc.if_contains(name); at != nullptr && at->is_array())
        reorder(child_of(field, name), at->get_array(), v.get_array());
    }
    return {};
  }

 private:
  static const Schema* child_of(const Schema* field, const std::string& key) {
    if (field == nullptr) return nullptr;
    if (const auto* p = field->property(key)) return p;
    return field->shape().additional;
  }

  static void delete_primitives(json::object& doc, const std::string& name, const json::value& values) {
    auto* at = doc.if_contains(name);
    if (at == nullptr || !at->is_array() || !values.is_array()) return;
    auto& a = at->get_array();
    for (const auto& drop : values.get_array())
      for (auto it = a.begin(); it != a.end();) it = same(*it, drop) ? a.erase(it) : it + 1;
  }

  Answer<> array(const Schema* field, json::array& doc, const json::array& patch, const std::string& name) {
    const bool objects = !patch.empty() && patch[0].is_object();
    // A list of its own items replaces, unless the type says that it merges.
    bool replace = field == nullptr || !field->patch_merge || field->patch_replace;
    for (const auto& item : patch)
      if (item.is_object() && text(item, {"$patch"}) == "replace") replace = true;
    if (replace) {
      doc.clear();
      for (const auto& item : patch)
        if (!(item.is_object() && item.get_object().contains("$patch"))) doc.push_back(item);
      return {};
    }
    if (!objects) {
      for (const auto& item : patch)
        if (std::none_of(doc.begin(), doc.end(), [&](const json::value& v) { return same(v, item); }))
          doc.push_back(item);
      return {};
    }
    const std::string& key = field->patch_merge_key;
    for (const auto& item : patch) {
      const auto* id = find(item, {key});
      if (id == nullptr)
        return refuse(ApiError::bad_request(
            fmt::format("map: {} does not contain declared merge key: {} (list {})", show(item), key, name)));
      const auto is_it = [&](const json::value& v) {
        const auto* other = find(v, {key});
        return other != nullptr && same(*other, *id);
      };
      if (text(item, {"$patch"}) == "delete") {
        for (auto it = doc.begin(); it != doc.end();) it = is_it(*it) ? doc.erase(it) : it + 1;
        continue;
      }
      auto it = std::find_if(doc.begin(), doc.end(), is_it);
      if (it == doc.end()) {
        doc.push_back(json::object{});
        it = doc.end() - 1;
      }
      API_TRY(object(field->shape().items, it->get_object(), item.get_object()));
    }
    return {};
  }

  // Items named in `order` come in that order; each of the others stays behind the one it stood behind.
  static void reorder(const Schema* field, json::array& doc, const json::array& order) {
    if (field == nullptr || !field->patch_merge) return;
    const auto place = [&](const json::value& v) -> std::ptrdiff_t {
      const auto it = std::find_if(order.begin(), order.end(), [&](const json::value& o) {
        if (!o.is_object()) return same(o, v);
        const auto *a = find(o, {field->patch_merge_key}), *b = find(v, {field->patch_merge_key});
        return a != nullptr && b != nullptr && same(*a, *b);
      });
      return it == order.end() ? -1 : it - order.begin();
    };
    struct Run {
      std::ptrdiff_t place;
      std::vector<json::value> items;
    };
    std::vector<Run> runs{{-1, {}}};
    for (auto& v : doc) {
      const auto p = place(v);
      if (p >= 0) runs.push_back({p, {}});
      runs.back().items.push_back(std::move(v));
    }
    std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.place < b.place; });
    doc.clear();
    for (auto& r : runs)
      for (auto& v : r.items) doc.push_back(std::move(v));
  }
};

}  // namespace

Answer<json::value> strategic_merge_patch(const Schema& schema, json::value document, const json::value& patch) {
  if (!patch.is_object()) return refuse(ApiError::bad_request("strategic merge patch: expected an object"));
  if (!document.is_object()) document.emplace_object();
  API_TRY(Strategic().object(&schema, document.get_object(), patch.get_object()));
  return document;
}

}  // namespace weft::lab::api
