// Structural schemas of CustomResourceDefinitions: JSON in, Schema out.
#include <fmt/format.h>
#include <re2/re2.h>

#include "lab/apiserver/schema.h"

namespace weft::lab::api {
namespace {

class Parser {
 public:
  Parser(CrdSchema& out, FieldErrors& errors) : out_(out), errors_(errors) {}

  // `logic`: below allOf, anyOf, oneOf or not, where types may be missing.
  const Schema* parse(const json::value& v, const std::string& path, bool logic, bool root = false) {
    Schema& s = out_.pool.make();
    if (!v.is_object()) {
      errors_.push_back(FieldError::invalid(path, v, "must be a schema object"));
      return &s;
    }
    s.raw = v;
    type_of(s, v, path, logic);
    s.description = text(v, {"description"});
    s.format = text(v, {"format"});
    s.nullable = flag(v, {"nullable"});
    s.preserve_unknown = flag(v, {"x-kubernetes-preserve-unknown-fields"});
    s.embedded_resource = root || flag(v, {"x-kubernetes-embedded-resource"});
    s.atomic_map = text(v, {"x-kubernetes-map-type"}) == "atomic";
    s.unique_items = flag(v, {"uniqueItems"});
    if (s.unique_items)
      errors_.push_back(FieldError::forbidden(
          path + ".uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
    limits(s, v);
    if (const auto* p = v.get_object().if_contains("pattern"); p != nullptr && p->is_string()) {
      s.pattern = std::string(p->get_string());
      RE2::Options options;
      options.set_log_errors(false);
      s.pattern_re = std::make_shared<RE2>(s.pattern, options);
      if (!s.pattern_re->ok()) {
        errors_.push_back(FieldError::invalid(
            path + ".pattern", *p, "must be a valid regular expression, but isn't: " + s.pattern_re->error()));
        s.pattern_re.reset();
      }
    }
    for (const auto& e : list(v, {"enum"})) s.enum_values.push_back(e);
    if (const auto* d = v.get_object().if_contains("default")) s.default_value = *d;
    for (const auto& r : list(v, {"required"}))
      if (r.is_string()) s.required.emplace_back(r.get_string());
    for (const auto& [name, child] : object(v, {"properties"})) {
      const std::string key(name);
      s.properties.push_back({key, parse(child, path + ".properties[" + key + "]", logic)});
    }
    if (const auto* a = v.get_object().if_contains("additionalProperties")) {
      if (a->is_object()) s.additional = parse(*a, path + ".additionalProperties", logic);
      if (a->is_bool() && a->get_bool()) s.preserve_unknown = true;
      if (s.additional != nullptr && !s.properties.empty())
        errors_.push_back(FieldError::forbidden(path + ".additionalProperties",
                                                "additionalProperties and properties are mutual exclusive"));
    }
    if (const auto* i = v.get_object().if_contains("items")) s.items = parse(*i, path + ".items", logic);
    if (s.type == Schema::Type::array && s.items == nullptr && !logic)
      errors_.push_back(FieldError::required(path + ".items", "must be specified"));
    list_type(s, v, path);
    logic_parts(s, v, path);
    return &s;
  }

 private:
  void type_of(Schema& s, const json::value& v, const std::string& path, bool logic) {
    const std::string type = text(v, {"type"});
    if (flag(v, {"x-kubernetes-int-or-string"})) {
      s.type = Schema::Type::int_or_string;
      if (!type.empty())
        errors_.push_back(FieldError::forbidden(path + ".type", "must be empty if x-kubernetes-int-or-string is true"));
    } else if (type == "object") {
      s.type = Schema::Type::object;
    } else if (type == "array") {
      s.type = Schema::Type::array;
    } else if (type == "string") {
      s.type = Schema::Type::string;
    } else if (type == "integer") {
      s.type = Schema::Type::integer;
    } else if (type == "number") {
      s.type = Schema::Type::number;
    } else if (type == "boolean") {
      s.type = Schema::Type::boolean;
    } else if (type.empty()) {
      s.type = Schema::Type::any;
      if (!logic && !flag(v, {"x-kubernetes-preserve-unknown-fields"}))
        errors_.push_back(FieldError::required(path + ".type", "must not be empty for specified object fields"));
    } else {
      errors_.push_back(FieldError::not_supported(path + ".type", v.at("type"),
                                                  {"array", "boolean", "integer", "number", "object", "string"}));
    }
  }

  static void limits(Schema& s, const json::value& v) {
    const auto whole = [&](std::string_view key, std::optional<std::int64_t>& out) {
      std::int64_t n = 0;
      if (const auto* at = find(v, {key}); at != nullptr && as_whole(*at, n)) out = n;
    };
    const auto real = [&](std::string_view key, std::optional<double>& out) {
      if (const auto* at = find(v, {key}); at != nullptr && at->is_number()) out = at->to_number<double>();
    };
    real("minimum", s.minimum);
    real("maximum", s.maximum);
    real("multipleOf", s.multiple_of);
    s.exclusive_minimum = flag(v, {"exclusiveMinimum"});
    s.exclusive_maximum = flag(v, {"exclusiveMaximum"});
    whole("minLength", s.min_length);
    whole("maxLength", s.max_length);
    whole("minItems", s.min_items);
    whole("maxItems", s.max_items);
    whole("minProperties", s.min_properties);
    whole("maxProperties", s.max_properties);
  }

  void list_type(Schema& s, const json::value& v, const std::string& path) {
    const std::string type = text(v, {"x-kubernetes-list-type"});
    if (type == "set") s.list_type = Schema::ListType::set;
    if (type == "map") s.list_type = Schema::ListType::map;
    if (!type.empty() && type != "set" && type != "map" && type != "atomic")
      errors_.push_back(
          FieldError::not_supported(path + ".x-kubernetes-list-type", json::value(type), {"atomic", "map", "set"}));
    for (const auto& k : list(v, {"x-kubernetes-list-map-keys"}))
      if (k.is_string()) s.list_map_keys.emplace_back(k.get_string());
    if (s.list_type == Schema::ListType::map && s.list_map_keys.empty())
      errors_.push_back(FieldError::required(path + ".x-kubernetes-list-map-keys",
                                             "must be specified for x-kubernetes-list-type map"));
  }

  void logic_parts(Schema& s, const json::value& v, const std::string& path) {
    const auto parts = [&](std::string_view key, std::vector<const Schema*>& out) {
      std::size_t i = 0;
      for (const auto& part : list(v, {key}))
        out.push_back(parse(part, fmt::format("{}.{}[{}]", path, key, i++), true));
    };
    parts("allOf", s.all_of);
    parts("anyOf", s.any_of);
    parts("oneOf", s.one_of);
    if (const auto* n = v.get_object().if_contains("not")) s.not_ = parse(*n, path + ".not", true);
    // anyOf: [{type: integer}, {type: string}] beside x-kubernetes-int-or-string says what that says already.
    if (s.type == Schema::Type::int_or_string) s.any_of.clear();
  }

  CrdSchema& out_;
  FieldErrors& errors_;
};

}  // namespace

FieldErrors parse_crd_schema(const json::value& schema, const std::string& path, CrdSchema& out) {
  FieldErrors errors;
  Parser parser(out, errors);
  out.root = parser.parse(schema, path, false, true);
  if (errors.empty() && out.root->type != Schema::Type::object && out.root->type != Schema::Type::any)
    errors.push_back(FieldError::invalid(path + ".type", schema, "must be object at the root"));
  return errors;
}

}  // namespace weft::lab::api
