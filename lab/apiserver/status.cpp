#include "lab/apiserver/status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::lab::api {

FieldError FieldError::required(std::string field, std::string detail) {
  return {"FieldValueRequired", std::move(field), detail.empty() ? "Required value" : "Required value: " + detail};
}
FieldError FieldError::invalid(std::string field, const json::value& value, std::string detail) {
  return {"FieldValueInvalid", std::move(field), fmt::format("Invalid value: {}: {}", show(value), detail)};
}
FieldError FieldError::not_supported(std::string field, const json::value& value,
                                     const std::vector<std::string>& supported) {
  std::vector<std::string> quoted;
  for (const auto& s : supported) quoted.push_back('"' + s + '"');
  return {"FieldValueNotSupported", std::move(field),
          fmt::format("Unsupported value: {}: supported values: {}", show(value), fmt::join(quoted, ", "))};
}
FieldError FieldError::forbidden(std::string field, std::string detail) {
  return {"FieldValueForbidden", std::move(field), "Forbidden: " + detail};
}
FieldError FieldError::duplicate(std::string field, const json::value& value) {
  return {"FieldValueDuplicate", std::move(field), fmt::format("Duplicate value: {}", show(value))};
}

std::string qualified(const std::string& group, const std::string& plural) {
  return group.empty() ? plural : plural + "." + group;
}

json::object ApiError::status() const {
  json::object out{{"kind", "Status"},
                   {"apiVersion", "v1"},
                   {"metadata", json::object{}},
                   {"status", "Failure"},
                   {"message", message}};
  if (!reason.empty()) out["reason"] = reason;
  if (!details.empty()) out["details"] = details;
  out["code"] = code;
  return out;
}

namespace {
json::object details_of(const std::string& group, const std::string& kind, const std::string& name) {
  json::object d;
  if (!name.empty()) d["name"] = name;
  if (!group.empty()) d["group"] = group;
  d["kind"] = kind;
  return d;
}
}  // namespace

ApiError ApiError::not_found(const std::string& group, const std::string& plural, const std::string& name) {
  return {404, "NotFound", fmt::format("{} \"{}\" not found", qualified(group, plural), name),
          details_of(group, plural, name)};
}
ApiError ApiError::no_such_path() { return {404, "NotFound", "the server could not find the requested resource", {}}; }
ApiError ApiError::exists(const std::string& group, const std::string& plural, const std::string& name) {
  return {409, "AlreadyExists", fmt::format("{} \"{}\" already exists", qualified(group, plural), name),
          details_of(group, plural, name)};
}
ApiError ApiError::conflict(const std::string& group, const std::string& plural, const std::string& name,
                            const std::string& why) {
  return {409, "Conflict",
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", qualified(group, plural), name, why),
          details_of(group, plural, name)};
}
ApiError ApiError::bad_request(std::string message) { return {400, "BadRequest", std::move(message), {}}; }
ApiError ApiError::forbidden(const std::string& group, const std::string& plural, const std::string& name,
                             const std::string& why) {
  const auto what = qualified(group, plural);
  return {403, "Forbidden",
          name.empty() ? fmt::format("{} is forbidden: {}", what, why)
                       : fmt::format("{} \"{}\" is forbidden: {}", what, name, why),
          details_of(group, plural, name)};
}
ApiError ApiError::invalid(const std::string& group, const std::string& kind, const std::string& name,
                           const FieldErrors& errors) {
  json::object d = details_of(group, kind, name);
  json::array causes;
  std::vector<std::string> parts;
  for (const auto& e : errors) {
    causes.push_back(json::object{{"reason", e.reason}, {"message", e.message}, {"field", e.field}});
    parts.push_back(e.field.empty() ? e.message : e.field + ": " + e.message);
  }
  d["causes"] = std::move(causes);
  const std::string all = parts.size() == 1 ? parts[0] : fmt::format("[{}]", fmt::join(parts, ", "));
  return {422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", qualified(group, kind), name, all), std::move(d)};
}
ApiError ApiError::method_not_allowed() {
  return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}};
}
ApiError ApiError::not_acceptable(const std::string& offered) {
  return {406, "NotAcceptable", "only the following media types are accepted: " + offered, {}};
}
ApiError ApiError::unsupported_media(const std::string& offered) {
  return {415,
          "UnsupportedMediaType",
          "the body of the request was in an unknown format - accepted media types include: " + offered,
          {}};
}
ApiError ApiError::unauthorized() { return {401, "Unauthorized", "Unauthorized", {}}; }
ApiError ApiError::expired(std::string message) { return {410, "Expired", std::move(message), {}}; }
ApiError ApiError::not_offered(std::string what) {
  return {501, "NotImplemented", "this server is a stand-in for labs and does not offer " + what, {}};
}
ApiError ApiError::unavailable(std::string message) { return {503, "ServiceUnavailable", std::move(message), {}}; }
ApiError ApiError::internal(std::string message) {
  return {500, "InternalError", "Internal error occurred: " + message, {}};
}

}  // namespace weft::lab::api
