#include "kube/json.h"

#include <boost/json/parse.hpp>

namespace weft::kube {

namespace {
const json::object kNoObject;
const json::array kNoArray;
}  // namespace

json::value parse_json(std::string_view text, boost::system::error_code& ec) {
  json::parse_options deep;
  deep.max_depth = 256;
  return json::parse(text, ec, {}, deep);
}

const json::object& object_at(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_object() ? v->get_object() : kNoObject;
}
const json::array& array_at(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_array() ? v->get_array() : kNoArray;
}
std::string text_at(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}
std::optional<std::int64_t> number_at(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (!v || !v->is_number()) return std::nullopt;
  boost::system::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  if (ec) return std::nullopt;
  return n;
}
std::optional<bool> bool_at(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (!v || !v->is_bool()) return std::nullopt;
  return v->get_bool();
}
Labels labels_at(const json::object& o, std::string_view key) {
  Labels out;
  for (const auto& [k, v] : object_at(o, key))
    if (v.is_string()) out.emplace(std::string(k), std::string(v.get_string()));
  return out;
}
std::vector<std::string> texts_at(const json::object& o, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& v : array_at(o, key))
    if (v.is_string()) out.emplace_back(v.get_string());
  return out;
}
json::object to_json(const Labels& labels) {
  json::object out;
  for (const auto& [k, v] : labels) out[k] = v;
  return out;
}

const json::object& metadata(const json::object& object) { return object_at(object, "metadata"); }
std::string meta_text(const json::object& object, std::string_view key) { return text_at(metadata(object), key); }
json::object& metadata_of(json::object& object) {
  auto& m = object["metadata"];
  if (!m.is_object()) m.emplace_object();
  return m.get_object();
}
ObjectName name_of(const json::object& object) {
  const auto& m = metadata(object);
  return {text_at(m, "namespace"), text_at(m, "name")};
}
std::string uid_of(const json::object& object) { return text_at(metadata(object), "uid"); }
std::string version_of(const json::object& object) { return text_at(metadata(object), "resourceVersion"); }
Wall::time_point created_at(const json::object& object) {
  const auto t = text_at(metadata(object), "creationTimestamp");
  return t.empty() ? Wall::time_point{} : parse_rfc3339(t);
}

}  // namespace weft::kube
