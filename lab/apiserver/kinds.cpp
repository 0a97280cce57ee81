#include "lab/apiserver/kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/log.h"

namespace weft::lab::api {

extern const char* const kMetaTypes;
extern const char* const kCoreTypes;
extern const char* const kRestTypes;

namespace {

constexpr const char* kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

std::vector<std::string> split(const std::string& s, char at) {
  std::vector<std::string> out;
  std::string part;
  for (const char c : s) {
    if (c == at) {
      if (!part.empty()) out.push_back(std::move(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!part.empty()) out.push_back(std::move(part));
  return out;
}

/// Reads types/*.types: "package", "kind", "type" lines and, indented, their fields.
class Builtin {
 public:
  std::map<std::string, Schema> types;
  std::vector<Kind> kinds;

  Builtin() {
    // Names first, so that fields may refer to types below them.
    for (const char* text : {kMetaTypes, kCoreTypes, kRestTypes})
      each_line(text, [this](const std::string& line) { declare(line); });
    for (const char* text : {kMetaTypes, kCoreTypes, kRestTypes})
      each_line(text, [this](const std::string& line) { define(line); });
    for (auto& k : kinds) k.schema = &types.at(k.schema_name);
  }

 private:
  SchemaPool pool_;
  std::string package_, group_, version_;
  Schema* current_ = nullptr;

  [[noreturn]] static void wrong(const std::string& line, const std::string& why) {
    log::error("builtin types", {{"line", line}, {"error", why}});
    log::fatal("builtin types are wrong", __FILE__, __LINE__);
  }

  static void each_line(const char* text, const std::function<void(const std::string&)>& use) {
    std::string line;
    for (const char* p = text;; ++p) {
      if (*p != '\n' && *p != '\0') {
        line += *p;
        continue;
      }
      if (!line.empty() && line[0] != '#') use(line);
      line.clear();
      if (*p == '\0') return;
    }
  }

  static std::pair<std::vector<std::string>, std::string> words(const std::string& line) {
    const auto colon = line.find(" : ");
    if (colon == std::string::npos) wrong(line, "no ' : description'");
    return {split(line.substr(0, colon), ' '), line.substr(colon + 3)};
  }

  void package(const std::string& line) {
    const auto w = split(line, ' ');
    package_ = w.at(1) + ".";
    group_ = w.size() > 2 && w[2] != "-" ? w[2] : "";
    version_ = w.size() > 3 ? w[3] : "";
  }

  void declare(const std::string& line) {
    if (line.starts_with("package ")) return package(line);
    if (line[0] == ' ') return;
    const auto [w, description] = words(line);
    if (w.size() < 2) wrong(line, "no name");
    Schema& s = types[package_ + w[1]];
    s.type = Schema::Type::object;
    s.type_name = package_ + w[1];
    s.description = description;
    if (w[0] == "type") s.atomic_map = std::find(w.begin(), w.end(), "atomic") != w.end();
    if (w[0] == "kind") {
      Kind k;
      k.group = group_;
      k.version = version_;
      k.kind = w[1];
      k.list_kind = w[1] + "List";
      k.plural = w.at(2);
      k.schema_name = package_ + w[1];
      k.description = description;
      k.storage_version = version_;
      for (std::size_t i = 3; i < w.size(); ++i) {
        const auto value = w[i].substr(w[i].find('=') + 1);
        if (w[i].starts_with("singular="))
          k.singular = value;
        else if (w[i].starts_with("short="))
          k.short_names = split(value, ',');
        else if (w[i].starts_with("cat="))
          k.categories = split(value, ',');
        else if (w[i] == "cluster")
          k.namespaced = false;
        else if (w[i].starts_with("sub="))
          for (const auto& sub : split(value, ',')) k.subresources.insert(sub);
        else if (w[i] != "namespaced")
          wrong(line, "unknown word " + w[i]);
      }
      kinds.push_back(std::move(k));
    }
  }

  void define(const std::string& line) {
    if (line.starts_with("package ")) return package(line);
    const auto [w, description] = words(line);
    if (line[0] != ' ') {
      current_ = &types.at(package_ + w[1]);
      if (w[0] == "kind") {
        add_field("apiVersion", "string", "Group and version of this object.");
        add_field("kind", "string", "What kind of object this is.");
        add_field("metadata", std::string(kMeta) + "ObjectMeta", "Name, place and history of the object.");
      }
      return;
    }
    Schema& s = add_field(w.at(0), w.at(1), description);
    const std::string& name = w[0];
    for (std::size_t i = 2; i < w.size(); ++i) {
      const std::string& flag = w[i];
      const auto value = flag.substr(flag.find('=') + 1);
      if (flag == "required")
        current_->required.push_back(name);
      else if (flag == "nullable")
        s.nullable = true;
      else if (flag == "set")
        s.list_type = Schema::ListType::set;
      else if (flag == "merge")
        s.patch_merge = true;
      else if (flag == "retain")
        s.patch_retain_keys = true;
      else if (flag == "replace")
        s.patch_replace = true;
      else if (flag == "atomic")
        s.atomic_map = s.type == Schema::Type::object;
      else if (flag.starts_with("format="))
        s.format = value;
      else if (flag.starts_with("min="))
        s.minimum = std::stod(value);
      else if (flag.starts_with("max="))
        s.maximum = std::stod(value);
      else if (flag.starts_with("pm="))
        s.patch_merge_key = value;
      else if (flag.starts_with("key=")) {
        s.list_type = Schema::ListType::map;
        s.unique_keys = false;
        s.list_map_keys = split(value, ',');
        s.patch_merge = true;
        if (s.patch_merge_key.empty()) s.patch_merge_key = s.list_map_keys[0];
      } else if (flag.starts_with("enum(")) {
        for (const auto& e : split(flag.substr(5, flag.size() - 6), ',')) s.enum_values.emplace_back(e);
      } else if (flag[0] == '=') {
        auto parsed = parse_json(value);
        s.default_value = parsed ? *parsed : json::value(value);
      } else {
        wrong(line, "unknown word " + flag);
      }
    }
  }

  Schema& add_field(const std::string& name, const std::string& type, const std::string& description) {
    Schema& s = pool_.make();
    shape(s, type);
    s.description = description;
    current_->properties.push_back({name, &s});
    return s;
  }

  void shape(Schema& s, const std::string& type) {
    if (type.starts_with("[]")) {
      s.type = Schema::Type::array;
      s.items = child(type.substr(2));
    } else if (type.starts_with("map<")) {
      s.type = Schema::Type::object;
      s.additional = child(type.substr(4, type.size() - 5));
    } else if (type == "string") {
      s.type = Schema::Type::string;
    } else if (type == "boolean") {
      s.type = Schema::Type::boolean;
    } else if (type == "int32" || type == "int64") {
      s.type = Schema::Type::integer;
      s.format = type;
    } else if (type == "intstr") {
      s.type = Schema::Type::int_or_string;
      s.format = "int-or-string";
    } else if (type == "quantity") {
      s.type = Schema::Type::int_or_string;
      s.format = "quantity";
    } else if (type == "time" || type == "microtime") {
      s.type = Schema::Type::string;
      s.format = "date-time";
      s.nullable = true;
    } else if (type == "bytes") {
      s.type = Schema::Type::string;
      s.format = "byte";
    } else if (type == "any") {
      s.type = Schema::Type::any;
      s.preserve_unknown = true;
    } else {
      const auto own = types.find(package_ + type);
      const auto full = types.find(type);
      if (own == types.end() && full == types.end()) wrong(type, "no such type");
      s.ref = own != types.end() ? &own->second : &full->second;
      s.type = Schema::Type::object;
    }
  }

  const Schema* child(const std::string& type) {
    Schema& s = pool_.make();
    shape(s, type);
    return &s;
  }
};

const Builtin& builtin() {
  static const Builtin all;
  return all;
}

struct VersionRank {
  int stability = 0;  // 3: v1, 2: v1beta1, 1: v1alpha1, 0: anything else
  int major = 0;
  int minor = 0;
};

VersionRank rank(const std::string& v) {
  VersionRank r;
  std::size_t i = 1;
  if (v.size() < 2 || v[0] != 'v' || std::isdigit(static_cast<unsigned char>(v[1])) == 0) return r;
  while (i < v.size() && std::isdigit(static_cast<unsigned char>(v[i])) != 0) r.major = r.major * 10 + (v[i++] - '0');
  const auto rest = v.substr(i);
  const auto minor = [&](std::size_t n) { return rest.size() > n ? std::atoi(rest.c_str() + n) : 0; };
  if (rest.empty())
    r.stability = 3;
  else if (rest.starts_with("beta"))
    r.stability = 2, r.minor = minor(4);
  else if (rest.starts_with("alpha"))
    r.stability = 1, r.minor = minor(5);
  return r;
}

}  // namespace

bool version_before(const std::string& a, const std::string& b) {
  const auto x = rank(a), y = rank(b);
  if (x.stability != y.stability) return x.stability > y.stability;
  if (x.major != y.major) return x.major > y.major;
  if (x.minor != y.minor) return x.minor > y.minor;
  return a < b;
}

const std::map<std::string, Schema>& builtin_types() { return builtin().types; }

const Schema* builtin_type(const std::string& name) {
  const auto it = builtin().types.find(name);
  return it == builtin().types.end() ? nullptr : &it->second;
}

const Schema* object_meta_schema() {
  static const Schema* meta = builtin_type(std::string(kMeta) + "ObjectMeta");
  return meta;
}

Kinds::Kinds() {
  for (const Kind& k : builtin().kinds) {
    auto copy = std::make_shared<Kind>(k);
    copy->columns = builtin_columns(k.group, k.kind);
    if (k.has("scale")) {
      copy->scale_spec_path = ".spec.replicas";
      copy->scale_status_path = ".status.replicas";
    }
    kinds_.push_back(std::move(copy));
  }
}

KindPtr Kinds::find(const std::string& group, const std::string& version, const std::string& plural) const {
  for (const auto& k : kinds_)
    if (k->plural == plural && k->group == group && k->version == version) return k;
  return nullptr;
}

KindPtr Kinds::stored(const std::string& group, const std::string& plural) const {
  for (const auto& k : kinds_)
    if (k->plural == plural && k->group == group && k->version == k->storage_version) return k;
  // The stored version of a custom resource need not be served: any version tells group, plural and scope.
  for (const auto& k : kinds_)
    if (k->plural == plural && k->group == group) return k;
  return nullptr;
}

KindPtr Kinds::by_kind(const std::string& group, const std::string& version, const std::string& kind) const {
  for (const auto& k : kinds_)
    if (k->kind == kind && k->group == group && k->version == version) return k;
  return nullptr;
}

std::vector<KindPtr> Kinds::all() const { return kinds_; }

std::vector<KindPtr> Kinds::of(const std::string& group, const std::string& version) const {
  std::vector<KindPtr> out;
  for (const auto& k : kinds_)
    if (k->group == group && k->version == version) out.push_back(k);
  return out;
}

// Groups that consist of subresource kinds or reviews only.
static bool virtual_group(const std::string& group, const std::string& version) {
  return version == "v1" && (group == "authorization.k8s.io" || group == "authentication.k8s.io");
}

bool Kinds::has_group_version(const std::string& group, const std::string& version) const {
  return virtual_group(group, version) || std::any_of(kinds_.begin(), kinds_.end(), [&](const auto& k) {
           return k->group == group && k->version == version;
         });
}

std::vector<std::string> Kinds::versions(const std::string& group) const {
  std::vector<std::string> out;
  if (virtual_group(group, "v1")) out.emplace_back("v1");
  for (const auto& k : kinds_)
    if (k->group == group && std::find(out.begin(), out.end(), k->version) == out.end()) out.push_back(k->version);
  std::sort(out.begin(), out.end(), version_before);
  return out;
}

std::vector<std::string> Kinds::groups() const {
  std::vector<std::string> out{"apps", "authentication.k8s.io", "authorization.k8s.io"};
  for (const auto& k : kinds_)
    if (!k->group.empty() && std::find(out.begin(), out.end(), k->group) == out.end()) out.push_back(k->group);
  return out;
}

void Kinds::set_custom(const std::string& group, const std::string& plural, std::vector<KindPtr> versions) {
  remove_custom(group, plural);
  for (auto& k : versions) kinds_.push_back(std::move(k));
  ++generation_;
}

void Kinds::remove_custom(const std::string& group, const std::string& plural) {
  std::erase_if(kinds_, [&](const KindPtr& k) { return k->is_custom() && k->group == group && k->plural == plural; });
  ++generation_;
}

}  // namespace weft::lab::api
