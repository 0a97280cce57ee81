// create, update, patch.
#include <fmt/format.h>

#include "lab/apiserver/api.h"
#include "lab/apiserver/apply.h"
#include "lab/apiserver/patch.h"

namespace weft::lab::api {

Task<Answer<HttpResponse>> Api::create(HttpRequest request, Target t) {
  if (t.kind->namespaced && t.ns.empty()) co_return refuse(ApiError::method_not_allowed());
  auto write = write_of(request);
  if (!write) co_return refuse(write.error());
  auto body = body_of(request);
  if (!body) co_return refuse(body.error());
  API_CO_TRY(decode(*t.kind, *body, **write));
  make_object(*body, {"metadata"}).erase("managedFields");
  std::string ns = t.ns;
  auto r = co_await store_new(t.kind, std::move(ns), std::move(*body), *write);
  if (!r) co_return refuse(r.error());
  co_return answer(201, *t.kind, *r, request, (*write)->warnings);
}

Task<Answer<HttpResponse>> Api::update(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  auto write = write_of(request);
  if (!write) co_return refuse(write.error());
  (*write)->sub = t.sub;
  auto body = body_of(request);
  if (!body) co_return refuse(body.error());
  API_CO_TRY(decode(k, *body, **write));
  const auto name = text(*body, {"metadata", "name"}), ns = text(*body, {"metadata", "namespace"});
  if (!name.empty() && name != t.name)
    co_return refuse(ApiError::bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, t.name)));
  if (!ns.empty() && ns != t.ns)
    co_return refuse(ApiError::bad_request(
        fmt::format("the namespace of the object ({}) does not match the namespace on the URL ({})", ns, t.ns)));
  auto old = find_object(k, t.ns, t.name);
  if (!old) {
    const bool creates =
        t.sub.empty() && (k.is("", "endpoints") || k.is("", "events") || k.is("coordination.k8s.io", "leases"));
    if (!creates) co_return refuse(ApiError::not_found(k.group, k.plural, t.name));
    make_object(*body, {"metadata"})["name"] = t.name;
    std::string where = t.ns;
    auto r = co_await store_new(t.kind, std::move(where), std::move(*body), *write);
    if (!r) co_return refuse(r.error());
    co_return answer(201, k, *r, request, (*write)->warnings);
  }
  const bool needs_revision = k.is_custom() || k.is("coordination.k8s.io", "leases") ||
                              k.is("apiextensions.k8s.io", "customresourcedefinitions");
  if (needs_revision && text(*body, {"metadata", "resourceVersion"}).empty())
    co_return refuse(
        ApiError::invalid(k.group, k.plural, t.name,
                          {FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update")}));
  const bool unconditional = text(*body, {"metadata", "resourceVersion"}).empty();
  for (int attempt = 0;; ++attempt) {
    json::value copy = *body;
    auto r = co_await store_update(t.kind, old, std::move(copy), *write);
    if (r) co_return answer(200, k, *r, request, (*write)->warnings);
    if (!unconditional || r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
    old = find_object(k, t.ns, t.name);
    if (!old) co_return refuse(ApiError::not_found(k.group, k.plural, t.name));
  }
}

Task<Answer<HttpResponse>> Api::patch(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  auto write = write_of(request);
  if (!write) co_return refuse(write.error());
  (*write)->sub = t.sub;
  const auto type = media_type(request.content_type);
  const bool apply = type == "application/apply-patch+yaml";
  if (type != "application/json-patch+json" && type != "application/merge-patch+json" &&
      type != "application/strategic-merge-patch+json" && !apply)
    co_return refuse(
        ApiError::unsupported_media("application/json-patch+json, application/merge-patch+json, "
                                    "application/strategic-merge-patch+json, application/apply-patch+yaml"));
  if (type == "application/strategic-merge-patch+json" && k.is_custom())
    co_return refuse(ApiError::unsupported_media(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"));
  if (apply && request.get("fieldManager").empty())
    co_return refuse(ApiError::invalid("meta.k8s.io", "PatchOptions", "",
                                       {FieldError::required("fieldManager", "is required for apply patch")}));
  if (!apply && (*write)->force)
    co_return refuse(ApiError::invalid("meta.k8s.io", "PatchOptions", "",
                                       {FieldError::forbidden("force", "may not be specified for non-apply patch")}));
  auto body = body_of(request);
  if (!body) co_return refuse(body.error());
  (*write)->apply = apply;
  if (apply) {
    API_CO_TRY(decode(k, *body, **write));
    if (find(*body, {"metadata", "managedFields"}) != nullptr &&
        !api::list(*body, {"metadata", "managedFields"}).empty())
      co_return refuse(ApiError::bad_request("metadata.managedFields must be nil"));
    const auto name = text(*body, {"metadata", "name"});
    if (!name.empty() && name != t.name)
      co_return refuse(ApiError::bad_request(
          fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, t.name)));
    make_object(*body, {"metadata"})["name"] = t.name;
    if (k.namespaced) make_object(*body, {"metadata"})["namespace"] = t.ns;
  }
  for (int attempt = 0;; ++attempt) {
    (*write)->warnings.clear();
    auto old = find_object(k, t.ns, t.name);
    if (!old && (!apply || !t.sub.empty())) co_return refuse(ApiError::not_found(k.group, k.plural, t.name));
    const json::value was = old ? object_as(k, *old) : json::value();
    Answer<json::value> next = json::value();
    if (apply) {
      next = apply_configuration(*k.schema, old ? &was : nullptr, *body, (*write)->manager, t.sub, (*write)->force);
    } else if (type == "application/json-patch+json") {
      next = json_patch(was, *body);
    } else if (type == "application/merge-patch+json") {
      next = merge_patch(was, *body);
    } else {
      next = strategic_merge_patch(*k.schema, was, *body);
    }
    if (!next) {
      if (next.error().reason == "Conflict")
        next.error() = ApiError{409, "Conflict", next.error().message, next.error().details};
      co_return refuse(next.error());
    }
    if (!apply) API_CO_TRY(decode(k, *next, **write));
    if (!old) {
      std::string ns = t.ns;
      auto made = co_await store_new(t.kind, std::move(ns), std::move(*next), *write);
      if (made) co_return answer(201, k, *made, request, (*write)->warnings);
      if (made.error().reason != "AlreadyExists" || attempt == 5) co_return refuse(made.error());
      continue;
    }
    const bool pinned = text(*next, {"metadata", "resourceVersion"}) != std::to_string(old->revision);
    auto r = co_await store_update(t.kind, old, std::move(*next), *write);
    if (r) co_return answer(200, k, *r, request, (*write)->warnings);
    if (pinned || r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
  }
}

}  // namespace weft::lab::api
