#include "lab/apiserver/json.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>

namespace weft::lab::api {

const json::value* find(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* at = &v;
  for (const auto key : path) {
    const auto* o = at->if_object();
    if (o == nullptr) return nullptr;
    at = o->if_contains(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

json::value* find(json::value& v, std::initializer_list<std::string_view> path) {
  return const_cast<json::value*>(find(static_cast<const json::value&>(v), path));
}

json::object& make_object(json::value& v, std::initializer_list<std::string_view> path) {
  json::value* at = &v;
  if (!at->is_object()) at->emplace_object();
  for (const auto key : path) {
    at = &at->get_object()[key];
    if (!at->is_object()) at->emplace_object();
  }
  return at->get_object();
}

std::string text(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* at = find(v, path);
  return at != nullptr && at->is_string() ? std::string(at->get_string()) : std::string();
}

std::int64_t number(const json::value& v, std::initializer_list<std::string_view> path, std::int64_t otherwise) {
  const auto* at = find(v, path);
  std::int64_t n = 0;
  return at != nullptr && as_whole(*at, n) ? n : otherwise;
}

bool flag(const json::value& v, std::initializer_list<std::string_view> path, bool otherwise) {
  const auto* at = find(v, path);
  return at != nullptr && at->is_bool() ? at->get_bool() : otherwise;
}

const json::array& list(const json::value& v, std::initializer_list<std::string_view> path) {
  static const json::array none;
  const auto* at = find(v, path);
  return at != nullptr && at->is_array() ? at->get_array() : none;
}

const json::object& object(const json::value& v, std::initializer_list<std::string_view> path) {
  static const json::object none;
  const auto* at = find(v, path);
  return at != nullptr && at->is_object() ? at->get_object() : none;
}

bool as_whole(const json::value& v, std::int64_t& out) {
  if (v.is_int64()) return out = v.get_int64(), true;
  if (v.is_uint64()) return false;  // beyond int64
  if (v.is_double() && std::floor(v.get_double()) == v.get_double() && std::abs(v.get_double()) < 9e15)
    return out = static_cast<std::int64_t>(v.get_double()), true;
  return false;
}

bool same(const json::value& a, const json::value& b) {
  if (a.is_object() && b.is_object()) {
    if (a.get_object().size() != b.get_object().size()) return false;
    for (const auto& [k, v] : a.get_object()) {
      const auto* other = b.get_object().if_contains(k);
      if (other == nullptr || !same(v, *other)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    if (a.get_array().size() != b.get_array().size()) return false;
    for (std::size_t i = 0; i < a.get_array().size(); ++i)
      if (!same(a.get_array()[i], b.get_array()[i])) return false;
    return true;
  }
  if (a.is_number() && b.is_number()) {
    std::int64_t x = 0, y = 0;
    if (as_whole(a, x) && as_whole(b, y)) return x == y;
    return a.to_number<double>() == b.to_number<double>();
  }
  return a == b;
}

Result<json::value> parse_json(std::string_view text) {
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 200;
  json::stream_parser parser({}, options);
  const auto used = parser.write_some(text.data(), text.size(), ec);
  if (!ec && used < text.size() && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    return fail(Errc::invalid, fmt::format("text after the JSON value at byte {}", used));
  if (!ec) parser.finish(ec);
  if (ec) return fail(Errc::invalid, fmt::format("not JSON at byte {}: {}", used, ec.message()));
  return parser.release();
}

namespace {

json::value scalar(const YAML::Node& n) {
  const std::string& s = n.Scalar();
  if (n.Tag() == "!") return json::value(s);  // quoted
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return nullptr;
  if (s == "true" || s == "True" || s == "TRUE") return true;
  if (s == "false" || s == "False" || s == "FALSE") return false;
  std::int64_t i = 0;
  if (const auto r = std::from_chars(s.data(), s.data() + s.size(), i);
      r.ec == std::errc() && r.ptr == s.data() + s.size())
    return i;
  if (s.find_first_not_of("0123456789+-.eE") == std::string::npos &&
      s.find_first_of("0123456789") != std::string::npos) {
    double d = 0;
    if (const auto r = std::from_chars(s.data(), s.data() + s.size(), d);
        r.ec == std::errc() && r.ptr == s.data() + s.size())
      return d;
  }
  return json::value(s);
}

json::value convert(const YAML::Node& n, int depth) {
  if (depth > 200) throw YAML::Exception(n.Mark(), "nested too deeply");
  switch (n.Type()) {
    case YAML::NodeType::Scalar: return scalar(n);
    case YAML::NodeType::Sequence: {
      json::array out;
      for (const auto& item : n) out.push_back(convert(item, depth + 1));
      return out;
    }
    case YAML::NodeType::Map: {
      json::object out;
      for (const auto& item : n) out[item.first.Scalar()] = convert(item.second, depth + 1);
      return out;
    }
    default: return nullptr;
  }
}

}  // namespace

Result<json::value> parse_yaml(const std::string& text) {
  try {
    return convert(YAML::Load(text), 0);
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid, fmt::format("not YAML: {}", e.what()));
  }
}

std::string show(const json::value& v) { return json::serialize(v); }

}  // namespace weft::lab::api
