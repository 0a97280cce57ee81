// HTTPS server for the API: HTTP/1.1 over TLS, one coroutine a connection, streams for watches.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/scope.h"
#include "async/task.h"
#include "base/net.h"

namespace weft::lab::api {

struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;
};

struct HttpRequest {
  std::string method;
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // the first value of each
  std::string body;
  std::string accept, content_type, authorization, user_agent;
  bool impersonates = false;
  std::optional<User> certificate;  // of a client certificate that our CA signed
  std::string get(const std::string& key) const {
    const auto it = query.find(key);
    return it == query.end() ? std::string() : it->second;
  }
  bool is(const std::string& key) const {
    const auto v = get(key);
    return v == "true" || v == "1";
  }
};

/// The body of an answer that is sent as it comes.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// One chunk. False: the client is gone.
  virtual Task<bool> write(std::string chunk) = 0;
  virtual bool closed() const = 0;
  /// Called once, when the client goes away.
  std::function<void()> on_close;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<Task<>(BodyStream&)> stream;  // instead of the body; must not be a capturing coroutine
};

using HttpHandler = std::function<Task<HttpResponse>(HttpRequest)>;

struct HttpOptions {
  SocketAddress listen;  // port 0: any
  std::string cert_file, key_file;
  std::string client_ca_file;  // empty: no client certificates
};

class HttpServer {
 public:
  HttpServer(asio::io_context& io, HttpOptions options, HttpHandler handler);
  ~HttpServer();
  /// Reads certificates and binds. Errors: invalid (a file), unavailable (the address).
  Result<> start();
  Port port() const;
  /// Accepts until cancelled.
  Task<> run();
  /// Ends every connection.
  Task<> stop();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// "a%20b" → "a b"; plus signs become spaces in queries.
std::string url_decode(std::string_view text, bool query);
std::map<std::string, std::string> parse_query(std::string_view text);

}  // namespace weft::lab::api
