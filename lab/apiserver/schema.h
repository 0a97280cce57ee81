// Schemas: what objects look like. One form for builtin kinds (from types/*.types) and for CustomResourceDefinitions
// (structural schemas); validation, defaults, pruning, strategic merge keys, server-side apply and OpenAPI all read it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/apiserver/json.h"
#include "lab/apiserver/status.h"

namespace re2 {
class RE2;
}

namespace weft::lab::api {

struct Schema {
  enum class Type { any, object, array, string, integer, number, boolean, int_or_string };
  enum class ListType { atomic, set, map };

  struct Property {
    std::string name;
    const Schema* schema = nullptr;
  };

  Type type = Type::any;
  std::string description;
  std::string format;  // int32, int64, date-time, byte, quantity, …
  bool nullable = false;
  const Schema* ref = nullptr;  // builtin types: the named type; the fields below about the shape are its own
  std::string type_name;        // a named type: io.k8s.api.core.v1.PodSpec

  // objects
  std::vector<Property> properties;  // in the order of the description
  std::vector<std::string> required;
  const Schema* additional = nullptr;  // a map's values
  bool preserve_unknown = false;
  bool embedded_resource = false;
  bool atomic_map = false;  // x-kubernetes-map-type: atomic

  // arrays
  const Schema* items = nullptr;
  ListType list_type = ListType::atomic;
  std::vector<std::string> list_map_keys;
  bool unique_keys = true;  // a CRD's list map; built-in kinds merge by key but accept what has it twice

  // strategic merge patch
  std::string patch_merge_key;
  bool patch_merge = false;        // lists merge
  bool patch_retain_keys = false;  // a patch names the keys to keep
  bool patch_replace = false;

  // values
  std::optional<json::value> default_value;
  std::vector<json::value> enum_values;
  std::string pattern;
  std::shared_ptr<re2::RE2> pattern_re;
  std::optional<double> minimum, maximum;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<double> multiple_of;
  std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  bool unique_items = false;
  std::vector<const Schema*> all_of, any_of, one_of;
  const Schema* not_ = nullptr;
  json::value raw;  // CRDs: as written, for OpenAPI

  /// The schema that holds the shape: the named type, or this one.
  const Schema& shape() const { return ref != nullptr ? *ref : *this; }
  const Schema* property(std::string_view name) const;
  bool is_map() const { return shape().additional != nullptr; }
};

/// Owns schemas; they point at each other and live as long as it.
class SchemaPool {
 public:
  Schema& make() { return all_.emplace_back(); }

 private:
  std::deque<Schema> all_;
};

/// A structural schema of a CRD version. Errors name the path within the schema.
struct CrdSchema {
  SchemaPool pool;
  const Schema* root = nullptr;
};
FieldErrors parse_crd_schema(const json::value& schema, const std::string& path, CrdSchema& out);

/// What an object's apiVersion, kind and metadata look like (needed below embedded resources).
const Schema* object_meta_schema();

// ---- What can be done with an object and its schema. Paths in errors read spec.ports[0].name.

/// Removes what the schema does not know and returns the paths removed. `crd`: unknown means pruning of custom
/// resources (nulls stay); otherwise decoding of builtin kinds (nulls are as if absent).
std::vector<std::string> prune(const Schema& schema, json::value& v, bool crd);

/// Fills in defaults where the parent object is present.
void apply_defaults(const Schema& schema, json::value& v, bool crd);

/// Values of another JSON type than the schema says; for builtin kinds that is a decoding error.
FieldErrors wrong_types(const Schema& schema, const json::value& v, const std::string& path = {});

/// Required fields, enums, ranges, lengths, patterns, formats, list uniqueness, allOf/anyOf/oneOf/not.
void validate(const Schema& schema, const json::value& v, const std::string& path, FieldErrors& errors, bool crd);

std::string join_path(const std::string& path, std::string_view key);

}  // namespace weft::lab::api
