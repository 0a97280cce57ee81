#include "api/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>

#include "async/task.h"

namespace weft::api {

namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using Local = asio::local::stream_protocol;

namespace {

struct Exchange {
  std::string socket;
  http::request<http::string_body> request;
  std::chrono::milliseconds limit;
  boost::system::error_code error;
  const char* step = "connecting";
  Answer answer;
};

Task<> talk(Exchange& x) {
  beast::basic_stream<Local, asio::any_io_executor> stream(co_await asio::this_coro::executor);
  stream.expires_after(x.limit);
  const Local::endpoint endpoint(x.socket);
  const auto [connect_error] = co_await stream.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  x.error = connect_error;
  if (x.error) co_return;
  x.step = "sending";
  const auto [write_error, written] =
      co_await http::async_write(stream, x.request, asio::as_tuple(asio::use_awaitable));
  x.error = write_error;
  if (x.error) co_return;
  x.step = "waiting for the answer";
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  const auto [read_error, read] =
      co_await http::async_read(stream, buffer, parser, asio::as_tuple(asio::use_awaitable));
  x.error = read_error;
  if (x.error) co_return;
  auto& response = parser.get();
  x.answer.status = response.result_int();
  const auto type = response[http::field::content_type];
  x.answer.content_type = std::string(type.data(), type.size());
  x.answer.body = std::move(response.body());
}

Errc code_of(std::string_view name, unsigned status) {
  for (const Errc c :
       {Errc::invalid, Errc::not_found, Errc::exists, Errc::conflict, Errc::unauthorized, Errc::unavailable,
        Errc::timeout, Errc::expired, Errc::exhausted, Errc::unsupported, Errc::internal})
    if (to_string(c) == name) return c;
  return status < 500 ? Errc::invalid : Errc::internal;
}

Result<json::value> body_of(const Result<Answer>& answer, std::string_view what) {
  if (!answer) return std::unexpected(answer.error());
  json::error_code ec;
  json::value value = answer->body.empty() ? json::value() : json::parse(answer->body, ec);
  if (answer->status >= 200 && answer->status < 300) {
    if (ec) return fail(Errc::internal, fmt::format("{}: the answer is not JSON: {}", what, ec.message()));
    return value;
  }
  if (!ec && value.is_object()) {
    if (const auto* e = value.as_object().if_contains("error"); e && e->is_object()) {
      const auto* code = e->as_object().if_contains("code");
      const auto* message = e->as_object().if_contains("message");
      if (code && code->is_string() && message && message->is_string())
        return fail(code_of(std::string_view(code->as_string()), answer->status), std::string(message->as_string()));
    }
  }
  return fail(code_of("", answer->status), fmt::format("{}: HTTP {}: {}", what, answer->status, answer->body));
}

}  // namespace

Result<Answer> exchange(const std::string& socket, std::string_view method, std::string_view target,
                        std::string_view body, std::chrono::milliseconds limit) {
  if (socket.size() >= sizeof(sockaddr_un::sun_path))
    return fail(Errc::invalid, fmt::format("socket path {}: longer than the kernel's {} characters", socket,
                                           sizeof(sockaddr_un::sun_path) - 1));
  Exchange x;
  x.socket = socket;
  x.limit = limit;
  x.request.method_string(beast::string_view(method.data(), method.size()));
  x.request.target(beast::string_view(target.data(), target.size()));
  x.request.version(11);
  x.request.set(http::field::host, "weft");
  x.request.keep_alive(false);
  if (!body.empty()) x.request.set(http::field::content_type, "application/json");
  x.request.body() = std::string(body);
  x.request.prepare_payload();
  asio::io_context io(1);
  asio::co_spawn(io, talk(x), asio::detached);
  io.run();
  if (!x.error) return std::move(x.answer);
  if (x.error == beast::error::timeout)
    return fail(Errc::timeout,
                fmt::format("{}: no answer to {} {} within {} ms", socket, method, target, limit.count()));
  if (x.error == asio::error::connection_refused || x.error == asio::error::not_found ||
      x.error == boost::system::errc::no_such_file_or_directory)
    return fail(Errc::unavailable,
                fmt::format("{}: nobody listens there ({}); is the agent running on this node? Another "
                            "path is given by --socket",
                            socket, x.error.message()));
  if (x.error == asio::error::access_denied)
    return fail(Errc::unauthorized, fmt::format("{}: permission denied; run this as root", socket));
  return fail(Errc::unavailable, fmt::format("{}: {} failed: {}", socket, x.step, x.error.message()));
}

Result<json::value> get(const std::string& socket, std::string_view target, std::chrono::milliseconds limit) {
  return body_of(exchange(socket, "GET", target, {}, limit), target);
}

Result<json::value> post(const std::string& socket, std::string_view target, const json::value& body,
                         std::chrono::milliseconds limit) {
  return body_of(exchange(socket, "POST", target, json::serialize(body), limit), target);
}

}  // namespace weft::api
