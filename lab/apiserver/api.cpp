#include "lab/apiserver/api.h"

#include <fmt/format.h>

#include <boost/system/system_error.hpp>
#include <random>

#include "base/log.h"
#include "lab/apiserver/crd.h"
#include "lab/apiserver/discovery.h"

namespace weft::lab::api {
namespace {

std::uint64_t random_below(std::uint64_t n) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return n == 0 ? 0 : std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random);
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (end > begin) out.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

HttpResponse text_answer(int status, std::string body) {
  HttpResponse out;
  out.status = status;
  out.content_type = "text/plain; charset=utf-8";
  out.body = std::move(body);
  return out;
}

std::string trim(std::string s) {
  const auto begin = s.find_first_not_of(" \t"), end = s.find_last_not_of(" \t");
  return begin == std::string::npos ? "" : s.substr(begin, end - begin + 1);
}

}  // namespace

Answer<Form> parse_accept(const std::string& accept) {
  if (trim(accept).empty()) return Form{};
  for (std::size_t begin = 0; begin <= accept.size();) {
    const auto end = std::min(accept.find(',', begin), accept.size());
    std::string part = accept.substr(begin, end - begin);
    begin = end + 1;
    std::string type, as, version, group;
    for (std::size_t i = 0, at = 0; at <= part.size(); ++i) {
      const auto stop = std::min(part.find(';', at), part.size());
      const auto piece = trim(part.substr(at, stop - at));
      at = stop + 1;
      if (i == 0) type = piece;
      if (piece.starts_with("as=")) as = piece.substr(3);
      if (piece.starts_with("v=")) version = piece.substr(2);
      if (piece.starts_with("g=")) group = piece.substr(2);
    }
    if (type != "application/json" && type != "*/*" && type != "application/*") continue;
    Form out;
    if (as.empty()) return out;
    if (as == "APIGroupDiscoveryList" && group == "apidiscovery.k8s.io") {
      out.discovery = version;
      if (version == "v2" || version == "v2beta1") return out;
    }
    if (group != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) continue;
    out.table_version = version;
    if (as == "Table") return out.as = Form::As::table, out;
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") return out.as = Form::As::partial, out;
  }
  return refuse(
      ApiError::not_acceptable("application/json, application/json;as=Table;v=v1;g=meta.k8s.io, "
                               "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"));
}

Api::Api(Store& store, ApiOptions options)
    : store_(store),
      options_(std::move(options)),
      services_(options_.service_ranges, options_.first_node_port, options_.last_node_port, random_below),
      definitions_(store.io()) {
  store_.on_change = [this](const std::string& group, const std::string& plural, const Change& c) {
    on_change(group, plural, c);
  };
}

Api::~Api() { store_.on_change = nullptr; }

void Api::on_change(const std::string& group, const std::string& plural, const Change& c) {
  if (group.empty() && plural == "services")
    services_.observe(c.before ? &c.before->object : nullptr,
                      c.type == Change::Type::deleted ? nullptr : &c.now->object);
  if (group == "apiextensions.k8s.io" && plural == "customresourcedefinitions") {
    const auto& crd = c.now->object;
    const auto g = text(crd, {"spec", "group"}), p = text(crd, {"spec", "names", "plural"});
    bool established = false;
    for (const auto& condition : api::list(crd, {"status", "conditions"}))
      established =
          established || (text(condition, {"type"}) == "Established" && text(condition, {"status"}) == "True");
    if (c.type == Change::Type::deleted || !established)
      kinds_.remove_custom(g, p);
    else if (c.type == Change::Type::added || !same(crd.at("spec"), c.before->object.at("spec")) ||
             !kinds_.stored(g, p))
      kinds_.set_custom(g, p, kinds_of(crd));
    definitions_.notify();
  }
}

Task<HttpResponse> Api::handle(HttpRequest request) {
  std::string broken;
  std::string what = request.method + " " + request.path;
  try {
    auto r = co_await route(std::move(request));
    if (r) co_return std::move(*r);
    co_return status_answer(r.error());
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    broken = e.what();
  } catch (const std::exception& e) {
    broken = e.what();
  }
  log::error("a request failed", {{"request", what}, {"error", broken}});
  co_return status_answer(ApiError::internal(broken));
}

Answer<HttpResponse> Api::plain_paths(const HttpRequest& request, const std::vector<std::string>& parts) {
  const std::string& first = parts[0];
  if (first == "healthz" || first == "livez" || first == "readyz") {
    const bool ready = store_.loaded() && store_.following();
    if (first != "livez" && !ready) return text_answer(500, "[-]etcd failed: the watch is down\n");
    if (request.query.contains("verbose"))
      return text_answer(200, fmt::format("[+]ping ok\n[+]etcd ok\n{} check passed\n", first));
    return text_answer(200, "ok");
  }
  if (first == "version") return json_answer(200, version_info());
  return refuse(ApiError::no_such_path());
}

Task<Answer<HttpResponse>> Api::route(HttpRequest request) {
  auto parts = split_path(request.path);
  if (!parts.empty() && (parts[0] == "healthz" || parts[0] == "livez" || parts[0] == "readyz" || parts[0] == "version"))
    co_return plain_paths(request, parts);
  auto user = authenticate(request);
  if (!user) co_return refuse(user.error());
  if (request.impersonates) co_return refuse(ApiError::not_offered("impersonation"));
  if (!store_.loaded()) co_return refuse(ApiError::unavailable("etcd has not been read yet"));
  API_CO_TRY(authorize(*user, request, parts));
  if (parts.empty())
    co_return json_answer(200, json::object{{"paths", json::array{"/api", "/apis", "/healthz", "/livez", "/openapi/v2",
                                                                  "/openapi/v3", "/readyz", "/version"}}});
  const std::string& first = parts[0];
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (first == "openapi" && reads) {
    if (parts.size() == 2 && parts[1] == "v2") {
      const auto form = parse_accept(request.accept);
      if (!form) co_return refuse(form.error());
      co_return json_answer(200, openapi_v2(kinds_));
    }
    if (parts.size() == 2 && parts[1] == "v3") co_return json_answer(200, openapi_v3_index(kinds_));
    if (parts.size() == 4 && parts[1] == "v3" && parts[2] == "api" && kinds_.has_group_version("", parts[3]))
      co_return json_answer(200, openapi_v3(kinds_, "", parts[3]));
    if (parts.size() == 5 && parts[1] == "v3" && parts[2] == "apis" && kinds_.has_group_version(parts[3], parts[4]))
      co_return json_answer(200, openapi_v3(kinds_, parts[3], parts[4]));
    co_return refuse(ApiError::no_such_path());
  }
  if ((first == "api" || first == "apis") && parts.size() == 1 && reads) {
    auto form = parse_accept(request.accept);
    if (!form) co_return refuse(form.error());
    if (!form->discovery.empty()) {
      auto r = json_answer(200, aggregated_discovery(kinds_, first == "api", form->discovery));
      r.content_type =
          fmt::format("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", form->discovery);
      co_return r;
    }
    if (first == "api")
      co_return json_answer(200, api_versions(SocketAddress{options_.advertise, options_.port}.to_string()));
    co_return json_answer(200, api_group_list(kinds_));
  }
  if (first == "apis" && parts.size() == 2 && reads && !kinds_.versions(parts[1]).empty())
    co_return json_answer(200, api_group(kinds_, parts[1]));
  const std::size_t base = first == "api" ? 2 : 3;
  if ((first != "api" && first != "apis") || parts.size() < base) co_return refuse(ApiError::no_such_path());
  const std::string group = first == "api" ? "" : parts[1], version = parts[base - 1];
  if (!kinds_.has_group_version(group, version)) co_return refuse(ApiError::no_such_path());
  if (parts.size() == base && reads) co_return json_answer(200, api_resource_list(kinds_, group, version));
  if (parts.size() == base) co_return refuse(ApiError::method_not_allowed());
  co_return co_await resource(std::move(request), std::move(*user), std::move(parts));
}

Task<Answer<HttpResponse>> Api::resource(HttpRequest request, User user, std::vector<std::string> parts) {
  const std::size_t base = parts[0] == "api" ? 2 : 3;
  const std::string group = base == 2 ? "" : parts[1], version = parts[base - 1];
  Target target;
  std::vector<std::string> rest(parts.begin() + static_cast<std::ptrdiff_t>(base), parts.end());
  // namespaces/NAME/RESOURCE… is in a namespace; namespaces/NAME and its status and finalize are the namespace itself.
  const bool in_namespace = rest.size() >= 3 && rest[0] == "namespaces" &&
                            !(group.empty() && (rest[2] == "status" || rest[2] == "finalize") && rest.size() == 3);
  if (in_namespace) {
    target.ns = rest[1];
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  if (group == "authorization.k8s.io" || group == "authentication.k8s.io") {
    if (request.method != "POST" || rest.size() != 1)
      co_return refuse(rest.size() == 1 ? ApiError::method_not_allowed() : ApiError::no_such_path());
    co_return review(request, user, target.ns, rest[0]);
  }
  target.kind = kinds_.find(group, version, rest[0]);
  if (rest.size() > 1) target.name = rest[1];
  if (rest.size() > 2) target.sub = rest[2];
  // Behind proxy comes a path of the pod's own.
  if (!target.kind || (rest.size() > 3 && target.sub != "proxy")) co_return refuse(ApiError::no_such_path());
  const Kind& k = *target.kind;
  if (k.namespaced ? target.ns.empty() && !target.name.empty() : !target.ns.empty())
    co_return refuse(ApiError::no_such_path());
  const std::string& m = request.method;
  const bool reads = m == "GET" || m == "HEAD";
  if (!target.sub.empty() && target.sub != "status")
    co_return co_await subresource(std::move(request), std::move(target));
  if (target.sub == "status" && !k.has("status")) co_return refuse(ApiError::no_such_path());
  if (target.name.empty()) {
    if (reads && request.is("watch")) co_return watch(request, target);
    if (reads) co_return co_await list(std::move(request), std::move(target));
    if (m == "POST") co_return co_await create(std::move(request), std::move(target));
    if (m == "DELETE") co_return co_await remove_collection(std::move(request), std::move(target));
    co_return refuse(ApiError::method_not_allowed());
  }
  if (reads && request.is("watch") && target.sub.empty()) co_return watch(request, target);
  if (reads) co_return get(request, target);
  if (m == "PUT") co_return co_await update(std::move(request), std::move(target));
  if (m == "PATCH") co_return co_await patch(std::move(request), std::move(target));
  if (m == "DELETE" && target.sub.empty()) co_return co_await remove(std::move(request), std::move(target));
  co_return refuse(ApiError::method_not_allowed());
}

HttpResponse json_answer(int status, const json::value& body) {
  HttpResponse out;
  out.status = status;
  out.body = json::serialize(body) + "\n";
  return out;
}

HttpResponse status_answer(const ApiError& error) {
  auto out = json_answer(error.code, error.status());
  if (error.code == 503) out.headers.emplace_back("Retry-After", "1");
  return out;
}

StoredPtr Api::find_object(const Kind& kind, const std::string& ns, const std::string& name) {
  return cache(kind).get(ns, name);
}

}  // namespace weft::lab::api
