#include "lab/apiserver/selector.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace weft::lab::api {
namespace {

/// Words and signs of a selector.
class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text) {}

  // "", ",", "(", ")", "!", "=", "==", "!=", "<", ">" or a word.
  std::string next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    if (at_ == text_.size()) return {};
    const auto sign = [&](std::string_view s) { return text_.compare(at_, s.size(), s) == 0; };
    for (const std::string_view s : {"==", "!=", "=", "!", ",", "(", ")", "<", ">"})
      if (sign(s)) return at_ += s.size(), std::string(s);
    std::string word;
    while (at_ < text_.size() && std::string_view(" \t=!,()<>").find(text_[at_]) == std::string_view::npos)
      word += text_[at_++];
    return word;
  }
  std::string peek() {
    const auto before = at_;
    auto word = next();
    at_ = before;
    return word;
  }

 private:
  const std::string& text_;
  std::size_t at_ = 0;
};

bool is_word(const std::string& s) {
  return !s.empty() && std::string_view("=!,()<>").find(s[0]) == std::string_view::npos;
}

bool label_text(std::string_view s) {
  if (s.empty()) return true;
  const auto alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return s.size() <= 63 && alnum(s.front()) && alnum(s.back()) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

Answer<LabelSelector> LabelSelector::parse(const std::string& text) {
  LabelSelector out;
  Scanner in(text);
  const auto wrong = [&](const std::string& why) {
    return refuse(ApiError::bad_request(
        fmt::format("unable to parse requirement: {} in label selector {}", why, show(json::value(text)))));
  };
  if (in.peek().empty()) return out;
  for (;;) {
    Term term;
    auto word = in.next();
    const bool absent = word == "!";
    if (absent) word = in.next();
    if (!is_word(word)) return wrong(fmt::format("found '{}', expected a label key", word));
    term.key = word;
    const auto slash = word.find('/');
    if (!label_text(slash == std::string::npos ? word : word.substr(slash + 1)) || word.ends_with('/'))
      return wrong(fmt::format("'{}' is not a label key", word));
    auto op = in.peek();
    if (absent || op.empty() || op == ",") {
      term.op = absent ? Op::absent : Op::exists;
    } else if (op == "=" || op == "==" || op == "!=" || op == "<" || op == ">") {
      in.next();
      term.op = op == "!=" ? Op::not_equal : op == "<" ? Op::less : op == ">" ? Op::greater : Op::equal;
      std::string value;
      if (is_word(in.peek())) value = in.next();
      if (!label_text(value)) return wrong(fmt::format("'{}' is not a label value", value));
      term.values.push_back(value);
    } else if (op == "in" || op == "notin") {
      in.next();
      term.op = op == "in" ? Op::in : Op::not_in;
      if (in.next() != "(") return wrong("expected '(' after " + op);
      for (;;) {
        auto value = in.peek();
        if (is_word(value)) {
          in.next();
          term.values.push_back(value);
        } else if (value == ",") {
          in.next();
        } else if (value == ")") {
          in.next();
          break;
        } else {
          return wrong("expected ')' after the values");
        }
      }
      if (term.values.empty()) term.values.emplace_back();
    } else {
      return wrong(fmt::format("found '{}', expected in, notin, =, ==, !=, < or >", op));
    }
    out.terms_.push_back(std::move(term));
    const auto comma = in.next();
    if (comma.empty()) return out;
    if (comma != ",") return wrong(fmt::format("found '{}', expected ','", comma));
  }
}

bool LabelSelector::matches(const json::value& o) const {
  const auto& labels = object(o, {"metadata", "labels"});
  for (const auto& t : terms_) {
    const auto* at = labels.if_contains(t.key);
    const bool there = at != nullptr && at->is_string();
    const std::string value = there ? std::string(at->get_string()) : std::string();
    const bool listed = there && std::find(t.values.begin(), t.values.end(), value) != t.values.end();
    bool ok = false;
    switch (t.op) {
      case Op::equal:
      case Op::in: ok = listed; break;
      case Op::not_equal:
      case Op::not_in: ok = !listed; break;
      case Op::exists: ok = there; break;
      case Op::absent: ok = !there; break;
      case Op::greater: ok = there && std::atoll(value.c_str()) > std::atoll(t.values[0].c_str()); break;
      case Op::less: ok = there && std::atoll(value.c_str()) < std::atoll(t.values[0].c_str()); break;
    }
    if (!ok) return false;
  }
  return true;
}

namespace {

const std::set<std::string>& fields_of(const std::string& group, const std::string& plural) {
  static const std::map<std::string, std::set<std::string>> known{
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName"}},
      {"nodes", {"spec.unschedulable"}},
      {"namespaces", {"status.phase"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"replicasets.apps", {"status.replicas"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
  };
  static const std::set<std::string> none;
  const auto it = known.find(qualified(group, plural));
  return it == known.end() ? none : it->second;
}

std::string field_text(const json::value& o, const std::string& field) {
  if (field == "source") {
    auto component = text(o, {"source", "component"});
    return component.empty() ? text(o, {"reportingComponent"}) : component;
  }
  const json::value* at = &o;
  std::size_t begin = 0;
  while (at != nullptr && begin <= field.size()) {
    const auto end = std::min(field.find('.', begin), field.size());
    at = find(*at, {std::string_view(field).substr(begin, end - begin)});
    begin = end + 1;
  }
  if (at == nullptr || at->is_null())
    return field == "spec.unschedulable" || field == "spec.hostNetwork" ? "false" : "";
  return at->is_string() ? std::string(at->get_string()) : show(*at);
}

}  // namespace

Answer<FieldSelector> FieldSelector::parse(const std::string& text, const std::string& group, const std::string& plural,
                                           const std::vector<std::string>& extra) {
  FieldSelector out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty()) continue;
    Term term;
    const auto eq = part.find('=');
    if (eq == std::string::npos || eq == 0)
      return refuse(ApiError::bad_request(
          fmt::format("invalid field selector {}: expected field=value or field!=value", show(json::value(part)))));
    term.equal = part[eq - 1] != '!';
    term.field = part.substr(0, term.equal ? eq : eq - 1);
    term.value = part.substr(part.compare(eq, 2, "==") == 0 ? eq + 2 : eq + 1);
    const bool known = term.field == "metadata.name" || term.field == "metadata.namespace" ||
                       fields_of(group, plural).contains(term.field) ||
                       std::find(extra.begin(), extra.end(), term.field) != extra.end();
    if (!known) return refuse(ApiError::bad_request(fmt::format("field label not supported: {}", term.field)));
    out.terms_.push_back(std::move(term));
  }
  return out;
}

bool FieldSelector::matches(const json::value& o) const {
  return std::all_of(terms_.begin(), terms_.end(),
                     [&](const Term& t) { return (field_text(o, t.field) == t.value) == t.equal; });
}

std::string FieldSelector::name() const {
  for (const auto& t : terms_)
    if (t.equal && t.field == "metadata.name") return t.value;
  return {};
}

std::string selector_text(const json::value& selector) {
  std::vector<std::string> parts;
  for (const auto& [k, v] : object(selector, {"matchLabels"}))
    parts.push_back(std::string(k) + "=" + (v.is_string() ? std::string(v.get_string()) : show(v)));
  for (const auto& e : list(selector, {"matchExpressions"})) {
    const auto key = text(e, {"key"}), op = text(e, {"operator"});
    std::vector<std::string> values;
    for (const auto& v : list(e, {"values"}))
      if (v.is_string()) values.emplace_back(v.get_string());
    if (op == "In") parts.push_back(fmt::format("{} in ({})", key, fmt::join(values, ",")));
    if (op == "NotIn") parts.push_back(fmt::format("{} notin ({})", key, fmt::join(values, ",")));
    if (op == "Exists") parts.push_back(key);
    if (op == "DoesNotExist") parts.push_back("!" + key);
  }
  std::sort(parts.begin(), parts.end());
  return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace weft::lab::api
