#include "api/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>
#include <boost/url/parse.hpp>

#include <cerrno>
#include <filesystem>

#include "async/scope.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/net.h"

namespace weft::api {

namespace {
constexpr std::string_view kTcp = "tcp://";
}

namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local, asio::any_io_executor>;

namespace {

constexpr auto kIdle = std::chrono::seconds(60);
constexpr std::uint64_t kMaxBody = 16u << 20;

unsigned status_of(Errc code) {
  switch (code) {
    case Errc::invalid: return 400;
    case Errc::unauthorized: return 403;
    case Errc::not_found: return 404;
    case Errc::exists:
    case Errc::conflict: return 409;
    case Errc::expired: return 410;
    case Errc::unsupported: return 501;
    case Errc::unavailable:
    case Errc::exhausted: return 503;
    case Errc::timeout: return 504;
    case Errc::internal: return 500;
  }
  return 500;
}

/// Null when the target is not one.
std::optional<Request> to_request(const http::request<http::string_body>& in) {
  const auto target = in.target();
  const auto url = boost::urls::parse_origin_form(boost::core::string_view(target.data(), target.size()));
  if (!url) return std::nullopt;
  Request out;
  out.method = std::string(in.method_string());
  out.path = url->path();
  for (const auto& p : url->params()) out.query[p.key] = p.value;
  out.body = in.body();
  return out;
}

}  // namespace

Result<json::value> Request::json_body() const {
  json::error_code ec;
  json::parser parser;
  const auto used = parser.write(body, ec);
  if (ec)
    return fail(Errc::invalid, fmt::format("request body, byte {}: {}; send one JSON document", used, ec.message()));
  return parser.release();
}

Response Response::of(const json::value& value, unsigned status) {
  return {status, json::serialize(value), "application/json"};
}

Response Response::text(std::string text, unsigned status) {
  return {status, std::move(text), "text/plain; charset=utf-8"};
}

Response Response::of(const Error& error) {
  json::object inner{{"code", weft::to_string(error.code)}, {"message", error.message}};
  return of(json::object{{"error", std::move(inner)}}, status_of(error.code));
}

struct Server::Impl {
  struct Route {
    std::string method;
    std::string path;
    Handler handler;
  };

  Impl(asio::io_context& io, std::string socket_path)
      : path(std::move(socket_path)), acceptor(io), connections(io, "api " + path) {}

  Task<Response> answer(Request request) {
    const Route* best = nullptr;
    bool path_known = false;
    for (const Route& r : routes) {
      const bool here = request.path == r.path || r.path == "/" ||
                        (request.path.starts_with(r.path) && request.path[r.path.size()] == '/');
      if (!here) continue;
      path_known = true;
      if (r.method != request.method) continue;
      if (!best || r.path.size() > best->path.size()) best = &r;
    }
    if (!best) {
      std::string what = request.method + " " + request.path;
      if (!path_known) co_return Response::of(Error{Errc::not_found, what + ": no such resource"});
      Response r = Response::of(Error{Errc::unsupported, what + ": this resource does not offer the method"});
      r.status = 405;
      co_return r;
    }
    // The handler runs on its own copy of the function, so that what it holds lives as long as the answer takes.
    Handler handler = best->handler;
    auto out = co_await handler(std::move(request));
    co_return out;
  }

  static Task<> serve(Impl* self, Stream stream) {
    beast::flat_buffer buffer;
    for (;;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(kMaxBody);
      stream.expires_after(kIdle);
      const auto [read_error, read] =
          co_await http::async_read(stream, buffer, parser, asio::as_tuple(asio::use_awaitable));
      if (read_error) co_return;  // closed, idle for too long, or not HTTP
      stream.expires_never();
      const bool keep = parser.get().keep_alive();
      auto request = to_request(parser.get());
      Response out;
      if (request) {
        out = co_await self->answer(std::move(*request));
      } else {
        out = Response::of(Error{Errc::invalid, "request target: cannot be read; send a path such as /v1/services"});
      }
      http::response<http::string_body> response;
      response.version(11);
      response.result(out.status);
      response.set(http::field::content_type, out.content_type);
      response.keep_alive(keep);
      response.body() = std::move(out.body);
      response.prepare_payload();
      stream.expires_after(kIdle);
      const auto [write_error, written] =
          co_await http::async_write(stream, response, asio::as_tuple(asio::use_awaitable));
      if (write_error || !keep) co_return;
    }
  }

  std::string path;
  Local::acceptor acceptor;
  Scope connections;
  std::vector<Route> routes;
};

Server::Server(asio::io_context& io, std::string socket_path)
    : impl_(std::make_unique<Impl>(io, std::move(socket_path))) {}
Server::~Server() = default;

void Server::route(std::string method, std::string path, Handler handler) {
  impl_->routes.push_back({std::move(method), std::move(path), std::move(handler)});
}

void Server::route_value(std::string method, std::string path,
                         std::function<Result<json::value>(const Request&)> answer) {
  route(std::move(method), std::move(path), [answer = std::move(answer)](Request request) -> Task<Response> {
    const auto reply = [](std::function<Result<json::value>(const Request&)> fn, Request r) -> Task<Response> {
      auto value = fn(r);
      if (!value) co_return Response::of(value.error());
      co_return Response::of(*value);
    };
    return reply(answer, std::move(request));
  });
}

namespace {

// A listening TCP socket in the acceptor of local ones: accepting is the same call for both.
Result<> listen_tcp(Local::acceptor& acceptor, const std::string& where) {
  auto address = SocketAddress::parse(std::string_view(where).substr(kTcp.size()));
  if (!address) return fail(address.error().in("listen"));
  asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address->address.to_string()), address->port);
  Fd fd(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  // "[::]" means every address there is, also on a host without IPv6.
  if (!fd && errno == EAFNOSUPPORT && endpoint.address() == asio::ip::address_v6::any()) {
    endpoint.address(asio::ip::address_v4::any());
    fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  if (!fd) return fail(errno_error(where + ": cannot be listened on", errno));
  const int zero = 0;
  const int one = 1;
  if (endpoint.address().is_v6()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 || ::listen(fd.get(), 128) != 0)
    return fail(errno_error(where + ": cannot be listened on", errno));
  acceptor.assign(Local(), fd.release());
  return {};
}

}  // namespace

Result<> Server::listen() {
  const std::string& path = impl_->path;
  if (impl_->acceptor.is_open()) return {};
  if (path.starts_with(kTcp)) return listen_tcp(impl_->acceptor, path);
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return fail(Errc::invalid,
                fmt::format("socket path {}: {} characters are more than the kernel's {}; choose a shorter one", path,
                            path.size(), sizeof(sockaddr_un::sun_path) - 1));
  std::error_code made;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), made);
  boost::system::error_code ec;
  struct stat st{};
  if (::lstat(path.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode))
      return fail(Errc::exists, path + ": exists and is not a socket; remove it or choose another path");
    Local::socket probe(impl_->acceptor.get_executor());
    probe.connect(Local::endpoint(path), ec);
    if (!ec) return fail(Errc::exists, path + ": another process is answering on this socket; stop it first");
    ::unlink(path.c_str());
  }
  const auto old = ::umask(0117);
  impl_->acceptor.open(Local(), ec);
  if (!ec) impl_->acceptor.bind(Local::endpoint(path), ec);
  ::umask(old);
  if (!ec) impl_->acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    return fail(Errc::unavailable, fmt::format("socket {}: cannot be listened on: {}", path, ec.message()));
  }
  return {};
}

Task<Result<>> Server::run() {
  if (auto r = listen(); !r) {
    log::error("api socket", {{"error", r.error().message}});
    co_return r;
  }
  // Cancellation may come between two accepts as well as during one: look for it, instead of having it thrown.
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
    auto [ec, socket] = co_await impl_->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (ec == asio::error::operation_aborted) break;
    if (ec) {
      // Out of descriptors or memory: the connections that exist go on, new ones wait.
      log::warn("api accept", {{"socket", impl_->path}, {"error", ec.message()}});
      asio::steady_timer pause(impl_->acceptor.get_executor(), std::chrono::milliseconds(100));
      [[maybe_unused]] const auto [ignored] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    impl_->connections.spawn("connection", Impl::serve(impl_.get(), Stream(std::move(socket))));
  }
  // We were cancelled; the children are ours to end before the exception goes on its way.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await impl_->connections.stop();
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  if (!impl_->path.starts_with(kTcp)) ::unlink(impl_->path.c_str());
  throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace weft::api
