// FakeServer: an API server in memory, for tests that run parts of Weft in one process. It keeps what matters to a
// client true: revisions, conflicts, paging, watches with bookmarks, 410 after compaction, finalizers, a status
// subresource where asked for. It validates nothing.
#pragma once

#include <boost/json.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "async/signal.h"
#include "kube/transport.h"

namespace weft::kube {

class FakeServer {
 public:
  explicit FakeServer(asio::io_context& io);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;

  /// Any number of clients: Client(io, FakeServer::config(), server.transport()).
  std::shared_ptr<Transport> transport();
  static Config config();

  // ---- the world, changed by the test
  /// Creates or replaces, as somebody else's client would. The object needs metadata.name (and namespace).
  void put(const Resource& resource, json::object object);
  bool erase(const Resource& resource, const std::string& ns, const std::string& name);
  std::optional<json::object> get(const Resource& resource, const std::string& ns, const std::string& name) const;
  std::vector<json::object> all(const Resource& resource) const;
  std::uint64_t revision() const { return revision_; }

  // ---- trouble
  /// Revisions up to now are gone: watches and continuations from before get 410.
  void compact() { compacted_ = revision_; }
  /// Ends every open watch; `error` empty: in good order.
  void break_watches(std::string error = {});
  /// Sends a bookmark on every open watch.
  void bookmark();
  /// Requests are refused as if nobody listened.
  void set_down(bool down) { down_ = down; }
  /// Looks at each request before it is served; an answer given here is sent instead.
  std::function<std::optional<Response>(const Request&)> intercept;
  /// Yields to other coroutines between receiving a request and serving it, so that races happen.
  bool reorder = false;
  /// Kinds (plural) whose status changes only through /status.
  std::set<std::string> status_subresource;

  struct Call {
    std::string method, target;
  };
  const std::deque<Call>& calls() const { return calls_; }
  std::size_t open_watches() const { return watches_; }

 private:
  class FakeTransport;
  class FakeStream;
  struct Target;
  struct Logged {
    std::uint64_t revision;
    std::string collection;  // "<group>/<plural>"
    std::string type;
    json::object object;
    json::object before;  // as it was; empty: it is new
  };
  Response serve(const Request& request);
  Response serve_list(const Target& t);
  Response serve_write(const Target& t, const Request& request);
  Response serve_delete(const Target& t, const Request& request);
  void store(const std::string& collection, const std::string& key, json::object object, bool fresh);
  void remove_now(const std::string& collection, const std::string& key);

  Notifier changed_;
  std::map<std::string, std::map<std::string, json::object>> objects_;  // collection → "ns/name" → object
  std::deque<Logged> log_;
  std::uint64_t revision_ = 1;
  std::uint64_t compacted_ = 0;
  std::uint64_t next_uid_ = 1;
  std::uint64_t watch_epoch_ = 0;
  std::uint64_t bookmarks_ = 0;
  std::string watch_error_;
  std::size_t watches_ = 0;
  bool down_ = false;
  std::deque<Call> calls_;
};

/// RFC 7386.
void merge_patch(json::value& target, const json::value& patch);

}  // namespace weft::kube
