#include "bgp/control/selector.h"

#include <algorithm>

namespace weft::bgp::control {

bool Requirement::matches(const Labels& labels) const {
  const auto it = labels.find(key);
  const bool there = it != labels.end();
  switch (op) {
    case Op::exists: return there;
    case Op::does_not_exist: return !there;
    case Op::in: return there && std::find(values.begin(), values.end(), it->second) != values.end();
    case Op::not_in: return !there || std::find(values.begin(), values.end(), it->second) == values.end();
  }
  return false;
}

bool Selector::matches(const Labels& labels) const {
  for (const auto& [key, value] : match_labels) {
    const auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  return std::all_of(expressions.begin(), expressions.end(), [&](const Requirement& r) { return r.matches(labels); });
}

std::string Selector::to_string() const {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  for (const auto& [key, value] : match_labels) add(key + "=" + value);
  for (const Requirement& r : expressions) {
    std::string values;
    for (const auto& v : r.values) values += (values.empty() ? "" : ", ") + v;
    switch (r.op) {
      case Requirement::Op::exists: add(r.key); break;
      case Requirement::Op::does_not_exist: add("!" + r.key); break;
      case Requirement::Op::in: add(r.key + " in (" + values + ")"); break;
      case Requirement::Op::not_in: add(r.key + " notin (" + values + ")"); break;
    }
  }
  return out.empty() ? "everything" : out;
}

}  // namespace weft::bgp::control
