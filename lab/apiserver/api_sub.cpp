// Subresources, and what the server makes for itself.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "lab/apiserver/api.h"
#include "lab/apiserver/jsonpath.h"
#include "lab/apiserver/selector.h"

namespace weft::lab::api {
namespace {

HttpResponse success(int status = 201) {
  return json_answer(
      status,
      json::object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object{}}, {"status", "Success"}});
}

std::vector<std::string> keys_of(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('.', begin), path.size());
    if (end > begin) out.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

const json::value* at_path(const json::value& v, const std::string& path) {
  const json::value* at = &v;
  for (const auto& key : keys_of(path)) at = at != nullptr ? find(*at, {key}) : nullptr;
  return at;
}

json::object scale_of(const Kind& k, const json::value& o) {
  json::object meta;
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const auto* v = find(o, {"metadata", key})) meta[key] = *v;
  std::int64_t wanted = 0, present = 0;
  if (const auto* v = at_path(o, k.scale_spec_path)) as_whole(*v, wanted);
  if (const auto* v = at_path(o, k.scale_status_path)) as_whole(*v, present);
  json::object status{{"replicas", present}};
  std::string selector;
  if (!k.is_custom()) {
    if (const auto* s = find(o, {"spec", "selector"})) selector = selector_text(*s);
  } else if (const auto* s = at_path(o, k.scale_selector_path);
             s != nullptr && s->is_string() && !k.scale_selector_path.empty()) {
    selector = std::string(s->get_string());
  }
  if (!selector.empty()) status["selector"] = selector;
  json::object spec;
  if (wanted != 0) spec["replicas"] = wanted;
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(meta)},
          {"spec", std::move(spec)},
          {"status", std::move(status)}};
}

// What to use instead of a subresource that the lab's kubelet stand-in does not serve; empty: it is none of those.
std::string instead_of(const Target& t) {
  if (t.sub == "exec" || t.sub == "ephemeralcontainers")
    return fmt::format("use `weft lab exec CLUSTER/{} -n {} -- COMMAND`", t.name, t.ns);
  if (t.sub == "log" || t.sub == "attach") return fmt::format("use `weft lab logs CLUSTER/{} -n {}`", t.name, t.ns);
  if (t.sub == "portforward" || t.sub == "proxy")
    return "ask the pod's address: `weft lab exec CLUSTER/NODE -- curl ADDRESS:PORT`";
  return {};
}

}  // namespace

Task<Answer<HttpResponse>> Api::subresource(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  const bool posts = request.method == "POST";
  if (const auto instead = instead_of(t); k.is("", "pods") && !instead.empty())
    co_return refuse(ApiError::not_offered("pods/" + t.sub + ": " + instead));
  if (!k.has(t.sub)) co_return refuse(ApiError::no_such_path());
  if (t.sub == "scale") co_return co_await scale(std::move(request), std::move(t));
  if (t.sub == "finalize") {
    if (request.method != "PUT") co_return refuse(ApiError::method_not_allowed());
    co_return co_await finalize(std::move(request), std::move(t));
  }
  if (!posts) co_return refuse(ApiError::method_not_allowed());
  if (t.sub == "binding") co_return co_await bind(std::move(request), std::move(t));
  if (t.sub == "eviction") co_return co_await evict(std::move(request), std::move(t));
  if (t.sub == "token") co_return token(request, t);
  co_return refuse(ApiError::no_such_path());
}

Task<Answer<HttpResponse>> Api::scale(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  auto write = write_of(request);
  if (!write) co_return refuse(write.error());
  json::value body;
  const bool reads = request.method == "GET", puts = request.method == "PUT", patches = request.method == "PATCH";
  if (!reads && !puts && !patches) co_return refuse(ApiError::method_not_allowed());
  if (!reads) {
    auto parsed = body_of(request);
    if (!parsed) co_return refuse(parsed.error());
    body = std::move(*parsed);
  }
  for (int attempt = 0;; ++attempt) {
    auto old = find_object(k, t.ns, t.name);
    if (!old) co_return refuse(ApiError::not_found(k.group, k.plural, t.name));
    json::value o = object_as(k, *old);
    if (reads) co_return json_answer(200, scale_of(k, o));
    json::value wanted = body;
    if (patches) {
      const bool operations = body.is_array();
      json::value now = scale_of(k, o);
      auto patched = operations ? Answer<json::value>(refuse(ApiError::unsupported_media(
                                      "application/merge-patch+json, application/strategic-merge-patch+json")))
                                : Answer<json::value>(now);
      if (!patched) co_return refuse(patched.error());
      wanted = std::move(*patched);
      if (const auto* spec = find(body, {"spec"}); spec != nullptr && spec->is_object())
        for (const auto& [key, v] : spec->get_object()) make_object(wanted, {"spec"})[key] = json::value(v);
      if (const auto rv = text(body, {"metadata", "resourceVersion"}); !rv.empty())
        make_object(wanted, {"metadata"})["resourceVersion"] = rv;
    }
    const auto rv = text(wanted, {"metadata", "resourceVersion"});
    if (!rv.empty() && rv != std::to_string(old->revision) &&
        (puts || !text(body, {"metadata", "resourceVersion"}).empty()))
      co_return refuse(ApiError::conflict(
          k.group, k.plural, t.name,
          "the object has been modified; please apply your changes to the latest version and try again"));
    const auto replicas = number(wanted, {"spec", "replicas"});
    if (replicas < 0)
      co_return refuse(
          ApiError::invalid("autoscaling", "Scale", t.name,
                            {FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0")}));
    json::value* at = &o;
    for (const auto& key : keys_of(k.scale_spec_path)) {
      if (!at->is_object()) at->emplace_object();
      at = &at->get_object()[key];
    }
    *at = replicas;
    const bool pinned = !text(body, {"metadata", "resourceVersion"}).empty();
    auto r = co_await store_update(t.kind, old, std::move(o), *write);
    if (r) co_return json_answer(200, scale_of(k, object_as(k, **r)));
    if (pinned || r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
  }
}

Task<Answer<HttpResponse>> Api::bind(HttpRequest request, Target t) {
  auto body = body_of(request);
  if (!body) co_return refuse(body.error());
  const auto node = text(*body, {"target", "name"});
  if (node.empty()) co_return refuse(ApiError::invalid("", "Binding", t.name, {FieldError::required("target.name")}));
  for (int attempt = 0;; ++attempt) {
    auto old = find_object(*t.kind, t.ns, t.name);
    if (!old) co_return refuse(ApiError::not_found("", "pods", t.name));
    const auto bound = text(old->object, {"spec", "nodeName"});
    if (!bound.empty())
      co_return refuse(ApiError::conflict("", "pods/binding", t.name,
                                          fmt::format("pod {} is already assigned to node \"{}\"", t.name, bound)));
    if (!text(old->object, {"metadata", "deletionTimestamp"}).empty())
      co_return refuse(ApiError::conflict(
          "", "pods/binding", t.name, fmt::format("pod {} is being deleted, cannot be assigned to a host", t.name)));
    json::value o = old->object;
    make_object(o, {"spec"})["nodeName"] = node;
    for (const auto& [key, v] : object(*body, {"metadata", "annotations"}))
      make_object(o, {"metadata", "annotations"})[key] = json::value(v);
    auto& conditions = make_object(o, {"status"})["conditions"];
    if (!conditions.is_array()) conditions.emplace_array();
    auto& all = conditions.get_array();
    for (auto it = all.begin(); it != all.end();) it = text(*it, {"type"}) == "PodScheduled" ? all.erase(it) : it + 1;
    all.push_back(json::object{{"type", "PodScheduled"},
                               {"status", "True"},
                               {"lastProbeTime", nullptr},
                               {"lastTransitionTime", rfc3339(Wall::now())}});
    std::string group, plural = "pods";
    auto r = co_await store_.update(std::move(group), std::move(plural), old, std::move(o));
    if (r) co_return success();
    if (r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
  }
}

Task<Answer<HttpResponse>> Api::evict(HttpRequest request, Target t) {
  json::value body;
  if (!request.body.empty()) {
    auto parsed = body_of(request);
    if (!parsed) co_return refuse(parsed.error());
    body = std::move(*parsed);
  }
  const auto* options = find(body, {"deleteOptions"});
  auto how = removal_of(request, options != nullptr ? *options : json::value(json::object{}));
  if (!how) co_return refuse(how.error());
  std::string ns = t.ns, name = t.name;
  auto r = co_await remove_one(t.kind, std::move(ns), std::move(name), *how);
  if (!r) co_return refuse(r.error());
  co_return success();
}

Task<Answer<HttpResponse>> Api::finalize(HttpRequest request, Target t) {
  auto body = body_of(request);
  if (!body) co_return refuse(body.error());
  for (int attempt = 0;; ++attempt) {
    auto old = find_object(*t.kind, "", t.name);
    if (!old) co_return refuse(ApiError::not_found("", "namespaces", t.name));
    const auto rv = text(*body, {"metadata", "resourceVersion"});
    if (!rv.empty() && rv != std::to_string(old->revision))
      co_return refuse(ApiError::conflict(
          "", "namespaces", t.name,
          "the object has been modified; please apply your changes to the latest version and try again"));
    json::value o = old->object;
    const json::array finalizers = api::list(*body, {"spec", "finalizers"});
    make_object(o, {"spec"});
    if (finalizers.empty())
      o.at("spec").get_object().erase("finalizers");
    else
      o.at("spec").get_object()["finalizers"] = finalizers;
    const bool gone = finalizers.empty() && !text(o, {"metadata", "deletionTimestamp"}).empty() &&
                      api::list(o, {"metadata", "finalizers"}).empty();
    std::string group, plural = "namespaces";
    if (gone) {
      auto r = co_await store_.remove(std::move(group), std::move(plural), old);
      if (r) co_return json_answer(200, o);
      if (!rv.empty() || r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
    } else {
      auto r = co_await store_.update(std::move(group), std::move(plural), old, std::move(o));
      if (r) co_return answer(200, *t.kind, *r, request);
      if (!rv.empty() || r.error().reason != "Conflict" || attempt == 5) co_return refuse(r.error());
    }
  }
}

Answer<HttpResponse> Api::token(const HttpRequest& request, const Target& t) {
  if (!options_.signer)
    return refuse(ApiError::not_offered("tokens: start the server with --service-account-key-file"));
  const auto account = find_object(*t.kind, t.ns, t.name);
  if (!account) return refuse(ApiError::not_found("", "serviceaccounts", t.name));
  auto body = body_of(request);
  if (!body) return refuse(body.error());
  TokenSigner::Claims claims;
  claims.ns = t.ns;
  claims.account = t.name;
  claims.uid = text(account->object, {"metadata", "uid"});
  for (const auto& a : api::list(*body, {"spec", "audiences"}))
    if (a.is_string()) claims.audiences.emplace_back(a.get_string());
  if (claims.audiences.empty()) claims.audiences.push_back(options_.signer->issuer());
  const auto seconds = number(*body, {"spec", "expirationSeconds"}, 3600);
  if (seconds < 600)
    return refuse(ApiError::invalid(
        "authentication.k8s.io", "TokenRequest", "",
        {FieldError::invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")}));
  if (seconds > (std::int64_t{1} << 32))
    return refuse(ApiError::invalid("authentication.k8s.io", "TokenRequest", "",
                                    {FieldError::invalid("spec.expirationSeconds", seconds,
                                                         "may not specify a duration larger than 2^32 seconds")}));
  if (const auto name = text(*body, {"spec", "boundObjectRef", "name"}); !name.empty()) {
    auto kind = text(*body, {"spec", "boundObjectRef", "kind"});
    std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
    if (kind != "pod" && kind != "secret" && kind != "node")
      return refuse(ApiError::bad_request(
          fmt::format("cannot bind token to object of kind {}: use Pod, Secret or Node", show(json::value(kind)))));
    const auto bound = store_.cache("", kind + "s").get(kind == "node" ? "" : t.ns, name);
    if (!bound) return refuse(ApiError::not_found("", kind + "s", name));
    claims.bound[kind] = json::object{{"name", name}, {"uid", text(bound->object, {"metadata", "uid"})}};
  }
  claims.issued = Wall::now();
  claims.expires = claims.issued + std::chrono::seconds(seconds);
  json::value out = *body;
  out.get_object()["kind"] = "TokenRequest";
  out.get_object()["apiVersion"] = "authentication.k8s.io/v1";
  make_object(out, {"metadata"})["name"] = t.name;
  make_object(out, {"metadata"})["namespace"] = t.ns;
  json::array audiences;
  for (const auto& a : claims.audiences) audiences.emplace_back(a);
  make_object(out, {"spec"})["audiences"] = std::move(audiences);
  make_object(out, {"spec"})["expirationSeconds"] = seconds;
  out.get_object()["status"] =
      json::object{{"token", options_.signer->sign(claims)}, {"expirationTimestamp", rfc3339(claims.expires)}};
  return json_answer(201, out);
}

// ---- What the server makes for itself

Task<Result<>> Api::ensure(std::string group, std::string plural, std::string ns, std::string name,
                           json::value object) {
  auto kind = kinds_.stored(group, plural);
  auto write = std::make_shared<Write>();
  write->manager = "weft-lab-apiserver";
  write->validation = "Strict";
  if (const auto r = decode(*kind, object, *write); !r) co_return fail(Errc::invalid, r.error().message);
  auto old = store_.cache(group, plural).get(ns, name);
  if (!old) {
    auto made = co_await store_new(kind, std::move(ns), std::move(object), write);
    if (!made && made.error().reason != "AlreadyExists") co_return fail(Errc::internal, made.error().message);
    co_return Result<>{};
  }
  // What is ours in it is set again; the rest stays.
  json::value next = old->object;
  for (const auto& [k, v] : object.get_object())
    if (k != "metadata") {
      auto& at = next.get_object()[k];
      if (at.is_object() && v.is_object())
        for (const auto& [key, value] : v.get_object()) at.get_object()[key] = value;
      else
        at = v;
    }
  auto r = co_await store_update(kind, old, std::move(next), write);
  if (!r) co_return fail(Errc::internal, r.error().message);
  co_return Result<>{};
}

Task<Result<>> Api::bootstrap() {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    if (store_.cache("", "namespaces").get("", name)) continue;
    json::value ns = json::object{{"metadata", json::object{{"name", name}}}};
    std::string group, plural = "namespaces", none, what = name;
    auto r = co_await ensure(std::move(group), std::move(plural), std::move(none), std::move(what), std::move(ns));
    if (!r) co_return r;
  }
  for (json::value& object : bootstrap_policy()) {
    std::string group = "rbac.authorization.k8s.io", none, name = text(object, {"metadata", "name"});
    std::string plural = text(object, {"kind"}) == "ClusterRole" ? "clusterroles" : "clusterrolebindings";
    auto r = co_await ensure(std::move(group), std::move(plural), std::move(none), std::move(name), std::move(object));
    if (!r) co_return r;
  }
  if (options_.service_ranges.empty()) co_return Result<>{};
  const auto ip = options_.service_ranges[0].address().plus(1).to_string();
  const json::object labels{{"component", "apiserver"}, {"provider", "kubernetes"}};
  const auto port = static_cast<std::int64_t>(options_.port);
  {
    json::value service = json::object{
        {"metadata", json::object{{"name", "kubernetes"}, {"namespace", "default"}, {"labels", labels}}},
        {"spec",
         json::object{{"clusterIP", ip},
                      {"type", "ClusterIP"},
                      {"ports", json::array{json::object{
                                    {"name", "https"}, {"port", 443}, {"protocol", "TCP"}, {"targetPort", port}}}}}}};
    std::string group, plural = "services", ns = "default", name = "kubernetes";
    auto r = co_await ensure(std::move(group), std::move(plural), std::move(ns), std::move(name), std::move(service));
    if (!r) co_return r;
  }
  const auto advertised = options_.advertise.to_string();
  {
    json::value endpoints = json::object{
        {"metadata", json::object{{"name", "kubernetes"},
                                  {"namespace", "default"},
                                  {"labels", json::object{{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
        {"subsets",
         json::array{json::object{
             {"addresses", json::array{json::object{{"ip", advertised}}}},
             {"ports", json::array{json::object{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}}}}}}};
    std::string group, plural = "endpoints", ns = "default", name = "kubernetes";
    auto r = co_await ensure(std::move(group), std::move(plural), std::move(ns), std::move(name), std::move(endpoints));
    if (!r) co_return r;
  }
  // Slices may not hold loopback addresses; a server that listens there only (a test) goes without.
  if (options_.advertise.is_loopback()) co_return Result<>{};
  json::value slice =
      json::object{{"metadata", json::object{{"name", "kubernetes"},
                                             {"namespace", "default"},
                                             {"labels", json::object{{"kubernetes.io/service-name", "kubernetes"}}}}},
                   {"addressType", options_.advertise.is_v4() ? "IPv4" : "IPv6"},
                   {"endpoints", json::array{json::object{{"addresses", json::array{advertised}},
                                                          {"conditions", json::object{{"ready", true}}}}}},
                   {"ports", json::array{json::object{{"name", "https"}, {"port", port}, {"protocol", "TCP"}}}}};
  std::string group = "discovery.k8s.io", plural = "endpointslices", ns = "default", name = "kubernetes";
  co_return co_await ensure(std::move(group), std::move(plural), std::move(ns), std::move(name), std::move(slice));
}

}  // namespace weft::lab::api
