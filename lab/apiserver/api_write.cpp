// create, update, patch, delete.
#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/log.h"
#include "lab/apiserver/api.h"
#include "lab/apiserver/apply.h"
#include "lab/apiserver/crd.h"
#include "lab/apiserver/patch.h"
#include "lab/apiserver/protobuf.h"
#include "lab/apiserver/strategy.h"

namespace weft::lab::api {
namespace {

constexpr const char* kCrdCleanup = "customresourcecleanup.apiextensions.k8s.io";

std::string new_uid() {
  auto b = random_bytes(16);
  b[6] = static_cast<char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
  const auto h = hex_encode(b);
  return fmt::format("{}-{}-{}-{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 4), h.substr(16, 4), h.substr(20));
}

std::string media_type(const std::string& content_type) {
  auto out = content_type.substr(0, content_type.find(';'));
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

bool deleting(const json::value& o) { return !text(o, {"metadata", "deletionTimestamp"}).empty(); }

StoredPtr imagined(const Stored& base, json::value object) {
  auto out = std::make_shared<Stored>(base);
  out->object = std::move(object);
  out->bytes = json::serialize(out->object);
  return out;
}

// A namespaced kind whose objects may be written into a namespace on its way out: nothing.
std::string kind_and_version(const Kind& k) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}", k.kind, k.version, k.kind);
}

}  // namespace

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

namespace {

// Nobody is refused a status for what it leaves out: Go's clients leave out what is empty.
void validate_builtin(const Kind& k, const json::value& o, FieldErrors& errors) {
  validate(*k.schema, o, "", errors, false);
  std::erase_if(errors,
                [](const FieldError& e) { return e.reason == "FieldValueRequired" && e.field.starts_with("status."); });
}

// Defaults, what the kind fills in, and everything that can be wrong; services excepted, they need the allocator.
FieldErrors complete(const Kind& k, json::value& o, const json::value* old) {
  FieldErrors errors;
  if (k.is_custom()) {
    apply_defaults(*k.schema, o, true);
    errors = wrong_types(*k.schema, o);
    if (errors.empty()) validate(*k.schema, o, "", errors, true);
    check(k, o, old, errors);
    return errors;
  }
  apply_defaults(*k.schema, o, false);
  if (k.is("apiextensions.k8s.io", "customresourcedefinitions")) default_crd(o);
  prepare(k, o, old);
  validate_builtin(k, o, errors);
  check(k, o, old, errors);
  if (k.is("apiextensions.k8s.io", "customresourcedefinitions") && errors.empty()) check_crd(o, old, errors);
  if (k.is("", "services") && old == nullptr) {
    default_service(o);
    check_service(o, old, errors);  // so that all that is wrong is said at once
  }
  return errors;
}

}  // namespace

Answer<> Api::admit(const Kind& k, const std::string& ns, const json::value& o) const {
  const auto name = text(o, {"metadata", "name"});
  if (k.namespaced) {
    const auto room = store_.cache("", "namespaces").get("", ns);
    if (!room) return refuse(ApiError::not_found("", "namespaces", ns));
    if (deleting(room->object) || text(room->object, {"status", "phase"}) == "Terminating") {
      auto e = ApiError::forbidden(
          k.group, k.plural, name,
          fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
      e.details["causes"] = json::array{json::object{{"reason", "NamespaceTerminating"},
                                                     {"message", fmt::format("namespace {} is being terminated", ns)},
                                                     {"field", "metadata.namespace"}}};
      return refuse(std::move(e));
    }
  }
  if (k.is_custom()) {
    const auto crd = store_.cache("apiextensions.k8s.io", "customresourcedefinitions").get("", k.resource());
    if (crd && deleting(crd->object)) {
      auto e = ApiError::method_not_allowed();
      e.message = "create not allowed while custom resource definition is terminating";
      return refuse(std::move(e));
    }
  }
  if (k.is("", "pods")) {
    const auto priority = text(o, {"spec", "priorityClassName"});
    if (!priority.empty() && priority != "system-node-critical" && priority != "system-cluster-critical" &&
        !store_.cache("scheduling.k8s.io", "priorityclasses").get("", priority))
      return refuse(
          ApiError::forbidden("", "pods", name, fmt::format("no PriorityClass with name {} was found", priority)));
  }
  return {};
}

Task<Answer<StoredPtr>> Api::store_new(KindPtr kind, std::string ns, json::value o, std::shared_ptr<Write> write) {
  const Kind& k = *kind;
  auto& meta = make_object(o, {"metadata"});
  if (!text(o, {"metadata", "resourceVersion"}).empty())
    co_return refuse(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
  const auto in_body = text(o, {"metadata", "namespace"});
  if (k.namespaced && !in_body.empty() && in_body != ns)
    co_return refuse(
        ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  if (k.namespaced)
    meta["namespace"] = ns;
  else
    meta.erase("namespace");
  if (k.namespaced && !dns_label(ns))
    co_return refuse(ApiError::bad_request(
        fmt::format("namespace {} is not a name: lower case letters, digits and '-'", show(json::value(ns)))));
  for (const char* key : {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"})
    meta.erase(key);
  const auto prefix = text(o, {"metadata", "generateName"});
  const bool generated = text(o, {"metadata", "name"}).empty() && !prefix.empty();
  meta["uid"] = new_uid();
  meta["creationTimestamp"] = rfc3339(Wall::now());
  if (has_generation(k))
    meta["generation"] = 1;
  else
    meta.erase("generation");
  if (generated) meta["name"] = prefix.substr(0, 58) + random_suffix();
  API_CO_TRY(admit(k, ns, o));
  if (k.is_custom() && k.has("status")) o.get_object().erase("status");
  FieldErrors errors = complete(k, o, nullptr);
  const auto name = text(o, {"metadata", "name"});
  ServiceAllocator::Taken taken;
  const bool service = k.is("", "services");
  if (errors.empty() && service) errors = services_.prepare(o, nullptr, taken);
  if (!errors.empty()) co_return refuse(ApiError::invalid(k.group, k.kind, name, errors));
  if (k.is("apiextensions.k8s.io", "customresourcedefinitions")) {
    std::string conflict;
    const auto own = text(o, {"spec", "names", "kind"});
    for (const auto& other : kinds_.all())
      if (other->group == text(o, {"spec", "group"}) && other->plural != text(o, {"spec", "names", "plural"}) &&
          other->kind == own)
        conflict = fmt::format("\"{}\" is already in use", own);
    o.get_object()["status"] = crd_status(o, conflict);
    auto& finalizers = meta["finalizers"];
    if (!finalizers.is_array()) finalizers.emplace_array();
    if (std::find(finalizers.get_array().begin(), finalizers.get_array().end(), json::value(kCrdCleanup)) ==
        finalizers.get_array().end())
      finalizers.get_array().emplace_back(kCrdCleanup);
  }
  if (k.is_custom() && !k.storage_version.empty()) o.get_object()["apiVersion"] = k.group + "/" + k.storage_version;
  if (write->dry_run) {
    services_.release(taken);
    if (find_object(k, ns, name)) co_return refuse(ApiError::exists(k.group, k.plural, name));
    co_return imagined(Stored{ns, name, store_.revision(), {}, {}}, std::move(o));
  }
  for (int attempt = 0;; ++attempt) {
    const auto now_name = text(o, {"metadata", "name"});
    json::value copy = o;
    std::string group = k.group, plural = k.plural, where = k.namespaced ? ns : std::string(), what = now_name;
    auto r =
        co_await store_.create(std::move(group), std::move(plural), std::move(where), std::move(what), std::move(copy));
    if (r) co_return *r;
    if (r.error().reason == "AlreadyExists" && generated && attempt < 8) {
      make_object(o, {"metadata"})["name"] = prefix.substr(0, 58) + random_suffix();
      continue;
    }
    services_.release(taken);
    // What another object of the same name holds is not ours to free.
    if (service)
      if (const auto there = find_object(k, ns, now_name)) services_.observe(nullptr, &there->object);
    co_return refuse(r.error());
  }
}

Task<Answer<StoredPtr>> Api::store_update(KindPtr kind, StoredPtr old, json::value o, std::shared_ptr<Write> write) {
  const Kind& k = *kind;
  const json::value was = object_as(k, *old);
  const auto& old_meta = was.at("metadata").get_object();
  {
    auto& meta = make_object(o, {"metadata"});
    const auto revision = text(o, {"metadata", "resourceVersion"});
    if (!revision.empty() && revision != std::to_string(old->revision))
      co_return refuse(ApiError::conflict(
          k.group, k.plural, old->name,
          "the object has been modified; please apply your changes to the latest version and try again"));
    const auto uid = text(o, {"metadata", "uid"});
    if (!uid.empty() && uid != text(was, {"metadata", "uid"}))
      co_return refuse(
          ApiError::conflict(k.group, k.plural, old->name,
                             fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                                         text(was, {"metadata", "uid"}))));
    for (const char* key : {"uid", "creationTimestamp", "namespace", "name"})
      if (text(o, {"metadata", key}).empty() && old_meta.contains(key)) meta[key] = old_meta.at(key);
    for (const char* key :
         {"deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName", "managedFields"}) {
      if (std::string_view(key) == "managedFields" && (write->apply || meta.contains(key))) continue;
      if (old_meta.contains(key))
        meta[key] = old_meta.at(key);
      else
        meta.erase(key);
    }
    meta.erase("selfLink");
  }
  const bool definition = k.is("apiextensions.k8s.io", "customresourcedefinitions");
  if (write->sub == "status") {
    // Through /status only the status changes; pods, nodes and services may also have their labels and annotations set.
    json::value next = was;
    if (const auto* status = find(o, {"status"}))
      next.get_object()["status"] = *status;
    else
      next.get_object().erase("status");
    const bool with_metadata = k.group.empty() && !k.is("", "namespaces");
    for (const char* key : {"labels", "annotations", "managedFields"}) {
      if (!with_metadata && std::string_view(key) != "managedFields") continue;
      if (const auto* v = find(o, {"metadata", key}))
        make_object(next, {"metadata"})[key] = *v;
      else
        make_object(next, {"metadata"}).erase(key);
    }
    o = std::move(next);
  } else if (k.has("status")) {
    if (const auto* status = find(was, {"status"}))
      o.get_object()["status"] = *status;
    else
      o.get_object().erase("status");
  }
  FieldErrors errors;
  ServiceAllocator::Taken taken;
  const bool service = k.is("", "services") && write->sub.empty();
  if (write->sub == "status" && !k.is_custom()) {
    apply_defaults(*k.schema, o, false);
    validate_builtin(k, o, errors);
    check_metadata(k, o, errors);
  } else {
    errors = complete(k, o, &was);
    if (k.is("", "services")) make_object(o, {"status", "loadBalancer"});
  }
  if (errors.empty() && service) errors = services_.prepare(o, &was, taken);
  if (!errors.empty()) co_return refuse(ApiError::invalid(k.group, k.kind, old->name, errors));
  if (definition && write->sub.empty()) {
    if (!same(o.at("spec"), was.at("spec"))) o.get_object()["status"] = crd_status(o, "");
  }
  if (!write->apply) track_update(*k.schema, was, o, write->manager, write->sub);
  if (has_generation(k) && write->sub.empty() && desired_state_differs(k, o, was))
    make_object(o, {"metadata"})["generation"] = number(was, {"metadata", "generation"}) + 1;
  if (k.is_custom() && !k.storage_version.empty()) o.get_object()["apiVersion"] = k.group + "/" + k.storage_version;
  make_object(o, {"metadata"})["resourceVersion"] = std::to_string(old->revision);
  if (write->dry_run) {
    services_.release(taken);
    co_return imagined(*old, std::move(o));
  }
  // The last finalizer of an object that is being deleted takes it along.
  const bool finished = deleting(o) && api::list(o, {"metadata", "finalizers"}).empty() &&
                        number(o, {"metadata", "deletionGracePeriodSeconds"}) == 0 &&
                        !(k.is("", "namespaces") && !api::list(o, {"spec", "finalizers"}).empty());
  std::string group = k.group, plural = k.plural;
  if (finished) {
    auto r = co_await store_.remove(std::move(group), std::move(plural), old);
    if (!r) co_return refuse(r.error());
    co_return imagined(*old, std::move(o));
  }
  auto r = co_await store_.update(std::move(group), std::move(plural), old, std::move(o));
  if (!r) services_.release(taken);
  co_return r;
}

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

// ---- delete

Answer<Api::Removal> Api::removal_of(const HttpRequest& request, const json::value& body) {
  Removal out;
  if (const auto* g = find(body, {"gracePeriodSeconds"})) {
    std::int64_t n = 0;
    if (as_whole(*g, n)) out.grace = n;
  }
  if (const auto g = request.get("gracePeriodSeconds"); !g.empty()) out.grace = std::atoll(g.c_str());
  if (out.grace && *out.grace < 0)
    return refuse(ApiError::invalid(
        "meta.k8s.io", "DeleteOptions", "",
        {FieldError::invalid("gracePeriodSeconds", *out.grace, "must be greater than or equal to 0")}));
  out.propagation = text(body, {"propagationPolicy"});
  if (out.propagation.empty()) out.propagation = request.get("propagationPolicy");
  if (out.propagation.empty() && flag(body, {"orphanDependents"})) out.propagation = "Orphan";
  if (!out.propagation.empty() && out.propagation != "Orphan" && out.propagation != "Background" &&
      out.propagation != "Foreground")
    return refuse(ApiError::invalid("meta.k8s.io", "DeleteOptions", "",
                                    {FieldError::not_supported("propagationPolicy", json::value(out.propagation),
                                                               {"Background", "Foreground", "Orphan"})}));
  out.uid = text(body, {"preconditions", "uid"});
  out.revision = text(body, {"preconditions", "resourceVersion"});
  out.dry_run = request.get("dryRun") == "All" || !api::list(body, {"dryRun"}).empty();
  return out;
}

namespace {

std::int64_t grace_of(const Kind& k, const json::value& o, const std::optional<std::int64_t>& asked) {
  if (!k.is("", "pods")) return 0;
  const auto phase = text(o, {"status", "phase"});
  if (text(o, {"spec", "nodeName"}).empty() || phase == "Failed" || phase == "Succeeded") return 0;
  if (asked) return *asked;
  return number(o, {"spec", "terminationGracePeriodSeconds"}, 30);
}

void add_finalizer(json::value& o, const char* name) {
  auto& all = make_object(o, {"metadata"})["finalizers"];
  if (!all.is_array()) all.emplace_array();
  auto& a = all.get_array();
  if (std::find(a.begin(), a.end(), json::value(name)) == a.end()) a.emplace_back(name);
}

void drop_finalizer(json::value& o, const char* name) {
  if (auto* all = find(o, {"metadata", "finalizers"}); all != nullptr && all->is_array()) {
    auto& a = all->get_array();
    for (auto it = a.begin(); it != a.end();) it = *it == json::value(name) ? a.erase(it) : it + 1;
  }
}

// Marks an object as being deleted. False: it can go at once.
bool mark(const Kind& k, json::value& o, std::int64_t grace) {
  auto& meta = make_object(o, {"metadata"});
  const bool stays = grace > 0 || !list(o, {"metadata", "finalizers"}).empty() ||
                     (k.is("", "namespaces") && !list(o, {"spec", "finalizers"}).empty());
  if (!stays) return false;
  if (!deleting(o)) {
    meta["deletionTimestamp"] = rfc3339(Wall::now() + std::chrono::seconds(grace));
    meta["deletionGracePeriodSeconds"] = grace;
    if (has_generation(k)) meta["generation"] = number(o, {"metadata", "generation"}) + 1;
    if (k.is("", "namespaces")) make_object(o, {"status"})["phase"] = "Terminating";
  } else if (grace < number(o, {"metadata", "deletionGracePeriodSeconds"})) {
    // A second, more impatient delete shortens the grace.
    const auto before = std::chrono::seconds(number(o, {"metadata", "deletionGracePeriodSeconds"}));
    meta["deletionTimestamp"] =
        rfc3339(parse_rfc3339(text(o, {"metadata", "deletionTimestamp"})) - before + std::chrono::seconds(grace));
    meta["deletionGracePeriodSeconds"] = grace;
  }
  return true;
}

}  // namespace

Task<Answer<StoredPtr>> Api::remove_one(KindPtr kind, std::string ns, std::string name, Removal how) {
  const Kind& k = *kind;
  if (k.is("", "namespaces") && (name == "default" || name == "kube-system" || name == "kube-public"))
    co_return refuse(ApiError::forbidden("", "namespaces", name, "this namespace may not be deleted"));
  for (int attempt = 0;; ++attempt) {
    auto old = find_object(k, ns, name);
    if (!old) co_return refuse(ApiError::not_found(k.group, k.plural, name));
    const auto uid = text(old->object, {"metadata", "uid"});
    if (!how.uid.empty() && how.uid != uid)
      co_return refuse(ApiError::conflict(
          k.group, k.plural, name,
          fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", how.uid, uid)));
    if (!how.revision.empty() && how.revision != std::to_string(old->revision))
      co_return refuse(ApiError::conflict(
          k.group, k.plural, name,
          fmt::format("Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
                      how.revision, old->revision)));
    json::value o = old->object;
    if (how.propagation == "Orphan") add_finalizer(o, "orphan"), drop_finalizer(o, "foregroundDeletion");
    if (how.propagation == "Foreground") add_finalizer(o, "foregroundDeletion"), drop_finalizer(o, "orphan");
    if (how.propagation == "Background") drop_finalizer(o, "orphan"), drop_finalizer(o, "foregroundDeletion");
    const bool stays = mark(k, o, grace_of(k, o, how.grace));
    if (k.is("apiextensions.k8s.io", "customresourcedefinitions") && stays) definitions_.notify();
    if (how.dry_run) co_return stays ? imagined(*old, std::move(o)) : StoredPtr();
    std::string group = k.group, plural = k.plural;
    if (stays) {
      auto r = co_await store_.update(std::move(group), std::move(plural), old, std::move(o));
      if (r) co_return r;
      if (r.error().reason != "Conflict" || attempt == 10) co_return refuse(r.error());
    } else {
      auto r = co_await store_.remove(std::move(group), std::move(plural), old);
      if (r) co_return StoredPtr();
      if (r.error().reason != "Conflict" || attempt == 10) co_return refuse(r.error());
    }
  }
}

Task<Answer<HttpResponse>> Api::remove(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  json::value body;
  if (!request.body.empty()) {
    auto parsed = body_of(request);
    if (!parsed) co_return refuse(parsed.error());
    body = std::move(*parsed);
  }
  auto how = removal_of(request, body);
  if (!how) co_return refuse(how.error());
  const auto before = find_object(k, t.ns, t.name);
  std::string ns = t.ns, name = t.name;
  auto r = co_await remove_one(t.kind, std::move(ns), std::move(name), *how);
  if (!r) co_return refuse(r.error());
  if (*r) co_return answer(200, k, *r, request);
  // Pods and services are answered with what they were, the rest with a Status, as the real server does.
  if (before && (k.is("", "pods") || k.is("", "services"))) co_return answer(200, k, before, request);
  json::object details{{"name", t.name}};
  if (!k.group.empty()) details["group"] = k.group;
  details["kind"] = k.plural;
  if (before) details["uid"] = text(before->object, {"metadata", "uid"});
  co_return json_answer(200, json::object{{"kind", "Status"},
                                          {"apiVersion", "v1"},
                                          {"metadata", json::object{}},
                                          {"status", "Success"},
                                          {"details", std::move(details)}});
}

Task<Answer<HttpResponse>> Api::remove_collection(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  if (k.namespaced && t.ns.empty()) co_return refuse(ApiError::method_not_allowed());
  json::value body;
  if (!request.body.empty()) {
    auto parsed = body_of(request);
    if (!parsed) co_return refuse(parsed.error());
    body = std::move(*parsed);
  }
  auto how = removal_of(request, body);
  if (!how) co_return refuse(how.error());
  auto labels = LabelSelector::parse(request.get("labelSelector"));
  if (!labels) co_return refuse(labels.error());
  auto fields = FieldSelector::parse(request.get("fieldSelector"), k.group, k.plural);
  if (!fields) co_return refuse(fields.error());
  std::vector<StoredPtr> doomed;
  for (const auto& [key, s] : cache(k).objects)
    if ((t.ns.empty() || s->ns == t.ns) && labels->matches(s->object) && fields->matches(s->object))
      doomed.push_back(s);
  json::array items;
  for (const auto& s : doomed) {
    std::string ns = s->ns, name = s->name;
    auto r = co_await remove_one(t.kind, std::move(ns), std::move(name), *how);
    if (!r && r.error().code != 404) co_return refuse(r.error());
    items.push_back(object_as(k, *s));
  }
  co_return json_answer(200,
                        json::object{{"kind", k.list_kind},
                                     {"apiVersion", k.api_version()},
                                     {"metadata", json::object{{"resourceVersion", std::to_string(store_.revision())}}},
                                     {"items", std::move(items)}});
}

// ---- Definitions that are being deleted

Task<> Api::clean_up(std::string crd) {
  const auto definition = store_.cache("apiextensions.k8s.io", "customresourcedefinitions").get("", crd);
  if (!definition || !deleting(definition->object)) co_return;
  const auto group = text(definition->object, {"spec", "group"}),
             plural = text(definition->object, {"spec", "names", "plural"});
  auto kind = kinds_.stored(group, plural);
  if (kind) {
    std::vector<StoredPtr> all;
    for (const auto& [key, s] : cache(*kind).objects)
      if (!deleting(s->object)) all.push_back(s);
    for (const auto& s : all) {
      std::string ns = s->ns, name = s->name;
      Removal how;
      auto r = co_await remove_one(kind, std::move(ns), std::move(name), how);
      if (!r && r.error().code != 404)
        log::warn("an object of a definition that is being deleted stays",
                  {{"object", s->name}, {"error", r.error().message}});
    }
    if (!cache(*kind).objects.empty()) co_return;  // finalizers hold some: looked at again
  }
  const auto now = store_.cache("apiextensions.k8s.io", "customresourcedefinitions").get("", crd);
  if (!now) co_return;
  json::value o = now->object;
  drop_finalizer(o, kCrdCleanup);
  auto write = std::make_shared<Write>();
  write->manager = "weft-lab-apiserver";
  auto k = kinds_.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  co_await store_update(k, now, std::move(o), write);
}

Task<> Api::expire_events() {
  auto kind = kinds_.find("", "v1", "events");
  for (;;) {
    co_await sleep_for(std::chrono::minutes(5));
    std::vector<StoredPtr> old;
    for (const auto& [key, s] : cache(*kind).objects) {
      auto last = text(s->object, {"lastTimestamp"});
      if (last.empty()) last = text(s->object, {"metadata", "creationTimestamp"});
      if (Wall::now() - parse_rfc3339(last) > std::chrono::hours(1)) old.push_back(s);
    }
    for (const auto& s : old) {
      std::string ns = s->ns, name = s->name;
      Removal how;
      co_await remove_one(kind, std::move(ns), std::move(name), how);
    }
  }
}

Task<> Api::clean_up_definitions() {
  for (;;) {
    const auto seen = definitions_.version();
    std::vector<std::string> names;
    for (const auto& [name, s] : store_.cache("apiextensions.k8s.io", "customresourcedefinitions").objects)
      if (deleting(s->object)) names.push_back(name);
    for (const auto& n : names) {
      std::string name = n;
      co_await clean_up(std::move(name));
    }
    const std::chrono::nanoseconds pause = names.empty() ? std::chrono::nanoseconds(std::chrono::hours(1))
                                                         : std::chrono::nanoseconds(std::chrono::milliseconds(200));
    co_await definitions_.changed_since(seen, pause);
  }
}

}  // namespace weft::lab::api
