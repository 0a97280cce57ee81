// What a write brings along: its body and its parameters.
#include <fmt/format.h>

#include "lab/apiserver/api.h"
#include "lab/apiserver/protobuf.h"

namespace weft::lab::api {
namespace {

std::string kind_and_version(const Kind& k) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}", k.kind, k.version, k.kind);
}

}  // namespace

std::string media_type(const std::string& content_type) {
  auto out = content_type.substr(0, content_type.find(';'));
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

Answer<json::value> body_of(const HttpRequest& request) {
  const auto type = media_type(request.content_type);
  const bool yaml = type == "application/yaml" || type == "application/apply-patch+yaml";
  if (type == "application/vnd.kubernetes.protobuf") {
    auto v = decode_protobuf(request.body);
    if (v) return *v;
    if (v.error().code == Errc::unsupported)
      return refuse(ApiError::unsupported_media("application/json, application/yaml"));
    return refuse(ApiError::bad_request("the body of the request was not understood: " + v.error().message));
  }
  if (type == "application/cbor")
    return refuse(
        ApiError::unsupported_media("application/json, application/yaml, application/vnd.kubernetes.protobuf"));
  auto v = parse_json(request.body);
  if (!v && yaml) v = parse_yaml(request.body);
  if (!v) return refuse(ApiError::bad_request("the body of the request was not understood: " + v.error().message));
  return *v;
}

Answer<std::shared_ptr<Write>> write_of(const HttpRequest& request) {
  auto w = std::make_shared<Write>();
  w->manager = request.get("fieldManager");
  if (w->manager.empty()) w->manager = request.user_agent.substr(0, request.user_agent.find('/'));
  if (w->manager.empty()) w->manager = "unknown";
  const auto dry = request.get("dryRun");
  if (!dry.empty() && dry != "All")
    return refuse(ApiError::bad_request(
        fmt::format("dryRun: Unsupported value: {}: supported values: \"All\"", show(json::value(dry)))));
  w->dry_run = dry == "All";
  w->force = request.is("force");
  w->validation = request.get("fieldValidation");
  if (w->validation.empty()) w->validation = "Warn";
  if (w->validation != "Ignore" && w->validation != "Warn" && w->validation != "Strict")
    return refuse(ApiError::bad_request(
        fmt::format("fieldValidation: Unsupported value: {}: supported values: \"Ignore\", \"Strict\", \"Warn\"",
                    show(json::value(w->validation)))));
  return w;
}

Answer<> decode(const Kind& k, json::value& o, Write& write) {
  if (!o.is_object()) return refuse(ApiError::bad_request(fmt::format("{}: expected an object", kind_and_version(k))));
  auto& root = o.get_object();
  const auto version = text(o, {"apiVersion"}), kind = text(o, {"kind"});
  if (!version.empty() && version != k.api_version())
    return refuse(ApiError::bad_request(fmt::format(
        "the API version in the data ({}) does not match the expected API version ({})", version, k.api_version())));
  if (!kind.empty() && kind != k.kind)
    return refuse(ApiError::bad_request(
        fmt::format("the kind in the data ({}) does not match the expected kind ({})", kind, k.kind)));
  root["apiVersion"] = k.api_version();
  root["kind"] = k.kind;
  if (!root["metadata"].is_object()) root["metadata"].emplace_object();
  const auto unknown = prune(*k.schema, o, k.is_custom());
  if (!unknown.empty() && write.validation == "Strict") {
    std::string all;
    for (const auto& u : unknown) all += (all.empty() ? "" : ", ") + fmt::format("unknown field \"{}\"", u);
    const auto message =
        k.is_custom() ? "strict decoding error: " + all : kind_and_version(k) + ": strict decoding error: " + all;
    return refuse(ApiError::bad_request(message));
  }
  if (write.validation == "Warn")
    for (const auto& u : unknown) write.warnings.push_back(fmt::format("unknown field \"{}\"", u));
  if (!k.is_custom()) {
    const auto wrong = wrong_types(*k.schema, o);
    if (!wrong.empty())
      return refuse(
          ApiError::bad_request(fmt::format("{}: {}: {}", kind_and_version(k), wrong[0].field, wrong[0].message)));
  } else {
    const auto wrong = wrong_types(*object_meta_schema(), o.at("metadata"), "metadata");
    if (!wrong.empty())
      return refuse(
          ApiError::bad_request(fmt::format("{}: {}: {}", kind_and_version(k), wrong[0].field, wrong[0].message)));
  }
  return {};
}

}  // namespace weft::lab::api
