#include "lab/apiserver/jsonpath.h"

#include <fmt/format.h>

#include <charconv>

namespace weft::lab::api {
namespace {

std::vector<std::string> dotted(std::string_view s) {
  std::vector<std::string> out;
  std::string part;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\\' && i + 1 < s.size()) {
      part += s[++i];
    } else if (s[i] == '.') {
      if (!part.empty()) out.push_back(std::move(part));
      part.clear();
    } else {
      part += s[i];
    }
  }
  if (!part.empty()) out.push_back(std::move(part));
  return out;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

}  // namespace

Result<JsonPath> JsonPath::parse(const std::string& text) {
  JsonPath out;
  const auto wrong = [&](std::string_view why) {
    return fail(Errc::invalid, fmt::format("JSON path \"{}\": {}", text, why));
  };
  std::string_view s = trim(text);
  if (s.starts_with('{') && s.ends_with('}')) s = s.substr(1, s.size() - 2);
  if (s.starts_with('$')) s.remove_prefix(1);
  if (s.empty() || (s[0] != '.' && s[0] != '[')) return wrong("must start with '.'");
  std::size_t i = 0;
  while (i < s.size()) {
    Step step;
    if (s[i] == '.') {
      ++i;
      if (i < s.size() && s[i] == '.') return wrong("'..' is not offered");
      if (i < s.size() && s[i] == '[') continue;
      while (i < s.size() && s[i] != '.' && s[i] != '[') {
        if (s[i] == '\\' && i + 1 < s.size()) ++i;
        step.key += s[i++];
      }
      if (step.key.empty()) {
        if (i == s.size()) break;
        return wrong("an empty name");
      }
      if (step.key == "*") step.kind = Step::Kind::all;
      out.steps_.push_back(std::move(step));
      continue;
    }
    if (s[i] != '[') return wrong("expected '.' or '['");
    // The closing bracket, outside quotes.
    std::size_t end = i + 1;
    for (char quote = 0; end < s.size() && (quote != 0 || s[end] != ']'); ++end) {
      if (quote != 0 ? s[end] == quote : (s[end] == '\'' || s[end] == '"')) quote = quote != 0 ? 0 : s[end];
    }
    if (end >= s.size()) return wrong("no ']'");
    const auto inside = trim(s.substr(i + 1, end - i - 1));
    i = end + 1;
    if (inside == "*") {
      step.kind = Step::Kind::all;
    } else if (inside.starts_with("?(") && inside.ends_with(')')) {
      step.kind = Step::Kind::filter;
      auto test = inside.substr(2, inside.size() - 3);
      for (const std::string_view op : {"==", "!="})
        if (const auto at = test.find(op); at != std::string_view::npos && step.filter_op.empty()) {
          step.filter_op = op;
          auto value = trim(test.substr(at + 2));
          test = test.substr(0, at);
          if (value.size() >= 2 && (value[0] == '\'' || value[0] == '"')) {
            step.filter_value = json::value(json::string_view(value.data() + 1, value.size() - 2));
          } else {
            auto parsed = parse_json(value);
            if (!parsed) return wrong("a filter compares with a value");
            step.filter_value = *parsed;
          }
        }
      test = trim(test);
      if (!test.starts_with("@")) return wrong("a filter starts with @");
      step.filter_path = dotted(test.substr(1));
    } else if (inside.size() >= 2 && (inside[0] == '\'' || inside[0] == '"')) {
      step.key = std::string(inside.substr(1, inside.size() - 2));
    } else {
      step.kind = Step::Kind::index;
      const auto r = std::from_chars(inside.data(), inside.data() + inside.size(), step.index);
      if (r.ec != std::errc() || r.ptr != inside.data() + inside.size())
        return wrong("expected a number, '*', a name in quotes or a filter in []");
    }
    out.steps_.push_back(std::move(step));
  }
  return out;
}

std::vector<const json::value*> JsonPath::find(const json::value& root) const {
  std::vector<const json::value*> now{&root};
  for (const auto& step : steps_) {
    std::vector<const json::value*> next;
    for (const auto* v : now) {
      const auto* o = v->if_object();
      const auto* a = v->if_array();
      switch (step.kind) {
        case Step::Kind::key:
          if (o != nullptr)
            if (const auto* at = o->if_contains(step.key)) next.push_back(at);
          break;
        case Step::Kind::index:
          if (a != nullptr) {
            const auto n = step.index < 0 ? step.index + static_cast<std::int64_t>(a->size()) : step.index;
            if (n >= 0 && n < static_cast<std::int64_t>(a->size())) next.push_back(&(*a)[static_cast<std::size_t>(n)]);
          }
          break;
        case Step::Kind::all:
          if (a != nullptr)
            for (const auto& item : *a) next.push_back(&item);
          if (o != nullptr)
            for (const auto& item : *o) next.push_back(&item.value());
          break;
        case Step::Kind::filter:
          if (a != nullptr)
            for (const auto& item : *a) {
              const json::value* at = &item;
              for (const auto& key : step.filter_path) at = at != nullptr ? api::find(*at, {key}) : nullptr;
              const bool equal = at != nullptr && same(*at, step.filter_value);
              if (step.filter_op.empty() ? at != nullptr : step.filter_op == "==" ? equal : at != nullptr && !equal)
                next.push_back(&item);
            }
          break;
      }
    }
    now = std::move(next);
  }
  return now;
}

}  // namespace weft::lab::api
