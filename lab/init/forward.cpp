#include "lab/init/forward.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <memory>

#include "base/fd.h"
#include "base/log.h"
#include "base/net.h"

namespace weft::lab {
namespace {

using asio::ip::tcp;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// A socket belongs to the namespace it was made in, wherever its owner is afterwards.
Result<int> socket_in(int holder, int family) {
  const Fd there(::open(fmt::format("/proc/{}/ns/net", holder).c_str(), O_RDONLY | O_CLOEXEC));
  const Fd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!there || !here || ::setns(there.get(), CLONE_NEWNET) != 0) return fail(errno_error("network namespace", errno));
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int error = errno;
  WEFT_CHECK(::setns(here.get(), CLONE_NEWNET) == 0);
  if (fd < 0) return fail(errno_error("socket", error));
  return fd;
}

struct Pair {
  tcp::socket outside;
  tcp::socket inside;
};

Task<> pump(std::shared_ptr<Pair> pair, bool inward) {
  tcp::socket& from = inward ? pair->outside : pair->inside;
  tcp::socket& to = inward ? pair->inside : pair->outside;
  std::array<char, 16384> buffer;
  for (;;) {
    auto [ec, n] = co_await from.async_read_some(asio::buffer(buffer), kTuple);
    if (n > 0) {
      auto [write_ec, written] = co_await asio::async_write(to, asio::buffer(buffer, n), kTuple);
      if (write_ec) break;
    }
    if (ec) break;
  }
  // Half a connection may go on: only this direction has ended.
  boost::system::error_code ignored;
  to.shutdown(tcp::socket::shutdown_send, ignored);
  from.shutdown(tcp::socket::shutdown_receive, ignored);
}

Task<> connect_and_pump(Scope& scope, std::shared_ptr<Pair> pair, tcp::endpoint target) {
  auto [ec] = co_await pair->inside.async_connect(target, kTuple);
  if (ec) co_return;  // closing is the answer a client understands
  scope.spawn("forward-in", pump(pair, true));
  co_await pump(pair, false);
}

}  // namespace

Task<> serve_forward(Scope& scope, Forward forward) {
  auto& io = scope.io();
  const auto target = SocketAddress::parse(forward.target);
  WEFT_CHECK(target.has_value());
  const bool v4 = target->address.is_v4();
  const tcp::endpoint endpoint(asio::ip::make_address(target->address.to_string()), target->port);
  tcp::acceptor acceptor(io, tcp::v4(), forward.listener);
  for (;;) {
    auto [ec, outside] = co_await acceptor.async_accept(kTuple);
    if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
    if (ec) continue;
    const auto fd = socket_in(forward.holder, v4 ? AF_INET : AF_INET6);
    if (!fd) {
      log::warn("forwarding failed", {{"target", forward.target}, {"error", fd.error().message}});
      continue;
    }
    auto pair = std::make_shared<Pair>(Pair{std::move(outside), tcp::socket(io, v4 ? tcp::v4() : tcp::v6(), *fd)});
    scope.spawn("forward", connect_and_pump(scope, std::move(pair), endpoint));
  }
}

}  // namespace weft::lab
