// Server: HTTP/1.1 with JSON bodies on a Unix socket. What the CLI, the CNI plugin and probes ask an agent, the
// operator and the mesh process through. Who may open the socket may ask everything: it is made with mode 0660, owner
// root.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "async/task.h"

namespace weft::api {

namespace json = boost::json;

struct Request {
  std::string method;                        // "GET", "POST", …
  std::string path;                          // percent-decoded, without the query: "/v1/services/shop/cart"
  std::map<std::string, std::string> query;  // decoded; a key without "=" has an empty value
  std::string body;

  /// The body as JSON; Errc::invalid names the offset of what cannot be read.
  Result<json::value> json_body() const;
};

struct Response {
  unsigned status = 200;
  std::string body;
  std::string content_type = "application/json";

  static Response of(const json::value& value, unsigned status = 200);
  static Response text(std::string text, unsigned status = 200);
  /// {"error": {"code": "not_found", "message": "…"}} with the HTTP status that fits the code.
  static Response of(const Error& error);
};

using Handler = std::function<Task<Response>(Request)>;

class Server {
 public:
  /// The path of a Unix socket; or "tcp://127.0.0.1:9879" for probes and metrics, which speak TCP only.
  Server(asio::io_context& io, std::string socket_path);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Requests of `method` whose path is `path` or lies below it ("/v1/nodes" serves "/v1/nodes/a", not "/v1/nodesx").
  /// The longest path wins. No handler for the path: 404; for the path but not the method: 405.
  void route(std::string method, std::string path, Handler handler);
  /// The same for answers that need no waiting.
  void route_value(std::string method, std::string path, std::function<Result<json::value>(const Request&)> answer);

  /// Binds. A socket file nobody listens on (its process was killed) is replaced; one that answers is an error.
  Result<> listen();
  /// Serves until cancelled, then closes every connection and removes the socket file. Calls listen() if that was not
  /// done; when it fails, logs and returns the error.
  Task<Result<>> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::api
