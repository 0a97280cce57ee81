#include "lab/apiserver/apply.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/clock.h"

namespace weft::lab::api {
namespace {

// A set of fields is kept as FieldsV1 writes it: a tree of objects whose keys are f:NAME (a field), k:{…} (an item of a
// list by its keys), v:… (an item of a list by its value) and "." (the thing itself).
using Fields = json::object;

enum class Shape { leaf, object, list_map, list_set };

Shape shape_of(const Schema* field, const json::value& v) {
  if (v.is_object())
    return field != nullptr && (field->atomic_map || field->shape().atomic_map) ? Shape::leaf : Shape::object;
  if (!v.is_array() || field == nullptr) return Shape::leaf;
  const auto type = field->list_type != Schema::ListType::atomic ? field->list_type : field->shape().list_type;
  return type == Schema::ListType::map   ? Shape::list_map
         : type == Schema::ListType::set ? Shape::list_set
                                         : Shape::leaf;
}

const Schema* child_of(const Schema* field, std::string_view key) {
  if (field == nullptr) return nullptr;
  if (const auto* p = field->property(key)) return p;
  if (field->shape().embedded_resource && key == "metadata") return object_meta_schema();
  return field->shape().additional;
}

const std::vector<std::string>& keys_of(const Schema* field) {
  return field->list_map_keys.empty() ? field->shape().list_map_keys : field->list_map_keys;
}

std::string item_key(const Schema* field, const json::value& item) {
  auto names = keys_of(field);
  std::sort(names.begin(), names.end());
  json::object key;
  for (const auto& name : names) {
    const auto* at = find(item, {name});
    const auto* property = field->shape().items != nullptr ? field->shape().items->property(name) : nullptr;
    if (at != nullptr)
      key[name] = *at;
    else if (property != nullptr && property->default_value)
      key[name] = *property->default_value;
  }
  return "k:" + json::serialize(key);
}

// The member of a list that a part of a path names.
json::value* item_of(const Schema* field, json::array& a, std::string_view part) {
  for (auto& item : a)
    if (part.starts_with("k:") ? item_key(field, item) == part : part.substr(2) == json::serialize(item)) return &item;
  return nullptr;
}

Fields to_fields(const Schema* field, const json::value& v) {
  Fields out;
  switch (shape_of(field, v)) {
    case Shape::leaf: break;
    case Shape::object:
      for (const auto& [k, child] : v.get_object())
        out["f:" + std::string(k)] = to_fields(child_of(field, {k.data(), k.size()}), child);
      break;
    case Shape::list_map:
      for (const auto& item : v.get_array()) {
        auto inner = to_fields(field->shape().items, item);
        inner["."] = json::object{};
        out[item_key(field, item)] = std::move(inner);
      }
      break;
    case Shape::list_set:
      for (const auto& item : v.get_array()) out["v:" + json::serialize(item)] = json::object{};
      break;
  }
  return out;
}

// Identity and bookkeeping belong to nobody.
void strip(Fields& fields) {
  fields.erase("f:apiVersion");
  fields.erase("f:kind");
  if (auto* meta = fields.if_contains("f:metadata"); meta != nullptr && meta->is_object()) {
    for (const char* key : {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
                            "managedFields", "selfLink", "generateName"})
      meta->get_object().erase(std::string("f:") + key);
    if (meta->get_object().empty()) fields.erase("f:metadata");
  }
}

bool is_member(const Fields& f) { return f.empty() || f.contains("."); }

Fields subtract(const Fields& a, const Fields& b) {
  Fields out;
  for (const auto& [k, v] : a) {
    const auto* other = b.if_contains(k);
    if (other == nullptr) {
      out[k] = v;
      continue;
    }
    const auto &mine = v.get_object(), &theirs = other->get_object();
    if (is_member(theirs) && mine.empty()) continue;
    auto rest = subtract(mine, theirs);
    if (theirs.empty()) rest = Fields{};  // all below it goes too
    if (!rest.empty()) out[k] = std::move(rest);
  }
  return out;
}

void unite(Fields& a, const Fields& b) {
  for (const auto& [k, v] : b) {
    auto& at = a[k];
    if (!at.is_object()) at.emplace_object();
    unite(at.get_object(), v.get_object());
  }
}

std::string part_text(std::string_view part) {
  if (part.starts_with("f:")) return "." + std::string(part.substr(2));
  const auto inside = part.substr(2);
  if (part.starts_with("v:")) return fmt::format("[={}]", inside);
  std::vector<std::string> keys;
  if (const auto v = parse_json(inside); v && v->is_object())
    for (const auto& [k, value] : v->get_object())
      keys.push_back(fmt::format("{}={}", std::string_view(k.data(), k.size()), json::serialize(value)));
  return fmt::format("[{}]", fmt::join(keys, ","));
}

json::value without_nulls(const json::value& v) {
  if (const auto* o = v.if_object()) {
    json::object out;
    for (const auto& [k, child] : *o)
      if (!child.is_null()) out[k] = without_nulls(child);
    return out;
  }
  if (const auto* a = v.if_array()) {
    json::array out;
    for (const auto& item : *a) out.push_back(without_nulls(item));
    return out;
  }
  return v;
}

void merge(const Schema* field, json::value& live, const json::value& applied) {
  switch (shape_of(field, applied)) {
    case Shape::leaf: live = applied; return;
    case Shape::object: {
      if (!live.is_object()) live.emplace_object();
      for (const auto& [k, v] : applied.get_object())
        merge(child_of(field, {k.data(), k.size()}), live.get_object()[k], v);
      return;
    }
    case Shape::list_map:
    case Shape::list_set: {
      if (!live.is_array()) live.emplace_array();
      auto& a = live.get_array();
      for (const auto& item : applied.get_array()) {
        const bool map = shape_of(field, applied) == Shape::list_map;
        auto* at = item_of(field, a, map ? item_key(field, item) : "v:" + json::serialize(item));
        if (at == nullptr) {
          a.push_back(map ? json::value(json::object{}) : item);
          at = &a.back();
        }
        if (map) merge(field->shape().items, *at, item);
      }
      return;
    }
  }
}

// Removes what `before` owned and `now` does not, where nobody else owns anything.
void remove_given_up(const Schema* field, json::value& v, const Fields& before, const Fields& now,
                     const std::vector<const Fields*>& others) {
  for (const auto& [k, mine] : before) {
    const std::string part(k);
    if (part == ".") continue;
    const auto* kept = now.if_contains(part);
    std::vector<const Fields*> theirs;
    for (const auto* o : others)
      if (const auto* at = o->if_contains(part)) theirs.push_back(&at->get_object());
    json::value* at = nullptr;
    const Schema* child = nullptr;
    if (part.starts_with("f:") && v.is_object()) {
      at = v.get_object().if_contains(part.substr(2));
      child = child_of(field, part.substr(2));
    } else if (v.is_array() && field != nullptr) {
      at = item_of(field, v.get_array(), part);
      child = field->shape().items;
    }
    if (at == nullptr) continue;
    if (kept == nullptr && theirs.empty() && is_member(mine.get_object())) {
      if (v.is_object()) {
        v.get_object().erase(part.substr(2));
      } else {
        auto& a = v.get_array();
        a.erase(a.begin() + (at - a.data()));
      }
      continue;
    }
    static const Fields none;
    remove_given_up(child, *at, mine.get_object(), kept != nullptr ? kept->get_object() : none, theirs);
  }
}

struct Clash {
  std::string path;
  std::vector<std::string> parts;
};

// Fields of `mine` that `theirs` owns too and whose value would change.
void find_clashes(const Schema* field, const json::value* live, const json::value& applied, const Fields& mine,
                  const Fields& theirs, std::vector<std::string>& at, std::vector<Clash>& out) {
  for (const auto& [k, inner] : mine) {
    const std::string part(k);
    const auto* other = theirs.if_contains(part);
    if (part == "." || other == nullptr) continue;
    const json::value *was = nullptr, *wanted = nullptr;
    const Schema* child = nullptr;
    if (part.starts_with("f:")) {
      const auto name = part.substr(2);
      wanted = find(applied, {name});
      was = live != nullptr ? find(*live, {name}) : nullptr;
      child = child_of(field, name);
    } else if (field != nullptr) {
      child = field->shape().items;
      if (applied.is_array()) wanted = item_of(field, const_cast<json::array&>(applied.get_array()), part);
      if (live != nullptr && live->is_array()) was = item_of(field, const_cast<json::array&>(live->get_array()), part);
    }
    if (wanted == nullptr) continue;
    at.push_back(part);
    if (inner.get_object().empty()) {
      if (was == nullptr || !same(*was, *wanted)) {
        std::string path;
        for (const auto& p : at) path += part_text(p);
        out.push_back({path, at});
      }
    } else {
      find_clashes(child, was, *wanted, inner.get_object(), other->get_object(), at, out);
    }
    at.pop_back();
  }
}

Fields from_parts(const std::vector<std::string>& parts) {
  Fields out;
  for (std::size_t i = parts.size(); i-- > 0;) {
    Fields outer;
    outer[parts[i]] = std::move(out);
    out = std::move(outer);
  }
  return out;
}

bool covers(const Fields& set, const std::vector<std::string>& parts) {
  const Fields* at = &set;
  for (const auto& p : parts) {
    const auto* next = at->if_contains(p);
    if (next == nullptr) return at->empty() && at != &set;
    at = &next->get_object();
  }
  return true;
}

// What differs: fields that are new or changed, and fields that are gone.
void compare(const Schema* field, const json::value& was, const json::value& is, Fields& changed, Fields& removed) {
  const auto children = [&](const std::string& part, const Schema* child, const json::value* a, const json::value* b) {
    if (a == nullptr) {
      changed[part] = to_fields(child, *b);
      if (!part.starts_with("f:")) changed[part].get_object()["."] = json::object{};
    } else if (b == nullptr) {
      removed[part] = Fields{};
    } else if (shape_of(child, *a) == Shape::leaf || shape_of(child, *b) == Shape::leaf || a->kind() != b->kind()) {
      if (!same(*a, *b)) changed[part] = Fields{};
    } else {
      Fields c, r;
      compare(child, *a, *b, c, r);
      if (!c.empty()) changed[part] = std::move(c);
      if (!r.empty()) removed[part] = std::move(r);
    }
  };
  if (was.is_object() && is.is_object()) {
    for (const auto& [k, v] : is.get_object())
      children("f:" + std::string(k), child_of(field, {k.data(), k.size()}), was.get_object().if_contains(k), &v);
    for (const auto& [k, v] : was.get_object())
      if (!is.get_object().contains(k))
        children("f:" + std::string(k), child_of(field, {k.data(), k.size()}), &v, nullptr);
  } else if (was.is_array() && is.is_array() && field != nullptr) {
    const bool map = shape_of(field, is) == Shape::list_map;
    const auto name = [&](const json::value& item) {
      return map ? item_key(field, item) : "v:" + json::serialize(item);
    };
    auto &a = const_cast<json::array&>(was.get_array()), &b = const_cast<json::array&>(is.get_array());
    for (const auto& item : b) children(name(item), field->shape().items, item_of(field, a, name(item)), &item);
    for (const auto& item : a)
      if (item_of(field, b, name(item)) == nullptr) children(name(item), field->shape().items, &item, nullptr);
  }
}

struct Entry {
  std::string manager, operation, version, sub, time;
  Fields fields;
  bool is(const std::string& m, std::string_view op, const std::string& s) const {
    return manager == m && operation == op && sub == s;
  }
};

std::vector<Entry> entries_of(const json::value& o) {
  std::vector<Entry> out;
  for (const auto& e : list(o, {"metadata", "managedFields"}))
    out.push_back({text(e, {"manager"}), text(e, {"operation"}), text(e, {"apiVersion"}), text(e, {"subresource"}),
                   text(e, {"time"}), object(e, {"fieldsV1"})});
  return out;
}

void write_entries(json::value& o, std::vector<Entry> entries) {
  json::array out;
  for (auto& e : entries) {
    if (e.fields.empty()) continue;
    json::object entry{{"manager", e.manager}, {"operation", e.operation}, {"apiVersion", e.version},
                       {"time", e.time},       {"fieldsType", "FieldsV1"}, {"fieldsV1", std::move(e.fields)}};
    if (!e.sub.empty()) entry["subresource"] = e.sub;
    out.push_back(std::move(entry));
  }
  auto& meta = make_object(o, {"metadata"});
  if (out.empty())
    meta.erase("managedFields");
  else
    meta["managedFields"] = std::move(out);
}

ApiError conflict_error(const std::vector<std::pair<Entry, std::vector<Clash>>>& all) {
  json::array causes;
  std::size_t count = 0;
  std::string text;
  for (const auto& [entry, clashes] : all) {
    const std::string who =
        fmt::format("\"{}\"{} using {}", entry.manager,
                    entry.sub.empty() ? "" : fmt::format(" with subresource \"{}\"", entry.sub), entry.version);
    text += fmt::format("{}{} with {}:{}", text.empty() ? "" : "\n", clashes.size() == 1 ? "conflict" : "conflicts",
                        who, clashes.size() == 1 ? " " + clashes[0].path : "");
    for (const auto& c : clashes) {
      ++count;
      if (clashes.size() > 1) text += "\n- " + c.path;
      causes.push_back(
          json::object{{"reason", "FieldManagerConflict"}, {"message", "conflict with " + who}, {"field", c.path}});
    }
  }
  ApiError e{
      409, "Conflict", fmt::format("Apply failed with {} conflict{}: {}", count, count == 1 ? "" : "s", text), {}};
  e.details["causes"] = std::move(causes);
  return e;
}

// Fields that `kubectl apply` without --server-side set: kubectl may take them over.
Fields client_side_applied(const Schema& schema, const json::value& live) {
  const auto last = text(live, {"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"});
  const auto v = last.empty() ? Result<json::value>(fail(Errc::not_found, "")) : parse_json(last);
  return v ? to_fields(&schema, *v) : Fields{};
}

}  // namespace

Answer<json::value> apply_configuration(const Schema& schema, const json::value* live, const json::value& raw,
                                        const std::string& manager, const std::string& sub, bool force) {
  json::value applied = without_nulls(raw);
  const auto version = text(applied, {"apiVersion"});
  if (live != nullptr)
    if (const auto rv = text(applied, {"metadata", "resourceVersion"});
        !rv.empty() && rv != text(*live, {"metadata", "resourceVersion"}))
      return refuse(
          ApiError{409,
                   "Conflict",
                   "the object has been modified; please apply your changes to the latest version and try again",
                   {}});
  for (const char* key : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"})
    make_object(applied, {"metadata"}).erase(key);
  Fields mine = to_fields(&schema, applied);
  strip(mine);
  std::vector<Entry> entries;
  json::value next = live != nullptr ? *live : json::value(json::object{});
  if (live != nullptr) {
    entries = entries_of(*live);
    if (entries.empty()) {
      Entry before{"before-first-apply", "Update", version, "", rfc3339(Wall::now()), to_fields(&schema, *live)};
      strip(before.fields);
      entries.push_back(std::move(before));
    }
  }
  Fields prior;
  std::vector<std::pair<Entry, std::vector<Clash>>> conflicts;
  const Fields kubectls = manager == "kubectl" && live != nullptr ? client_side_applied(schema, *live) : Fields{};
  for (auto& e : entries) {
    if (e.is(manager, "Apply", sub)) {
      prior = e.fields;
      continue;
    }
    std::vector<Clash> clashes;
    std::vector<std::string> at;
    find_clashes(&schema, live, applied, mine, e.fields, at, clashes);
    std::vector<Clash> refused;
    for (const auto& c : clashes) {
      if (!force && !covers(kubectls, c.parts))
        refused.push_back(c);
      else
        e.fields = subtract(e.fields, from_parts(c.parts));
    }
    if (!refused.empty()) conflicts.emplace_back(e, std::move(refused));
  }
  if (!conflicts.empty()) return refuse(conflict_error(conflicts));
  merge(&schema, next, applied);
  std::vector<const Fields*> others;
  for (const auto& e : entries)
    if (!e.is(manager, "Apply", sub)) others.push_back(&e.fields);
  remove_given_up(&schema, next, prior, mine, others);
  const auto own =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.is(manager, "Apply", sub); });
  if (own == entries.end()) {
    entries.push_back({manager, "Apply", version, sub, rfc3339(Wall::now()), std::move(mine)});
  } else if (!same(own->fields, mine) || own->version != version) {
    own->fields = std::move(mine);
    own->version = version;
    own->time = rfc3339(Wall::now());
  }
  write_entries(next, std::move(entries));
  return next;
}

void track_update(const Schema& schema, const json::value& old, json::value& now, const std::string& manager,
                  const std::string& sub) {
  auto before = entries_of(old);
  if (before.empty()) return;
  // Who rewrites managedFields himself (kubectl, moving its own entries) is taken at his word.
  const auto *was = find(old, {"metadata", "managedFields"}), *is = find(now, {"metadata", "managedFields"});
  if (is != nullptr && !same(*was, *is) && !list(now, {"metadata", "managedFields"}).empty()) return;
  Fields changed, removed;
  compare(&schema, old, now, changed, removed);
  strip(changed);
  strip(removed);
  if (changed.empty() && removed.empty()) return;
  Fields touched = changed;
  unite(touched, removed);
  Entry* own = nullptr;
  for (auto& e : before) {
    if (e.is(manager, "Update", sub))
      own = &e;
    else
      e.fields = subtract(e.fields, touched);
  }
  const auto now_text = rfc3339(Wall::now());
  if (own == nullptr) {
    if (!changed.empty())
      before.push_back({manager, "Update", text(now, {"apiVersion"}), sub, now_text, std::move(changed)});
  } else {
    Fields next = subtract(own->fields, removed);
    unite(next, changed);
    if (!same(next, own->fields)) own->time = now_text;
    own->fields = std::move(next);
  }
  write_entries(now, std::move(before));
}

}  // namespace weft::lab::api
