#include "lab/controllers/object.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"

namespace weft::lab {
namespace {

constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";

void write_canonical(const json::value& v, std::string& out) {
  if (const auto* o = v.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& [k, value] : *o) keys.push_back(k);
    std::sort(keys.begin(), keys.end());
    out += '{';
    for (const auto& k : keys) {
      out += json::serialize(json::string(k));
      out += ':';
      write_canonical(o->at(k), out);
      out += ',';
    }
    out += '}';
  } else if (const auto* a = v.if_array()) {
    out += '[';
    for (const auto& e : *a) {
      write_canonical(e, out);
      out += ',';
    }
    out += ']';
  } else {
    out += json::serialize(v);
  }
}

}  // namespace

Object make_object(json::object body) {
  ObjectName name = name_of(body);
  return {std::move(name), std::make_shared<const json::object>(std::move(body))};
}

Result<std::optional<Object>> parse_object(const json::object& body) {
  if (name_of(body).name.empty()) return fail(Errc::invalid, "metadata.name is missing");
  return std::optional(make_object(body));
}

const json::value* find(const json::object& o, std::string_view path) {
  const json::object* at = &o;
  for (;;) {
    const auto slash = path.find('/');
    const json::value* v = at->if_contains(path.substr(0, slash));
    if (!v || v->is_null()) return nullptr;
    if (slash == std::string_view::npos) return v;
    at = v->if_object();
    if (!at) return nullptr;
    path.remove_prefix(slash + 1);
  }
}

std::string text(const json::object& o, std::string_view path, std::string_view fallback) {
  const auto* v = find(o, path);
  const auto* s = v ? v->if_string() : nullptr;
  return std::string(s ? std::string_view(*s) : fallback);
}

std::int64_t number(const json::object& o, std::string_view path, std::int64_t fallback) {
  const auto* v = find(o, path);
  if (!v || !v->is_number()) return fallback;
  boost::system::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  return ec ? fallback : n;
}

bool flag(const json::object& o, std::string_view path, bool fallback) {
  const auto* v = find(o, path);
  return v && v->is_bool() ? v->get_bool() : fallback;
}

const json::object& sub(const json::object& o, std::string_view path) {
  static const json::object kNone;
  const auto* v = find(o, path);
  return v && v->is_object() ? v->get_object() : kNone;
}

const json::array& list(const json::object& o, std::string_view path) {
  static const json::array kNone;
  const auto* v = find(o, path);
  return v && v->is_array() ? v->get_array() : kNone;
}

Labels string_map(const json::object& o, std::string_view path) {
  Labels out;
  for (const auto& [k, v] : sub(o, path))
    if (v.is_string()) out.emplace(k, std::string(v.get_string()));
  return out;
}

ObjectName name_of(const json::object& o) { return {text(o, "metadata/namespace"), text(o, "metadata/name")}; }
std::string uid_of(const json::object& o) { return text(o, "metadata/uid"); }

std::uint64_t version_of(const json::object& o) {
  const std::string v = text(o, "metadata/resourceVersion");
  std::uint64_t n = 0;
  std::from_chars(v.data(), v.data() + v.size(), n);
  return n;
}

bool deleting(const json::object& o) { return has(o, "metadata/deletionTimestamp"); }

std::string label(const json::object& o, std::string_view key) {
  const auto* v = sub(o, "metadata/labels").if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::string annotation(const json::object& o, std::string_view key) {
  const auto* v = sub(o, "metadata/annotations").if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

Wall::time_point time_at(const json::object& o, std::string_view path) { return parse_rfc3339(text(o, path)); }
Wall::time_point created(const json::object& o) { return time_at(o, "metadata/creationTimestamp"); }

const json::object* controller_of(const json::object& o) {
  for (const auto& ref : list(o, "metadata/ownerReferences"))
    if (ref.is_object() && flag(ref.get_object(), "controller")) return &ref.get_object();
  return nullptr;
}

bool controlled_by(const json::object& o, std::string_view uid) {
  const auto* ref = controller_of(o);
  return ref && text(*ref, "uid") == uid;
}

json::object controller_reference(std::string_view api_version, std::string_view kind, const json::object& owner) {
  return {{"apiVersion", api_version}, {"kind", kind},       {"name", text(owner, "metadata/name")},
          {"uid", uid_of(owner)},      {"controller", true}, {"blockOwnerDeletion", true}};
}

const json::object* condition(const json::object& o, std::string_view type) {
  for (const auto& c : list(o, "status/conditions"))
    if (c.is_object() && text(c.get_object(), "type") == type) return &c.get_object();
  return nullptr;
}

std::string canonical(const json::value& v) {
  std::string out;
  write_canonical(v, out);
  return out;
}

std::string short_hash(const json::value& v, std::int64_t collisions) {
  const std::string digest = sha256(canonical(v) + "#" + std::to_string(collisions));
  std::string out;
  for (std::size_t i = 0; i < 9; ++i) out += kAlphabet[static_cast<unsigned char>(digest[i]) % kAlphabet.size()];
  return out;
}

std::string random_suffix(std::size_t n) {
  std::string out = random_bytes(n);
  for (char& c : out) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return out;
}

}  // namespace weft::lab
