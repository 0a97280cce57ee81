// Client: speaks HTTP to one API server. Objects are boost::json values, typed rows are src/kube/types.
//
// Every call consumes its arguments before it returns the Task, so nothing has to outlive the call itself.
// Failures come as Result: HTTP 404 not_found, 409 conflict or exists (by the Status reason), 410 expired, 401 and 403
// unauthorized, 400 and 422 invalid, 405/406/415 unsupported, 429 and 5xx unavailable (after honouring Retry-After),
// no connection unavailable, no answer timeout. The message is "<verb> <resource> <name>: <Status.message>".
// Cancellation comes as operation_aborted, like everywhere.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "kube/config.h"
#include "kube/resources.h"

namespace weft::kube {

namespace json = boost::json;

enum class PatchType { merge, strategic, json, apply };

struct ListOptions {
  std::string ns;              // empty: all namespaces
  std::string label_selector;  // "app=cart,tier!=front"
  std::string field_selector;  // "spec.nodeName=node-1"
  unsigned limit = 0;          // 0: everything in one answer
  std::string continue_token;
  std::string resource_version;
};

struct WatchOptions {
  std::string ns;
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;  // empty: from now, after synthetic ADDED events for what exists
  bool bookmarks = true;
  unsigned timeout_seconds = 0;  // how long the server keeps the stream; 0: a random 5 to 10 minutes, as client-go
};

struct PatchOptions {
  std::string subresource;             // "status", "scale"
  std::string field_manager = "weft";  // required by apply
  bool force = false;                  // apply only: take over fields of other managers
};

struct DeleteOptions {
  std::string propagation;  // "Background", "Foreground", "Orphan"; empty: the server's choice
  std::optional<unsigned> grace_period_seconds;
  std::string uid;               // preconditions: delete only this very object,
  std::string resource_version;  // only in this state
};

struct WatchEvent {
  enum class Type { added, modified, deleted, bookmark } type = Type::added;
  json::object object;  // of a bookmark only metadata.resourceVersion is meaningful
};

/// A running watch. Destroy it to end it.
class Watch {
 public:
  struct Impl;
  explicit Watch(std::unique_ptr<Impl> impl);
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  /// Waits for the next event. No value: the server ended the stream in good order (its timeout); watch again from the
  /// last resourceVersion. Errc::expired: list again. An ERROR event comes back as an error, mapped like a response.
  Task<Result<std::optional<WatchEvent>>> next();
  /// True while next() would answer without waiting for the network: the place to gather a batch.
  bool buffered() const;

 private:
  std::unique_ptr<Impl> impl_;
};

struct Response {
  unsigned status = 0;
  std::string content_type;
  std::string body;
  std::optional<unsigned> retry_after_seconds;
};

class Transport;

/// A default argument that is no temporary: GCC 12 copies temporaries of aggregate type bitwise inside a co_await.
template <class Options>
const Options& defaults() {
  static const Options none;
  return none;
}

class Client {
 public:
  Client(asio::io_context& io, Config config);
  /// With another way to the server: tests, and the in-memory FakeServer (fake.h).
  Client(asio::io_context& io, Config config, std::shared_ptr<Transport> transport);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  asio::io_context& io() const;
  const Config& config() const;

  // `ns` is ignored for kinds without a namespace; empty, it is metadata.namespace of the object, else the config's.
  Task<Result<json::object>> get(const Resource&, std::string_view ns, std::string_view name);
  Task<Result<json::object>> create(const Resource&, std::string_view ns, const json::object& object);
  Task<Result<json::object>> update(const Resource&, std::string_view ns, const json::object& object);
  Task<Result<json::object>> update_status(const Resource&, std::string_view ns, const json::object& object);
  Task<Result<json::object>> patch(const Resource&, std::string_view ns, std::string_view name, PatchType type,
                                   const json::value& patch, const PatchOptions& options = defaults<PatchOptions>());
  /// The object as it was, or a Status. An object with finalizers lives on with a deletionTimestamp.
  Task<Result<json::object>> remove(const Resource&, std::string_view ns, std::string_view name,
                                    const DeleteOptions& options = defaults<DeleteOptions>());
  /// One page: {metadata: {resourceVersion, continue}, items: […]}.
  Task<Result<json::object>> list(const Resource&, const ListOptions& options = defaults<ListOptions>());
  /// All pages of at most `limit` (500 when 0), items only.
  Task<Result<std::vector<json::object>>> list_all(const Resource&,
                                                   const ListOptions& options = defaults<ListOptions>());
  Task<Result<Watch>> watch(const Resource&, const WatchOptions& options = defaults<WatchOptions>());

  /// Anything else: "GET", "/version". An answer of any status is a Response; only no answer is an error.
  Task<Result<Response>> request(std::string_view method, std::string_view target, std::string_view body = {},
                                 std::string_view content_type = "application/json");
  /// The same, and the body as a JSON object; statuses of 400 and more become errors.
  Task<Result<json::object>> request_json(std::string_view method, std::string_view target, std::string_view body = {},
                                          std::string_view content_type = "application/json");

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// ---- pure helpers

/// "/api/v1/namespaces/shop/pods/x/status"; without name the collection, without ns all namespaces.
std::string path_of(const Resource&, std::string_view ns, std::string_view name = {},
                    std::string_view subresource = {});
std::string list_target(const Resource&, const ListOptions&);
std::string watch_target(const Resource&, const WatchOptions&);
/// What an answer of 400 or more means; `what` is the verb and the object.
Error error_of_status(unsigned http_status, std::string_view body, std::string_view what);

}  // namespace weft::kube
