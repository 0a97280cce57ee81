#include <fmt/format.h>

#include <functional>
#include <set>

#include "base/encoding.h"
#include "lab/apiserver/discovery.h"

namespace weft::lab::api {
namespace {

/// Turns schemas into OpenAPI; collects the named types that they refer to.
class Writer {
 public:
  explicit Writer(std::string prefix) : prefix_(std::move(prefix)) {}

  json::object property(const Schema& s) {
    if (const Schema* named = s.ref != nullptr ? s.ref : value_type(s)) {
      refer(named);
      json::object out;
      if (prefix_ == "#/definitions/") {
        out["$ref"] = prefix_ + named->type_name;
      } else {
        out["allOf"] = json::array{json::object{{"$ref", prefix_ + named->type_name}}};
        if (s.default_value) out["default"] = *s.default_value;
      }
      if (!s.description.empty()) out["description"] = s.description;
      extensions(s, out);
      return out;
    }
    json::object out = shape(s);
    if (!s.description.empty()) out["description"] = s.description;
    if (s.default_value) out["default"] = *s.default_value;
    return out;
  }

  // Two builtin value types have names of their own, by which explain shows them.
  static const Schema* value_type(const Schema& s) {
    static const auto make = [](const char* name, const char* format, const char* description) {
      Schema out;
      out.type = Schema::Type::string;
      out.type_name = name;
      out.format = format;
      out.description = description;
      return out;
    };
    static const Schema int_or_string = make("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "int-or-string",
                                             "A number, or text such as a port's name or 25%.");
    static const Schema quantity =
        make("io.k8s.apimachinery.pkg.api.resource.Quantity", "", "An amount: 500m, 2, 128Mi.");
    if (s.type != Schema::Type::int_or_string || !s.type_name.empty()) return nullptr;
    return s.format == "quantity" ? &quantity : s.format == "int-or-string" ? &int_or_string : nullptr;
  }

  json::object shape(const Schema& s) {
    json::object out;
    if (prefix_ != "#/definitions/" && !s.type_name.empty() && s.type == Schema::Type::string) {  // a value type
      out["oneOf"] = json::array{json::object{{"type", s.format.empty() ? "number" : "integer"}},
                                 json::object{{"type", "string"}}};
      if (!s.format.empty()) out["format"] = s.format;
      return out;
    }
    switch (s.type) {
      case Schema::Type::object: out["type"] = "object"; break;
      case Schema::Type::array: out["type"] = "array"; break;
      case Schema::Type::string: out["type"] = "string"; break;
      case Schema::Type::integer: out["type"] = "integer"; break;
      case Schema::Type::number: out["type"] = "number"; break;
      case Schema::Type::boolean: out["type"] = "boolean"; break;
      case Schema::Type::int_or_string: out["type"] = "string"; break;
      case Schema::Type::any: out["type"] = "object"; break;
    }
    if (!s.format.empty() && s.format != "dns-label" && s.format != "quantity" && s.format != "cidr")
      out["format"] = s.format;
    if (s.type == Schema::Type::any || s.preserve_unknown) out["x-kubernetes-preserve-unknown-fields"] = true;
    if (!s.properties.empty()) {
      json::object properties;
      for (const auto& p : s.properties) properties[p.name] = property(*p.schema);
      out["properties"] = std::move(properties);
    }
    if (!s.required.empty()) {
      json::array required;
      for (const auto& r : s.required) required.emplace_back(r);
      out["required"] = std::move(required);
    }
    if (s.additional != nullptr) out["additionalProperties"] = property(*s.additional);
    if (s.items != nullptr) out["items"] = property(*s.items);
    if (!s.enum_values.empty()) {
      json::array values;
      for (const auto& e : s.enum_values) values.push_back(e);
      out["enum"] = std::move(values);
    }
    extensions(s, out);
    return out;
  }

  void refer(const Schema* s) { wanted_.insert(s); }

  /// All types referred to, and what they refer to.
  void write_types(json::object& out) {
    std::set<const Schema*> done;
    while (done.size() < wanted_.size())
      for (const auto* s : std::set<const Schema*>(wanted_))
        if (done.insert(s).second && !out.contains(s->type_name)) {
          auto type = shape(*s);
          type["description"] = s->description;
          out[s->type_name] = std::move(type);
        }
  }

 private:
  static void extensions(const Schema& s, json::object& out) {
    if (s.atomic_map) out["x-kubernetes-map-type"] = "atomic";
    if (s.type == Schema::Type::array) {
      out["x-kubernetes-list-type"] = s.list_type == Schema::ListType::map   ? "map"
                                      : s.list_type == Schema::ListType::set ? "set"
                                                                             : "atomic";
      if (s.list_type == Schema::ListType::map) {
        json::array keys;
        for (const auto& k : s.list_map_keys) keys.emplace_back(k);
        out["x-kubernetes-list-map-keys"] = std::move(keys);
      }
    }
    if (!s.patch_merge_key.empty()) out["x-kubernetes-patch-merge-key"] = s.patch_merge_key;
    if (s.patch_merge || s.patch_retain_keys)
      out["x-kubernetes-patch-strategy"] = s.patch_merge && s.patch_retain_keys ? "merge,retainKeys"
                                           : s.patch_merge                      ? "merge"
                                                                                : "retainKeys";
  }

  std::string prefix_;
  std::set<const Schema*> wanted_;
};

json::object gvk(const Kind& k) { return {{"group", k.group}, {"kind", k.kind}, {"version", k.version}}; }

json::object parameter(const char* name, const char* description, bool v3) {
  json::object out{{"name", name}, {"in", "query"}, {"description", description}};
  if (v3)
    out["schema"] = json::object{{"type", "string"}, {"uniqueItems", true}};
  else
    out["type"] = "string", out["uniqueItems"] = true;
  return out;
}

json::object operation(const Kind& k, const char* action, const std::string& id, bool v3, bool write) {
  json::object out{{"description", fmt::format("{} {}", id, k.kind)},
                   {"operationId", id + k.kind},
                   {"x-kubernetes-action", action},
                   {"x-kubernetes-group-version-kind", gvk(k)}};
  out["responses"] = json::object{{"200", json::object{{"description", "OK"}}}};
  json::array parameters;
  if (write) {
    parameters.push_back(parameter("dryRun", "All: nothing is stored.", v3));
    parameters.push_back(parameter("fieldManager", "Who makes the change.", v3));
    parameters.push_back(parameter("fieldValidation", "What happens to unknown fields: Ignore, Warn or Strict.", v3));
  }
  if (std::string_view(action) == "patch")
    parameters.push_back(parameter("force", "Take fields from other managers (apply only).", v3));
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  return out;
}

void write_paths(const Kind& k, json::object& paths, bool v3) {
  const std::string base = k.group.empty() ? "/api/" + k.version : "/apis/" + k.group + "/" + k.version;
  const std::string all = base + (k.namespaced ? "/namespaces/{namespace}/" : "/") + k.plural;
  paths[all] = json::object{{"get", operation(k, "list", "list", v3, false)},
                            {"post", operation(k, "post", "create", v3, true)},
                            {"delete", operation(k, "deletecollection", "deleteCollection", v3, false)}};
  if (k.namespaced) paths[base + "/" + k.plural] = json::object{{"get", operation(k, "list", "listAll", v3, false)}};
  const auto one = [&] {
    return json::object{{"get", operation(k, "get", "read", v3, false)},
                        {"put", operation(k, "put", "replace", v3, true)},
                        {"patch", operation(k, "patch", "patch", v3, true)},
                        {"delete", operation(k, "delete", "delete", v3, false)}};
  };
  paths[all + "/{name}"] = one();
  if (k.has("status")) {
    auto status = one();
    status.erase("delete");
    paths[all + "/{name}/status"] = std::move(status);
  }
}

// A custom resource's schema is shown as it was written, plus what every object has.
json::object custom_schema(const Kind& k, Writer& w, const std::string& prefix) {
  json::object out = k.custom->root->raw.is_object() ? k.custom->root->raw.get_object() : json::object{};
  auto& properties = out["properties"];
  if (!properties.is_object()) properties.emplace_object();
  properties.get_object()["apiVersion"] =
      json::object{{"type", "string"}, {"description", "Group and version of this object."}};
  properties.get_object()["kind"] = json::object{{"type", "string"}, {"description", "What kind of object this is."}};
  json::object meta{{"description", "Name, place and history of the object."}};
  w.refer(object_meta_schema());
  const json::object ref{{"$ref", prefix + object_meta_schema()->type_name}};
  if (prefix == "#/definitions/")
    meta["$ref"] = ref.at("$ref");
  else
    meta["allOf"] = json::array{ref};
  properties.get_object()["metadata"] = std::move(meta);
  return out;
}

void write_kind(const Kind& k, json::object& types, Writer& w, const std::string& prefix) {
  json::object schema = k.is_custom() ? custom_schema(k, w, prefix) : w.shape(*k.schema);
  if (!k.description.empty()) schema["description"] = k.description;
  schema["x-kubernetes-group-version-kind"] = json::array{gvk(k)};
  types[k.schema_name] = std::move(schema);
  json::object items{{"$ref", prefix + k.schema_name}};
  json::object list{
      {"type", "object"}, {"description", fmt::format("A list of {}.", k.kind)}, {"required", json::array{"items"}}};
  list["properties"] =
      json::object{{"apiVersion", json::object{{"type", "string"}}},
                   {"kind", json::object{{"type", "string"}}},
                   {"items", json::object{{"type", "array"}, {"items", std::move(items)}}},
                   {"metadata", json::object{{"$ref", prefix + "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"}}}};
  list["x-kubernetes-group-version-kind"] =
      json::array{json::object{{"group", k.group}, {"kind", k.list_kind}, {"version", k.version}}};
  types[k.schema_name + "List"] = std::move(list);
  w.refer(builtin_type("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"));
}

std::string path_of(const std::string& group, const std::string& version) {
  return group.empty() ? "api/" + version : "apis/" + group + "/" + version;
}

}  // namespace

json::object openapi_v3(const Kinds& kinds, const std::string& group, const std::string& version) {
  const std::string prefix = "#/components/schemas/";
  Writer w(prefix);
  json::object paths, types;
  for (const auto& k : kinds.of(group, version)) {
    write_paths(*k, paths, true);
    write_kind(*k, types, w, prefix);
  }
  w.write_types(types);
  return {{"openapi", "3.0.0"},
          {"info", json::object{{"title", "Kubernetes"}, {"version", kGitVersion}}},
          {"paths", std::move(paths)},
          {"components", json::object{{"schemas", std::move(types)}}}};
}

json::object openapi_v3_index(const Kinds& kinds) {
  json::object paths;
  const auto add = [&](const std::string& group) {
    for (const auto& v : kinds.versions(group)) {
      const auto at = path_of(group, v);
      // Clients cache by the hash: it need only differ when the document may differ.
      const auto hash = hex_encode(sha256(fmt::format("{} {} {}", kGitVersion, at,
                                                      json::serialize(api_resource_list(kinds, group, v)))))
                            .substr(0, 16);
      paths[at] =
          json::object{{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}-{}", at, hash, kinds.generation())}};
    }
  };
  add("");
  for (const auto& g : kinds.groups()) add(g);
  return {{"paths", std::move(paths)}};
}

json::object openapi_v2(const Kinds& kinds) {
  const std::string prefix = "#/definitions/";
  Writer w(prefix);
  json::object paths, types;
  for (const auto& k : kinds.all()) {
    write_paths(*k, paths, false);
    write_kind(*k, types, w, prefix);
  }
  w.write_types(types);
  return {{"swagger", "2.0"},
          {"info", json::object{{"title", "Kubernetes"}, {"version", kGitVersion}}},
          {"paths", std::move(paths)},
          {"definitions", std::move(types)}};
}

}  // namespace weft::lab::api
