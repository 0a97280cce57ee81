// Transport: one HTTP exchange, or one response read as a stream of lines. The network one is http_transport.cpp,
// the in-memory one fake.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "kube/client.h"

namespace weft::kube {

struct Request {
  std::string method = "GET";
  std::string target;
  std::string body;
  std::string content_type = "application/json";
  std::string accept = "application/json";
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
};

/// The body of a response that does not end by itself.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// The next piece; empty at the end in good order. Errc::timeout when nothing came for `idle`.
  virtual Task<Result<std::string>> read(std::chrono::nanoseconds idle) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Task<Result<Response>> exchange(Request request) = 0;
  /// Status below 300: the stream. Otherwise the whole answer is in `refused` and the stream is null.
  struct Opened {
    std::unique_ptr<BodyStream> stream;
    Response refused;
  };
  virtual Task<Result<Opened>> open(Request request) = 0;
};

std::shared_ptr<Transport> make_http_transport(asio::io_context& io, const Config& config);

}  // namespace weft::kube
