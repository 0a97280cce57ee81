// delete, and what the server itself takes away: objects of definitions that go, old events.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "lab/apiserver/api.h"
#include "lab/apiserver/metadata.h"

namespace weft::lab::api {

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

StoredPtr imagined(const Stored& base, json::value object) {
  auto out = std::make_shared<Stored>(base);
  out->object = std::move(object);
  out->bytes = json::serialize(out->object);
  return out;
}

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
