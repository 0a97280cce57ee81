// Api: requests in, answers out. Reads from the store's cache, writes through it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "lab/apiserver/http.h"
#include "lab/apiserver/jwt.h"
#include "lab/apiserver/kinds.h"
#include "lab/apiserver/rbac.h"
#include "lab/apiserver/selector.h"
#include "lab/apiserver/service.h"
#include "lab/apiserver/store.h"

namespace weft::lab::api {

struct ApiOptions {
  std::vector<Prefix> service_ranges;
  Port first_node_port = 30000, last_node_port = 32767;
  std::optional<TokenSigner> signer;
  bool rbac = true;  // else whoever is known may do everything
  Address advertise;
  Port port = 6443;
};

/// How the client wants the answer.
struct Form {
  enum class As { object, table, partial } as = As::object;
  std::string table_version = "v1";
  std::string discovery;  // v2 or v2beta1: aggregated discovery
};
/// The first of the media types in an Accept header that we offer.
Answer<Form> parse_accept(const std::string& accept);

/// Which object or collection a request is about.
struct Target {
  KindPtr kind;
  std::string ns, name, sub;
};

/// What a write is made with.
struct Write {
  std::string manager;  // fieldManager, or the client's name
  bool dry_run = false;
  bool force = false;  // apply: take fields from others
  bool apply = false;
  std::string validation;  // Ignore, Warn, Strict
  std::string sub;         // "" or "status"
  std::vector<std::string> warnings;
};

class Api {
 public:
  Api(Store& store, ApiOptions options);
  ~Api();

  /// System namespaces and the `kubernetes` service; makes them where they are missing.
  Task<Result<>> bootstrap();
  /// Removes the objects of definitions that are being deleted; runs until cancelled.
  Task<> clean_up_definitions();
  /// Removes events that are older than an hour; runs until cancelled.
  Task<> expire_events();
  Task<HttpResponse> handle(HttpRequest request);

  Kinds& kinds() { return kinds_; }

 private:
  // routing (api.cpp)
  Task<Answer<HttpResponse>> route(HttpRequest request);
  Answer<User> authenticate(const HttpRequest& request) const;
  Decision decision(const User& user, const Attributes& wanted);
  Answer<> authorize(const User& user, const HttpRequest& request, const std::vector<std::string>& parts);
  Policy policy();
  Answer<HttpResponse> plain_paths(const HttpRequest& request, const std::vector<std::string>& parts);
  Task<Answer<HttpResponse>> resource(HttpRequest request, User user, std::vector<std::string> parts);
  void on_change(const std::string& group, const std::string& plural, const Change& change);
  bool loaded() const { return store_.loaded(); }

  // reading (api_read.cpp)
  Answer<HttpResponse> get(const HttpRequest& request, const Target& target);
  Task<Answer<HttpResponse>> list(HttpRequest request, Target target);
  Answer<HttpResponse> watch(const HttpRequest& request, const Target& target);

  // writing (api_write.cpp, api_delete.cpp)
  Task<Answer<HttpResponse>> create(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> update(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> patch(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> remove(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> remove_collection(HttpRequest request, Target target);
  /// Defaulted, checked and stored (api_store.cpp).
  Task<Answer<StoredPtr>> store_new(KindPtr kind, std::string ns, json::value object, std::shared_ptr<Write> write);
  Task<Answer<StoredPtr>> store_update(KindPtr kind, StoredPtr old, json::value object, std::shared_ptr<Write> write);
  struct Removal {
    std::optional<std::int64_t> grace;
    std::string propagation, uid, revision;
    bool dry_run = false;
  };
  static Answer<Removal> removal_of(const HttpRequest& request, const json::value& body);
  /// The object that stays (being deleted), or null when it is gone.
  Task<Answer<StoredPtr>> remove_one(KindPtr kind, std::string ns, std::string name, Removal how);
  Answer<> admit(const Kind& kind, const std::string& ns, const json::value& object) const;

  // subresources (api_sub.cpp)
  Task<Answer<HttpResponse>> subresource(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> scale(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> bind(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> evict(HttpRequest request, Target target);
  Task<Answer<HttpResponse>> finalize(HttpRequest request, Target target);
  Answer<HttpResponse> token(const HttpRequest& request, const Target& target);

  // who asks, and may he (api_review.cpp)
  Answer<HttpResponse> review(const HttpRequest& request, const User& user, const std::string& ns,
                              const std::string& plural);
  json::object review_access(const User& user, const json::value& spec, const std::string& ns);
  json::object review_rules(const User& user, const std::string& ns);
  json::object review_token(const std::string& token) const;

  // shared
  StoredPtr find_object(const Kind& kind, const std::string& ns, const std::string& name);
  Cache& cache(const Kind& kind) { return store_.cache(kind.group, kind.plural); }
  Task<Result<>> ensure(std::string group, std::string plural, std::string ns, std::string name, json::value object);
  Task<> clean_up(std::string crd);

  Store& store_;
  ApiOptions options_;
  Kinds kinds_;
  ServiceAllocator services_;
  Notifier definitions_;  // a definition changed
};

// ---- Shared by the parts of Api.

/// The object in the form and version asked for.
HttpResponse answer(int status, const Kind& kind, const StoredPtr& object, const HttpRequest& request,
                    std::vector<std::string> warnings = {});
HttpResponse json_answer(int status, const json::value& body);
HttpResponse status_answer(const ApiError& error);
/// The bytes of an object as `kind`'s version has them.
std::string bytes_as(const Kind& kind, const Stored& object);
json::value object_as(const Kind& kind, const Stored& object);

/// What a CustomResourceDefinition waits for when it is deleted: that its objects are gone.
inline constexpr const char* kCrdCleanup = "customresourcecleanup.apiextensions.k8s.io";
void add_finalizer(json::value& object, const char* name);
void drop_finalizer(json::value& object, const char* name);
inline bool deleting(const json::value& object) { return !text(object, {"metadata", "deletionTimestamp"}).empty(); }
/// `base` as it would be stored with this content.
StoredPtr imagined(const Stored& base, json::value object);

/// "application/json" of "application/json; charset=utf-8".
std::string media_type(const std::string& content_type);
/// The request's body as JSON. Errors: 400, 415.
Answer<json::value> body_of(const HttpRequest& request);
Answer<std::shared_ptr<Write>> write_of(const HttpRequest& request);
/// Checks apiVersion and kind, drops unknown fields (or refuses them), checks JSON types of builtin kinds.
Answer<> decode(const Kind& kind, json::value& object, Write& write);

}  // namespace weft::lab::api
