#include "bgp/control/reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::bgp::control {

namespace {
const json::object kNothing;
const char* kind_of(const json::value& v) {
  switch (v.kind()) {
    case json::kind::object: return "an object";
    case json::kind::array: return "a list";
    case json::kind::string: return "a text";
    case json::kind::bool_: return "true or false";
    case json::kind::null: return "null";
    default: return "a number";
  }
}
}  // namespace

Reader::Reader(const json::object& root, ObjectRef object, Findings& findings)
    : at_(&root), object_(std::make_shared<const ObjectRef>(std::move(object))), findings_(&findings) {}
Reader::Reader(const json::object* at, std::string path, const Reader& parent)
    : at_(at), path_(std::move(path)), object_(parent.object_), findings_(parent.findings_) {}

const json::value* Reader::find(std::string_view key) const {
  const auto* v = at_->if_contains(key);
  return v && !v->is_null() ? v : nullptr;
}

std::string Reader::path_of(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void Reader::note(Finding::Severity severity, std::string_view key, std::string wrong, std::string mend) const {
  const auto* v = key.empty() ? nullptr : find(key);
  std::string value = v && !v->is_object() && !v->is_array() ? json::serialize(*v) : "";
  if (value.size() > 80) value = value.substr(0, 77) + "...";
  findings_->push_back({severity, *object_, path_of(key), std::move(value), std::move(wrong), std::move(mend)});
}
void Reader::error(std::string_view key, std::string wrong, std::string mend) const {
  note(Finding::Severity::error, key, std::move(wrong), std::move(mend));
}
void Reader::warn(std::string_view key, std::string wrong, std::string mend) const {
  note(Finding::Severity::warning, key, std::move(wrong), std::move(mend));
}
void Reader::error_at(std::string_view key, std::size_t index, std::string value, std::string wrong,
                      std::string mend) const {
  findings_->push_back({Finding::Severity::error, *object_, fmt::format("{}[{}]", path_of(key), index),
                        std::move(value), std::move(wrong), std::move(mend)});
}

bool Reader::has(std::string_view key) const { return find(key) != nullptr; }

bool Reader::none(std::string_view key) const {
  const auto* v = find(key);
  return v == nullptr || (v->is_array() && v->get_array().empty());
}

void Reader::require(std::string_view key) const {
  if (!has(key)) error(key, "is missing", "it is required here");
}

std::optional<Reader> Reader::maybe(std::string_view key) const {
  const auto* v = find(key);
  if (!v) return std::nullopt;
  if (!v->is_object()) {
    error(key, std::string("is ") + kind_of(*v), "give an object");
    return std::nullopt;
  }
  return Reader(&v->get_object(), path_of(key), *this);
}

Reader Reader::at(std::string_view key) const {
  if (auto r = maybe(key)) return *r;
  return Reader(&kNothing, path_of(key), *this);
}

std::vector<Reader> Reader::list(std::string_view key, std::size_t least, std::size_t most) const {
  std::vector<Reader> out;
  const auto* v = find(key);
  if (v && !v->is_array()) {
    error(key, std::string("is ") + kind_of(*v), "give a list");
    return out;
  }
  const std::size_t size = v ? v->get_array().size() : 0;
  if (size < least)
    error(key, size == 0 ? "is empty" : fmt::format("has {} entries", size), fmt::format("give at least {}", least));
  if (size > most) error(key, fmt::format("has {} entries", size), fmt::format("give at most {}", most));
  for (std::size_t i = 0; i < size; ++i) {
    const auto& entry = v->get_array()[i];
    if (entry.is_object()) {
      out.push_back(Reader(&entry.get_object(), fmt::format("{}[{}]", path_of(key), i), *this));
    } else {
      error_at(key, i, json::serialize(entry), std::string("is ") + kind_of(entry), "give an object");
    }
  }
  return out;
}

std::vector<std::string> Reader::texts(std::string_view key, std::size_t least) const {
  std::vector<std::string> out;
  const auto* v = find(key);
  if (v && !v->is_array()) {
    error(key, std::string("is ") + kind_of(*v), "give a list of texts");
    return out;
  }
  const std::size_t size = v ? v->get_array().size() : 0;
  if (size < least) error(key, "is empty", fmt::format("give at least {}", least));
  for (std::size_t i = 0; i < size; ++i) {
    const auto& entry = v->get_array()[i];
    if (entry.is_string()) {
      out.emplace_back(entry.get_string());
    } else {
      error_at(key, i, json::serialize(entry), std::string("is ") + kind_of(entry), "give a text");
    }
  }
  return out;
}

std::optional<std::int64_t> Reader::integer(std::string_view key, std::int64_t least, std::int64_t most) const {
  const auto* v = find(key);
  if (!v) return std::nullopt;
  const std::string range = fmt::format("give {} to {}", least, most);
  if (!v->is_number()) {
    error(key, std::string("is ") + kind_of(*v), range);
    return std::nullopt;
  }
  boost::system::error_code ec;
  const auto n = v->to_number<std::int64_t>(ec);
  if (ec) {
    error(key, "is not a whole number", range);
    return std::nullopt;
  }
  if (n < least || n > most) {
    error(key, n < least ? fmt::format("is less than {}", least) : fmt::format("is more than {}", most), range);
    return std::nullopt;
  }
  return n;
}

std::int64_t Reader::integer_or(std::string_view key, std::int64_t least, std::int64_t most,
                                std::int64_t otherwise) const {
  return integer(key, least, most).value_or(otherwise);
}

bool Reader::boolean(std::string_view key, bool otherwise) const {
  const auto* v = find(key);
  if (!v) return otherwise;
  if (v->is_bool()) return v->get_bool();
  error(key, std::string("is ") + kind_of(*v), "give true or false");
  return otherwise;
}

std::string Reader::text(std::string_view key) const {
  const auto* v = find(key);
  if (!v) return {};
  if (v->is_string()) return std::string(v->get_string());
  error(key, std::string("is ") + kind_of(*v), "give a text");
  return {};
}

std::optional<Address> Reader::address(std::string_view key) const {
  const std::string t = text(key);
  if (t.empty()) return std::nullopt;
  const auto a = Address::parse(t);
  if (a) return *a;
  error(key, "is not an IP address", "give one such as 192.0.2.1 or 2001:db8::1");
  return std::nullopt;
}

std::optional<std::size_t> Reader::choice(std::string_view key, std::initializer_list<std::string_view> words) const {
  if (!has(key)) return std::nullopt;
  const std::string t = text(key);
  std::string all;
  for (const auto w : words) {
    if (w == t) return static_cast<std::size_t>(std::find(words.begin(), words.end(), w) - words.begin());
    all += (all.empty() ? "" : ", ") + std::string(w);
  }
  error(key, "is none of the words known here", "give one of " + all);
  return std::nullopt;
}

std::optional<Selector> Reader::selector(std::string_view key) const {
  const auto r = maybe(key);
  if (!r) return std::nullopt;
  Selector out;
  if (const auto labels = r->maybe("matchLabels"))
    for (const auto& [name, value] : *labels->at_) {
      if (value.is_string()) {
        out.match_labels.emplace(std::string(name), std::string(value.get_string()));
      } else {
        labels->error(name, std::string("is ") + kind_of(value), "give a text; quote numbers and true");
      }
    }
  for (const Reader& e : r->list("matchExpressions")) {
    Requirement q;
    e.require("key");
    e.require("operator");
    q.key = e.text("key");
    q.values = e.texts("values");
    const auto op = e.choice("operator", {"In", "NotIn", "Exists", "DoesNotExist"});
    if (!op) continue;
    q.op = static_cast<Requirement::Op>(*op);
    const bool wants_values = q.op == Requirement::Op::in || q.op == Requirement::Op::not_in;
    if (wants_values && q.values.empty()) e.error("values", "is empty", "In and NotIn need at least one value");
    if (!wants_values && !q.values.empty()) e.error("values", "is not empty", "Exists and DoesNotExist take no values");
    out.expressions.push_back(std::move(q));
  }
  return out;
}

bool Unique::add(const Reader& where, std::string_view key, const std::string& name) {
  if (seen_.insert(name).second) return true;
  where.error(key, "stands twice", "give each its own");
  return false;
}

}  // namespace weft::bgp::control
