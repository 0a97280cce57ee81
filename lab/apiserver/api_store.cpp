// Defaults, checks and the allocator between a decoded object and the store.
#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "lab/apiserver/api.h"
#include "lab/apiserver/apply.h"
#include "lab/apiserver/crd.h"
#include "lab/apiserver/metadata.h"
#include "lab/apiserver/strategy.h"

namespace weft::lab::api {
namespace {

std::string new_uid() {
  auto b = random_bytes(16);
  b[6] = static_cast<char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
  const auto h = hex_encode(b);
  return fmt::format("{}-{}-{}-{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 4), h.substr(16, 4), h.substr(20));
}

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
    add_finalizer(o, kCrdCleanup);
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

}  // namespace weft::lab::api
