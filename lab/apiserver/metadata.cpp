#include "lab/apiserver/metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace weft::lab::api {
namespace {

bool alnum_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool alnum(char c) { return alnum_lower(c) || (c >= 'A' && c <= 'Z'); }

bool dns_label(std::string_view s) {
  return !s.empty() && s.size() <= 63 && alnum_lower(s.front()) && alnum_lower(s.back()) &&
         std::all_of(s.begin(), s.end(), [](char c) { return alnum_lower(c) || c == '-'; });
}

bool dns_subdomain(std::string_view s) {
  if (s.empty() || s.size() > 253) return false;
  for (std::size_t begin = 0; begin <= s.size();) {
    const auto end = std::min(s.find('.', begin), s.size());
    const auto part = s.substr(begin, end - begin);
    if (part.empty() || !alnum_lower(part.front()) || !alnum_lower(part.back()) ||
        !std::all_of(part.begin(), part.end(), [](char c) { return alnum_lower(c) || c == '-'; }))
      return false;
    begin = end + 1;
  }
  return true;
}

std::string random_suffix() {
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (const char c : random_bytes(5)) out += kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return out;
}

namespace {

bool qualified_name(std::string_view s) {
  const auto slash = s.find('/');
  if (slash != std::string_view::npos && !dns_subdomain(s.substr(0, slash))) return false;
  const auto name = slash == std::string_view::npos ? s : s.substr(slash + 1);
  return !name.empty() && name.size() <= 63 && alnum(name.front()) && alnum(name.back()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

constexpr const char* kQualified =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  "
    "or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

constexpr const char* kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character "
    "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* k1035 =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric "
    "character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

}  // namespace

void check_labels(const json::object& labels, const std::string& path, FieldErrors& errors) {
  for (const auto& [k, v] : labels) {
    const std::string key(k);
    if (!qualified_name(key)) errors.push_back(FieldError::invalid(path, json::value(key), kQualified));
    if (!v.is_string()) continue;
    const std::string_view s(v.get_string());
    if (s.size() > 63)
      errors.push_back(FieldError::invalid(path, v, "must be no more than 63 characters"));
    else if (!s.empty() && !(alnum(s.front()) && alnum(s.back()) && std::all_of(s.begin(), s.end(), [](char c) {
                               return alnum(c) || c == '-' || c == '_' || c == '.';
                             })))
      errors.push_back(FieldError::invalid(
          path, v,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
          "start and end with an "
          "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
          "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"));
  }
}

void check_metadata(const Kind& kind, const json::value& o, FieldErrors& errors) {
  const auto name = text(o, {"metadata", "name"});
  const json::value shown(name);
  if (name.empty()) {
    errors.push_back(FieldError::required("metadata.name", "name or generateName is required"));
  } else if (kind.group == "rbac.authorization.k8s.io") {
    if (name == "." || name == ".." || name.find_first_of("/%") != std::string::npos)
      errors.push_back(FieldError::invalid("metadata.name", shown, "may not contain '/' or '%'"));
  } else if (kind.is("", "services")) {
    if (!dns_label(name) || !(name[0] >= 'a' && name[0] <= 'z'))
      errors.push_back(FieldError::invalid("metadata.name", shown, k1035));
  } else if (kind.is("", "namespaces")) {
    if (!dns_label(name)) errors.push_back(FieldError::invalid("metadata.name", shown, kLabel));
  } else if (!dns_subdomain(name)) {
    errors.push_back(FieldError::invalid("metadata.name", shown, kSubdomain));
  }
  check_labels(object(o, {"metadata", "labels"}), "metadata.labels", errors);
  std::size_t size = 0;
  for (const auto& [k, v] : object(o, {"metadata", "annotations"})) {
    std::string key(k);
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!qualified_name(key)) errors.push_back(FieldError::invalid("metadata.annotations", json::value(k), kQualified));
    size += k.size() + (v.is_string() ? v.get_string().size() : 0);
  }
  if (size > 262144)
    errors.push_back({"FieldValueTooLong", "metadata.annotations", "Too long: may not be more than 262144 bytes"});
  int controllers = 0;
  std::size_t i = 0;
  for (const auto& r : list(o, {"metadata", "ownerReferences"})) {
    const auto at = fmt::format("metadata.ownerReferences[{}]", i++);
    for (const char* key : {"apiVersion", "kind", "name", "uid"})
      if (text(r, {key}).empty()) errors.push_back(FieldError::required(at + "." + key, "must not be empty"));
    controllers += flag(r, {"controller"}) ? 1 : 0;
  }
  if (controllers > 1)
    errors.push_back(FieldError::invalid("metadata.ownerReferences", list(o, {"metadata", "ownerReferences"}),
                                         "Only one reference can have Controller set to true"));
  for (const auto& f : list(o, {"metadata", "finalizers"}))
    if (f.is_string() && !qualified_name(std::string(f.get_string())))
      errors.push_back(FieldError::invalid("metadata.finalizers", f, kQualified));
}

void check_metadata_update(const json::value& o, const json::value& old, FieldErrors& errors) {
  for (const char* key : {"name", "namespace", "uid", "creationTimestamp"}) {
    const auto was = text(old, {"metadata", key}), is = text(o, {"metadata", key});
    if (was != is) errors.push_back(FieldError::immutable(std::string("metadata.") + key, json::value(is)));
  }
  if (!text(old, {"metadata", "deletionTimestamp"}).empty()) {
    const auto& before = list(old, {"metadata", "finalizers"});
    for (const auto& f : list(o, {"metadata", "finalizers"}))
      if (std::find(before.begin(), before.end(), f) == before.end())
        errors.push_back(FieldError::forbidden(
            "metadata.finalizers",
            fmt::format("no new finalizers can be added if the object is being deleted, found new finalizers {}",
                        show(json::array{f}))));
  }
}

bool has_generation(const Kind& k) {
  if (k.is_custom()) return true;
  return k.group == "apps"
             ? k.plural != "controllerrevisions"
             : k.group == "networking.k8s.io" || k.group == "policy" || k.group == "discovery.k8s.io" ||
                   k.group == "apiextensions.k8s.io" || k.is("", "pods") || k.is("", "replicationcontrollers");
}

bool desired_state_differs(const Kind& k, const json::value& now, const json::value& old) {
  for (const auto& [key, v] : now.get_object()) {
    if (key == "metadata" || key == "apiVersion" || key == "kind" ||
        (key == "status" && (!k.is_custom() || k.has("status"))))
      continue;
    const auto* before = old.get_object().if_contains(key);
    if (before == nullptr || !same(v, *before)) return true;
  }
  for (const auto& [key, v] : old.get_object()) {
    if (key == "metadata" || key == "apiVersion" || key == "kind" ||
        (key == "status" && (!k.is_custom() || k.has("status"))))
      continue;
    if (!now.get_object().contains(key)) return true;
  }
  return false;
}

}  // namespace weft::lab::api
