#include "manifest/manifest.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>

namespace weft {
namespace {

namespace json = boost::json;

constexpr int kMaxDepth = 200;  // a manifest nests perhaps ten deep; hostile input must not exhaust the stack

json::value scalar(const YAML::Node& n) {
  const std::string& s = n.Scalar();
  if (n.Tag() == "!") return json::value(s);  // quoted
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return nullptr;
  if (s == "true" || s == "True" || s == "TRUE") return true;
  if (s == "false" || s == "False" || s == "FALSE") return false;
  const char* end = s.data() + s.size();
  std::int64_t i = 0;
  // Kubernetes' tools read YAML 1.1 here: a file mode of 0400 is octal.
  if (s.size() > 1 && s.front() == '0' && s.find_first_not_of("01234567") == std::string::npos)
    if (const auto [p, ec] = std::from_chars(s.data(), s.data() + s.size(), i, 8); ec == std::errc{}) return i;
  const char* from = s.data() + (s.front() == '+' ? 1 : 0);
  if (const auto [p, ec] = std::from_chars(from, end, i); ec == std::errc{} && p == end) return i;
  if (s.starts_with("0x")) {
    std::uint64_t u = 0;
    if (const auto [p, ec] = std::from_chars(s.data() + 2, end, u, 16); ec == std::errc{} && p == end) return u;
  }
  if (s.find_first_not_of("+-0123456789.eE") == std::string::npos &&
      s.find_first_of("0123456789") != std::string::npos) {
    double d = 0;
    if (const auto [p, ec] = std::from_chars(from, end, d); ec == std::errc{} && p == end && std::isfinite(d)) return d;
  }
  return json::value(s);
}

json::value convert(const YAML::Node& n, int depth) {
  if (depth > kMaxDepth) throw YAML::Exception(n.Mark(), "nested too deeply");
  switch (n.Type()) {
    case YAML::NodeType::Scalar: return scalar(n);
    case YAML::NodeType::Sequence: {
      json::array out;
      for (const auto& item : n) out.push_back(convert(item, depth + 1));
      return out;
    }
    case YAML::NodeType::Map: {
      json::object out;
      for (const auto& item : n) {
        if (!item.first.IsScalar()) throw YAML::Exception(item.first.Mark(), "a key must be a word");
        if (out.contains(item.first.Scalar()))
          throw YAML::Exception(item.first.Mark(), "key \"" + item.first.Scalar() + "\" stands twice");
        out[item.first.Scalar()] = convert(item.second, depth + 1);
      }
      return out;
    }
    default: return nullptr;
  }
}

template <class Fn>
auto guarded(Fn&& fn) -> Result<decltype(fn())> {
  try {
    return fn();
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid,
                fmt::format("not YAML: line {}, column {}: {}", e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

// A plain scalar that reads back as the same string needs no quotes.
bool plain(const std::string& s) {
  if (s.empty() || s.front() == ' ' || s.back() == ' ' ||
      s.find_first_of("\n\t\"'\\#:{}[],&*!|>%@`") != std::string::npos)
    return false;
  if (s.front() == '-' || s.front() == '?' || s == "=" || s == "yes" || s == "no" || s == "on" || s == "off" ||
      s == "y" || s == "n")
    return false;
  return scalar(YAML::Node(s)).is_string();
}

void emit(YAML::Emitter& out, const json::value& v) {
  if (v.is_object()) {
    if (v.as_object().empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, item] : v.as_object()) {
      out << YAML::Key << std::string(key) << YAML::Value;
      emit(out, item);
    }
    out << YAML::EndMap;
  } else if (v.is_array()) {
    if (v.as_array().empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const auto& item : v.as_array()) emit(out, item);
    out << YAML::EndSeq;
  } else if (v.is_string()) {
    const std::string s(v.as_string());
    if (!plain(s)) out << YAML::DoubleQuoted;
    out << s;
  } else if (v.is_bool()) {
    out << v.as_bool();
  } else if (v.is_int64()) {
    out << v.as_int64();
  } else if (v.is_uint64()) {
    out << v.as_uint64();
  } else if (v.is_double()) {
    out << v.as_double();
  } else {
    out << YAML::Null;
  }
}

}  // namespace

Result<json::value> parse_yaml(std::string_view text) {
  return guarded([&] { return convert(YAML::Load(std::string(text)), 0); });
}

Result<std::vector<json::value>> parse_manifest(std::string_view text) {
  return guarded([&] {
    std::vector<json::value> out;
    for (const YAML::Node& doc : YAML::LoadAll(std::string(text))) {
      json::value v = convert(doc, 0);
      if (v.is_null()) continue;
      const bool list = v.is_object() && v.as_object().contains("items") && v.as_object()["items"].is_array() &&
                        v.as_object().contains("kind") && v.as_object()["kind"].is_string() &&
                        v.as_object()["kind"].as_string().ends_with("List");
      if (!list) {
        out.push_back(std::move(v));
        continue;
      }
      for (auto& item : v.as_object()["items"].as_array()) out.push_back(std::move(item));
    }
    return out;
  });
}

std::string to_yaml(const json::value& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace weft
