#include "lab/apiserver/crd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/clock.h"
#include "lab/apiserver/jsonpath.h"
#include "lab/apiserver/metadata.h"
#include "lab/apiserver/strategy.h"
#include "lab/apiserver/table.h"

namespace weft::lab::api {
namespace {

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

json::object condition(const std::string& type, bool status, const std::string& reason, const std::string& message) {
  return {{"type", type},
          {"status", status ? "True" : "False"},
          {"lastTransitionTime", rfc3339(Wall::now())},
          {"reason", reason},
          {"message", message}};
}

std::string schema_path(std::size_t version) {
  return fmt::format("spec.versions[{}].schema.openAPIV3Schema", version);
}

void check_version(const json::value& v, std::size_t i, FieldErrors& errors) {
  const auto at = fmt::format("spec.versions[{}]", i);
  const auto* schema = find(v, {"schema", "openAPIV3Schema"});
  if (schema == nullptr) {
    errors.push_back(FieldError::required(at + ".schema.openAPIV3Schema", "schemas are required"));
  } else {
    CrdSchema parsed;
    for (auto& e : parse_crd_schema(*schema, schema_path(i), parsed)) errors.push_back(std::move(e));
  }
  std::size_t c = 0;
  for (const auto& column : list(v, {"additionalPrinterColumns"})) {
    const auto column_at = fmt::format("{}.additionalPrinterColumns[{}]", at, c++);
    if (const auto path = JsonPath::parse(text(column, {"jsonPath"})); !path)
      errors.push_back(
          FieldError::invalid(column_at + ".jsonPath", json::value(text(column, {"jsonPath"})), path.error().message));
    const auto type = text(column, {"type"});
    if (type != "string" && type != "integer" && type != "number" && type != "boolean" && type != "date")
      errors.push_back(FieldError::invalid(column_at + ".type", json::value(type),
                                           "must be one of boolean,date,integer,number,string"));
  }
}

}  // namespace

void default_crd(json::value& crd) {
  auto& names = make_object(crd, {"spec", "names"});
  const auto kind = text(crd, {"spec", "names", "kind"});
  if (text(crd, {"spec", "names", "singular"}).empty()) names["singular"] = lower(kind);
  if (text(crd, {"spec", "names", "listKind"}).empty()) names["listKind"] = kind + "List";
  auto& conversion = make_object(crd, {"spec", "conversion"});
  if (!conversion.contains("strategy")) conversion["strategy"] = "None";
}

void check_crd(const json::value& crd, const json::value* old, FieldErrors& errors) {
  const auto group = text(crd, {"spec", "group"}), plural = text(crd, {"spec", "names", "plural"}),
             name = text(crd, {"metadata", "name"});
  if (!dns_subdomain(group) || group.find('.') == std::string::npos)
    errors.push_back(FieldError::invalid("spec.group", json::value(group), "should be a domain with at least one dot"));
  if (name != plural + "." + group)
    errors.push_back(
        FieldError::invalid("metadata.name", json::value(name), "must be spec.names.plural+\".\"+spec.group"));
  if (!dns_label(plural))
    errors.push_back(FieldError::invalid("spec.names.plural", json::value(plural),
                                         "a DNS-1035 label must consist of lower case alphanumeric characters or '-'"));
  if (!dns_label(lower(text(crd, {"spec", "names", "kind"}))))
    errors.push_back(FieldError::invalid("spec.names.kind", json::value(text(crd, {"spec", "names", "kind"})),
                                         "may have mixed case, but should otherwise match a DNS-1035 label"));
  const auto& versions = list(crd, {"spec", "versions"});
  std::size_t storage = 0;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    storage += flag(versions[i], {"storage"}) ? 1 : 0;
    if (!seen.insert(text(versions[i], {"name"})).second)
      errors.push_back(FieldError::invalid(fmt::format("spec.versions[{}].name", i),
                                           json::value(text(versions[i], {"name"})), "must be unique"));
    check_version(versions[i], i, errors);
  }
  if (storage != 1)
    errors.push_back(FieldError::invalid("spec.versions", static_cast<std::int64_t>(storage),
                                         "must have exactly one version marked as storage version"));
  if (const auto conversion = text(crd, {"spec", "conversion", "strategy"});
      !conversion.empty() && conversion != "None")
    errors.push_back(FieldError::not_supported("spec.conversion.strategy", json::value(conversion), {"None"}));
  if (flag(crd, {"spec", "preserveUnknownFields"}))
    errors.push_back(FieldError::invalid("spec.preserveUnknownFields", true,
                                         "must be false in order to use defaults in the schema"));
  if (old == nullptr) return;
  for (const auto& v : list(*old, {"status", "storedVersions"}))
    if (v.is_string() && !seen.contains(std::string(v.get_string())))
      errors.push_back(FieldError::invalid("status.storedVersions[0]", v, "must appear in spec.versions"));
  if (text(*old, {"spec", "group"}) != group) errors.push_back(FieldError::immutable("spec.group", json::value(group)));
  if (text(*old, {"spec", "scope"}) != text(crd, {"spec", "scope"}))
    errors.push_back(FieldError::immutable("spec.scope", json::value(text(crd, {"spec", "scope"}))));
}

json::object crd_status(const json::value& crd, const std::string& taken) {
  json::array stored = list(crd, {"status", "storedVersions"});
  for (const auto& v : list(crd, {"spec", "versions"}))
    if (flag(v, {"storage"}) && std::find(stored.begin(), stored.end(), v.at("name")) == stored.end())
      stored.push_back(v.at("name"));
  json::array conditions;
  const auto put = [&](json::object c) {
    for (const auto& old : list(crd, {"status", "conditions"}))
      if (text(old, {"type"}) == text(json::value(c), {"type"}) &&
          text(old, {"status"}) == text(json::value(c), {"status"}))
        c["lastTransitionTime"] = text(old, {"lastTransitionTime"});
    conditions.push_back(std::move(c));
  };
  for (const auto& old : list(crd, {"status", "conditions"}))
    if (const auto type = text(old, {"type"}); type != "NamesAccepted" && type != "Established")
      conditions.push_back(old);
  json::object status;
  if (taken.empty()) {
    put(condition("NamesAccepted", true, "NoConflicts", "no conflicts found"));
    put(condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted"));
    status["acceptedNames"] = object(crd, {"spec", "names"});
  } else {
    put(condition("NamesAccepted", false, "NameConflict", taken));
    put(condition("Established", false, "NotAccepted", "not all names are accepted"));
    status["acceptedNames"] = json::object{{"plural", ""}, {"kind", ""}};
  }
  status["conditions"] = std::move(conditions);
  status["storedVersions"] = std::move(stored);
  return status;
}

std::vector<KindPtr> kinds_of(const json::value& crd) {
  std::vector<KindPtr> out;
  std::string storage;
  for (const auto& v : list(crd, {"spec", "versions"}))
    if (flag(v, {"storage"})) storage = text(v, {"name"});
  std::vector<std::string> short_names, categories;
  for (const auto& s : list(crd, {"spec", "names", "shortNames"}))
    if (s.is_string()) short_names.emplace_back(s.get_string());
  for (const auto& s : list(crd, {"spec", "names", "categories"}))
    if (s.is_string()) categories.emplace_back(s.get_string());
  for (const auto& v : list(crd, {"spec", "versions"})) {
    if (!flag(v, {"served"})) continue;
    auto schema = std::make_shared<CrdSchema>();
    const auto* raw = find(v, {"schema", "openAPIV3Schema"});
    if (raw == nullptr || !parse_crd_schema(*raw, "schema", *schema).empty()) continue;
    auto k = std::make_shared<Kind>();
    k->group = text(crd, {"spec", "group"});
    k->version = text(v, {"name"});
    k->kind = text(crd, {"spec", "names", "kind"});
    k->list_kind = text(crd, {"spec", "names", "listKind"});
    k->plural = text(crd, {"spec", "names", "plural"});
    k->singular = text(crd, {"spec", "names", "singular"});
    k->short_names = short_names;
    k->categories = categories;
    k->namespaced = text(crd, {"spec", "scope"}) == "Namespaced";
    k->schema = schema->root;
    k->description = schema->root->description;
    k->custom = schema;
    k->storage_version = storage;
    // com.example.shop.v1.Cart: the group reversed, as in OpenAPI documents.
    std::string reversed;
    for (std::size_t begin = 0; begin <= k->group.size();) {
      const auto end = std::min(k->group.find('.', begin), k->group.size());
      reversed = k->group.substr(begin, end - begin) + (reversed.empty() ? "" : "." + reversed);
      begin = end + 1;
    }
    k->schema_name = reversed + "." + k->version + "." + k->kind;
    if (find(v, {"subresources", "status"}) != nullptr) k->subresources.insert("status");
    if (find(v, {"subresources", "scale"}) != nullptr) {
      k->subresources.insert("scale");
      k->scale_spec_path = text(v, {"subresources", "scale", "specReplicasPath"});
      k->scale_status_path = text(v, {"subresources", "scale", "statusReplicasPath"});
      k->scale_selector_path = text(v, {"subresources", "scale", "labelSelectorPath"});
    }
    if (flag(v, {"deprecated"})) {
      k->deprecation = text(v, {"deprecationWarning"});
      if (k->deprecation.empty()) k->deprecation = fmt::format("{}/{} {} is deprecated", k->group, k->version, k->kind);
    }
    k->columns = custom_columns(list(v, {"additionalPrinterColumns"}));
    out.push_back(std::move(k));
  }
  std::sort(out.begin(), out.end(),
            [](const KindPtr& a, const KindPtr& b) { return version_before(a->version, b->version); });
  return out;
}

}  // namespace weft::lab::api
