#include "lab/apiserver/schema.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <cmath>
#include <set>

#include "base/encoding.h"
#include "base/net.h"

namespace weft::lab::api {

const Schema* Schema::property(std::string_view name) const {
  for (const auto& p : shape().properties)
    if (p.name == name) return p.schema;
  return nullptr;
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

namespace {

std::string item_path(const std::string& path, std::size_t i) { return fmt::format("{}[{}]", path, i); }

bool embedded_key(std::string_view k) { return k == "apiVersion" || k == "kind" || k == "metadata"; }

/// What stands behind a key of an object, or nullptr if the schema does not know it.
const Schema* schema_of_key(const Schema& s, std::string_view key) {
  // A CRD may declare metadata as a mere object: what is in it is known all the same.
  if (s.embedded_resource && key == "metadata") return object_meta_schema();
  if (const auto* p = s.property(key)) return p;
  return s.additional;
}

void prune_at(const Schema& field, json::value& v, bool crd, const std::string& path,
              std::vector<std::string>& removed) {
  const Schema& s = field.shape();
  if (auto* o = v.if_object()) {
    if (s.type == Schema::Type::any) return;
    std::vector<std::string> drop;
    for (auto& [k, value] : *o) {
      const std::string key(k);
      const Schema* child = schema_of_key(s, key);
      if (child == nullptr) {
        if (s.preserve_unknown || (s.embedded_resource && embedded_key(key))) continue;
        removed.push_back(join_path(path, key));
        drop.push_back(key);
        continue;
      }
      // To a builtin type, null is the same as nothing; a map entry becomes the zero value of its type.
      const bool builtin = !crd || (s.embedded_resource && key == "metadata");
      if (value.is_null() && builtin) {
        if (child->type == Schema::Type::any) continue;
        if (s.additional == nullptr) {
          if (key != "creationTimestamp") drop.push_back(key);
        } else if (child->type == Schema::Type::string) {
          value = "";
        }
        continue;
      }
      prune_at(*child, value, !builtin, join_path(path, key), removed);
    }
    for (const auto& k : drop) o->erase(k);
  } else if (auto* a = v.if_array(); a != nullptr && s.items != nullptr) {
    for (std::size_t i = 0; i < a->size(); ++i) prune_at(*s.items, (*a)[i], crd, item_path(path, i), removed);
  }
}

}  // namespace

std::vector<std::string> prune(const Schema& schema, json::value& v, bool crd) {
  std::vector<std::string> removed;
  prune_at(schema, v, crd, {}, removed);
  return removed;
}

void apply_defaults(const Schema& field, json::value& v, bool crd) {
  const Schema& s = field.shape();
  if (auto* o = v.if_object()) {
    for (const auto& p : s.properties) {
      auto* at = o->if_contains(p.name);
      const bool null = at != nullptr && at->is_null() && !p.schema->nullable;
      if (p.schema->default_value && (at == nullptr || null)) {
        (*o)[p.name] = *p.schema->default_value;
      } else if (null && crd) {
        o->erase(p.name);
      } else if (!crd && at != nullptr && at->is_string() && at->get_string().empty() && p.schema->default_value &&
                 p.schema->default_value->is_string()) {
        *at = *p.schema->default_value;  // Go cannot tell "" from unset
      }
    }
    for (auto& [k, value] : *o) {
      const std::string_view key(k.data(), k.size());
      if (const Schema* child = schema_of_key(s, key); child != nullptr && !value.is_null()) {
        const bool meta = s.embedded_resource && key == "metadata";
        apply_defaults(*child, value, crd && !meta);
      }
    }
  } else if (auto* a = v.if_array(); a != nullptr && s.items != nullptr) {
    for (auto& item : *a) apply_defaults(*s.items, item, crd);
  }
}

namespace {

std::string_view type_name(Schema::Type t) {
  switch (t) {
    case Schema::Type::object: return "object";
    case Schema::Type::array: return "array";
    case Schema::Type::string: return "string";
    case Schema::Type::integer: return "integer";
    case Schema::Type::number: return "number";
    case Schema::Type::boolean: return "boolean";
    case Schema::Type::int_or_string: return "integer,string";
    case Schema::Type::any: break;
  }
  return "any";
}

std::string_view json_type(const json::value& v) {
  std::int64_t n = 0;
  if (v.is_object()) return "object";
  if (v.is_array()) return "array";
  if (v.is_string()) return "string";
  if (v.is_bool()) return "boolean";
  if (v.is_null()) return "null";
  return as_whole(v, n) ? "integer" : "number";
}

bool has_type(const Schema& s, const json::value& v) {
  std::int64_t n = 0;
  switch (s.type) {
    case Schema::Type::any: return true;
    case Schema::Type::object: return v.is_object();
    case Schema::Type::array: return v.is_array();
    case Schema::Type::string: return v.is_string();
    case Schema::Type::boolean: return v.is_bool();
    case Schema::Type::number: return v.is_number();
    case Schema::Type::integer: return as_whole(v, n);
    case Schema::Type::int_or_string:
      return v.is_string() || as_whole(v, n) || (s.format == "quantity" && v.is_number());
  }
  return false;
}

void wrong_types_at(const Schema& field, const json::value& v, const std::string& path, FieldErrors& errors) {
  const Schema& s = field.shape();
  if (v.is_null() && (field.nullable || s.type == Schema::Type::any || path.ends_with(".creationTimestamp"))) return;
  if (!has_type(s, v)) {
    errors.push_back({"FieldValueTypeInvalid", path,
                      fmt::format("Invalid value: \"{}\": {} in body must be of type {}: \"{}\"", json_type(v), path,
                                  type_name(s.type), json_type(v))});
    return;
  }
  if (const auto* o = v.if_object()) {
    for (const auto& [k, value] : *o)
      if (const Schema* child = schema_of_key(s, {k.data(), k.size()}))
        wrong_types_at(*child, value, join_path(path, {k.data(), k.size()}), errors);
  } else if (const auto* a = v.if_array(); a != nullptr && s.items != nullptr) {
    for (std::size_t i = 0; i < a->size(); ++i) wrong_types_at(*s.items, (*a)[i], item_path(path, i), errors);
  }
}

bool full_match(const char* pattern, std::string_view s) {
  return RE2::FullMatch(re2::StringPiece(s.data(), s.size()), pattern);
}

// Formats that the API server checks in custom resources, and two of ours for builtin kinds; empty: it is all right.
std::string format_problem(const std::string& format, const std::string& s) {
  const auto bad = [&] { return fmt::format("must be of type {}: {}", format, show(json::value(s))); };
  if (format == "date-time" || format == "datetime") {
    static const RE2 re(
        R"(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d{2}:?\d{2}))");
    return RE2::FullMatch(s, re) ? "" : bad();
  }
  if (format == "date") return full_match(R"(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))", s) ? "" : bad();
  if (format == "ipv4" || format == "ipv6") {
    const auto a = Address::parse(s);
    return a && a->is_v4() == (format == "ipv4") ? "" : bad();
  }
  if (format == "cidr") {
    const auto p = Prefix::parse(s);
    return p && s.find('/') != std::string::npos ? "" : bad();
  }
  if (format == "mac") return full_match("([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", s) ? "" : bad();
  if (format == "uuid")
    return full_match("[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}", s) ? ""
                                                                                                            : bad();
  if (format == "byte") return base64_decode(s) ? "" : bad();
  if (format == "hostname")
    return full_match(
               R"([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?)", s)
               ? ""
               : bad();
  if (format == "duration") return full_match(R"([-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+|0)", s) ? "" : bad();
  if (format == "dns-label")
    return s.size() <= 63 && full_match("[a-z0-9]([-a-z0-9]*[a-z0-9])?", s)
               ? ""
               : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                 "and end with an "
                 "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                 "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  if (format == "quantity")
    return full_match(R"([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|m|u|n|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)", s)
               ? ""
               : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  return {};
}

std::size_t characters(std::string_view s) {
  std::size_t n = 0;
  for (const char c : s) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

std::string plain(double d) {
  return std::floor(d) == d && std::abs(d) < 9e15 ? fmt::format("{}", static_cast<std::int64_t>(d))
                                                  : fmt::format("{}", d);
}

void validate_string(const Schema& field, const std::string& s, const std::string& path, FieldErrors& errors,
                     bool crd) {
  const auto n = static_cast<std::int64_t>(characters(s));
  const json::value v(s);
  if (field.max_length && n > *field.max_length)
    errors.push_back(FieldError::invalid(
        path, v, fmt::format("{} in body should be at most {} chars long", path, *field.max_length)));
  if (field.min_length && n < *field.min_length)
    errors.push_back(FieldError::invalid(
        path, v, fmt::format("{} in body should be at least {} chars long", path, *field.min_length)));
  if (field.pattern_re && !RE2::PartialMatch(s, *field.pattern_re))
    errors.push_back(FieldError::invalid(path, v, fmt::format("{} in body should match '{}'", path, field.pattern)));
  const std::string& format = field.format.empty() ? field.shape().format : field.format;
  if (format.empty() || (!crd && s.empty())) return;
  if (const auto problem = format_problem(format, s); !problem.empty())
    errors.push_back(
        FieldError::invalid(path, v, problem.starts_with("must be of type") ? path + " in body " + problem : problem));
}

void validate_number(const Schema& s, const json::value& v, const std::string& path, FieldErrors& errors) {
  const auto d = v.to_number<double>();
  if (s.minimum && (d < *s.minimum || (s.exclusive_minimum && d == *s.minimum)))
    errors.push_back(FieldError::invalid(path, v,
                                         fmt::format("{} in body should be greater than {}{}", path,
                                                     s.exclusive_minimum ? "" : "or equal to ", plain(*s.minimum))));
  if (s.maximum && (d > *s.maximum || (s.exclusive_maximum && d == *s.maximum)))
    errors.push_back(FieldError::invalid(path, v,
                                         fmt::format("{} in body should be less than {}{}", path,
                                                     s.exclusive_maximum ? "" : "or equal to ", plain(*s.maximum))));
  if (s.multiple_of && std::fmod(d, *s.multiple_of) != 0)
    errors.push_back(FieldError::invalid(
        path, v, fmt::format("{} in body should be a multiple of {}", path, plain(*s.multiple_of))));
  const std::string& format = s.format.empty() ? s.shape().format : s.format;
  if (format == "int32" && (d < -2147483648.0 || d > 2147483647.0))
    errors.push_back(FieldError::invalid(
        path, v, fmt::format("{} in body must be of type int32: {}", path, show(json::value(show(v))))));
}

void validate_list(const Schema& field, const json::array& a, const std::string& path, FieldErrors& errors) {
  const Schema& s = field.shape();
  const auto n = static_cast<std::int64_t>(a.size());
  if (s.max_items && n > *s.max_items)
    errors.push_back(
        {"FieldValueTooMany", path, fmt::format("Too many: {}: must have at most {} items", n, *s.max_items)});
  if (s.min_items && n < *s.min_items)
    errors.push_back(
        FieldError::invalid(path, n, fmt::format("{} in body should have at least {} items", path, *s.min_items)));
  if (s.list_type == Schema::ListType::set || s.unique_items) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!seen.insert(show(a[i])).second) errors.push_back(FieldError::duplicate(item_path(path, i), a[i]));
  } else if (s.list_type == Schema::ListType::map && s.unique_keys) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < a.size(); ++i) {
      json::object key;
      for (const auto& k : s.list_map_keys) {
        const auto* at = find(a[i], {k});
        if (at == nullptr && s.items != nullptr)
          if (const auto* p = s.items->property(k); p != nullptr && p->default_value) at = &*p->default_value;
        if (at != nullptr) key[k] = *at;
      }
      if (!seen.insert(json::serialize(key)).second) errors.push_back(FieldError::duplicate(item_path(path, i), key));
    }
  }
}

bool holds(const Schema& s, const json::value& v, const std::string& path, bool crd) {
  FieldErrors errors;
  wrong_types_at(s, v, path, errors);
  if (errors.empty()) validate(s, v, path, errors, crd);
  return errors.empty();
}

void validate_logic(const Schema& s, const json::value& v, const std::string& path, FieldErrors& errors, bool crd) {
  for (const auto* part : s.all_of) validate(*part, v, path, errors, crd);
  if (!s.any_of.empty() &&
      std::none_of(s.any_of.begin(), s.any_of.end(), [&](const Schema* p) { return holds(*p, v, path, crd); }))
    errors.push_back(
        FieldError::invalid(path, v, fmt::format("{} in body must validate at least one schema (anyOf)", path)));
  if (!s.one_of.empty()) {
    const auto n =
        std::count_if(s.one_of.begin(), s.one_of.end(), [&](const Schema* p) { return holds(*p, v, path, crd); });
    if (n != 1)
      errors.push_back(FieldError::invalid(
          path, v,
          fmt::format("{} in body must validate one and only one schema (oneOf). Found {} valid alternatives", path,
                      n == 0 ? "none" : std::to_string(n))));
  }
  if (s.not_ != nullptr && holds(*s.not_, v, path, crd))
    errors.push_back(FieldError::invalid(path, v, fmt::format("{} in body must not validate the schema (not)", path)));
}

}  // namespace

FieldErrors wrong_types(const Schema& schema, const json::value& v, const std::string& path) {
  FieldErrors errors;
  wrong_types_at(schema, v, path, errors);
  return errors;
}

void validate(const Schema& field, const json::value& v, const std::string& path, FieldErrors& errors, bool crd) {
  const Schema& s = field.shape();
  if (v.is_null()) return;  // whether null may stand here is a question of type
  if (!field.enum_values.empty() && std::none_of(field.enum_values.begin(), field.enum_values.end(),
                                                 [&](const json::value& e) { return same(e, v); })) {
    const bool unset = !crd && v.is_string() && v.get_string().empty();
    std::vector<std::string> names;
    for (const auto& e : field.enum_values) names.push_back(e.is_string() ? std::string(e.get_string()) : show(e));
    if (!unset) errors.push_back(FieldError::not_supported(path, v, names));
  }
  if (const auto* o = v.if_object()) {
    const auto n = static_cast<std::int64_t>(o->size());
    if (s.max_properties && n > *s.max_properties)
      errors.push_back(FieldError::invalid(
          path, v, fmt::format("{} in body should have at most {} properties", path, *s.max_properties)));
    if (s.min_properties && n < *s.min_properties)
      errors.push_back(FieldError::invalid(
          path, v, fmt::format("{} in body should have at least {} properties", path, *s.min_properties)));
    for (const auto& name : s.required) {
      const auto* at = o->if_contains(name);
      // A required string or list of a builtin kind must also say something.
      const bool empty = !crd && at != nullptr && ((at->is_string() && at->get_string().empty()) || at->is_null());
      if (at == nullptr || empty) errors.push_back(FieldError::required(join_path(path, name)));
    }
    for (const auto& [k, value] : *o) {
      const std::string_view key(k.data(), k.size());
      if (const Schema* child = schema_of_key(s, key))
        validate(*child, value, join_path(path, key), errors, crd && !(s.embedded_resource && key == "metadata"));
    }
  } else if (const auto* a = v.if_array()) {
    validate_list(field, *a, path, errors);
    if (s.items != nullptr)
      for (std::size_t i = 0; i < a->size(); ++i) validate(*s.items, (*a)[i], item_path(path, i), errors, crd);
  } else if (v.is_string()) {
    validate_string(field, std::string(v.get_string()), path, errors, crd);
  } else if (v.is_number()) {
    validate_number(field, v, path, errors);
  }
  validate_logic(s, v, path, errors, crd);
}

}  // namespace weft::lab::api
