#include "lab/dns/health.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"

namespace weft::lab {
namespace {

using asio::ip::tcp;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

Task<> answer(tcp::socket socket, bool healthy) {
  std::string request;
  auto [ec, n] = co_await asio::async_read_until(socket, asio::dynamic_buffer(request, 4096), "\r\n\r\n", kTuple);
  if (ec) co_return;
  const std::string text =
      healthy ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
              : "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\nConnection: close\r\n\r\nwaiting";
  auto [write_ec, written] = co_await asio::async_write(socket, asio::buffer(text), kTuple);
  (void)write_ec;
}

}  // namespace

Task<> serve_health(Scope& scope, unsigned port, std::function<bool()> healthy) {
  tcp::acceptor acceptor(scope.io());
  boost::system::error_code ec;
  acceptor.open(tcp::v6(), ec);
  if (!ec) acceptor.set_option(asio::ip::v6_only(false), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(tcp::endpoint(tcp::v6(), static_cast<std::uint16_t>(port)), ec);
  if (!ec) acceptor.listen(16, ec);
  if (ec) {
    log::error("health port cannot be opened", {{"port", port}, {"error", ec.message()}});
    co_return;
  }
  for (;;) {
    auto [accept_ec, socket] = co_await acceptor.async_accept(kTuple);
    if (accept_ec == asio::error::operation_aborted) throw boost::system::system_error(accept_ec);
    if (!accept_ec) scope.spawn("health", answer(std::move(socket), healthy()));
  }
}

}  // namespace weft::lab
