#include "lab/node/prober.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "base/net.h"
#include "lab/node/async_process.h"
#include "lab/node/tuple_token.h"

namespace weft::lab {
namespace {

using asio::ip::tcp;

Result<int> socket_in(const std::string& netns, int family) {
  if (netns.empty()) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? Result<int>(fd) : fail(errno_error("socket", errno));
  }
  const Fd there(::open(netns.c_str(), O_RDONLY | O_CLOEXEC)),
      here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!there || !here || ::setns(there.get(), CLONE_NEWNET) != 0)
    return fail(errno_error("network namespace " + netns, errno));
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int error = errno;
  WEFT_CHECK(::setns(here.get(), CLONE_NEWNET) == 0);
  if (fd < 0) return fail(errno_error("socket", error));
  return fd;
}

std::string http_request(const Handler& h, const std::string& host, unsigned port) {
  std::string out =
      fmt::format("GET {} HTTP/1.1\r\nConnection: close\r\nUser-Agent: kube-probe/weft-lab\r\nAccept: */*\r\n", h.path);
  bool named = false;
  for (const auto& [key, value] : h.headers) {
    out += fmt::format("{}: {}\r\n", key, value);
    named = named || key == "Host";
  }
  if (!named)
    out += fmt::format("Host: {}:{}\r\n", host.find(':') == std::string::npos ? host : "[" + host + "]", port);
  return out + "\r\n";
}

Result<> judge(const std::string& answer) {
  // "HTTP/1.1 200 OK": any code from 200 to 399 is success, as with kubelet.
  if (answer.size() < 12 || !answer.starts_with("HTTP/1.")) return fail(Errc::invalid, "the answer is not HTTP");
  const int code = std::atoi(answer.c_str() + 9);
  if (code >= 200 && code < 400) return {};
  return fail(Errc::unavailable, fmt::format("HTTP probe failed with statuscode: {}", code));
}

template <class Stream>
Task<Result<>> exchange(Stream& stream, const std::string& request) {
  auto [write_ec, sent] = co_await asio::async_write(stream, asio::buffer(request), kTuple);
  if (write_ec) co_return fail(Errc::unavailable, "sending: " + write_ec.message());
  std::string answer;
  std::array<char, 512> buffer;
  while (answer.size() < 12) {
    auto [ec, n] = co_await stream.async_read_some(asio::buffer(buffer), kTuple);
    answer.append(buffer.data(), n);
    if (ec) break;
  }
  co_return judge(answer);
}

// Closes the socket when the time is up, which ends whatever waits on it.
struct Limit {
  Limit(tcp::socket& socket, std::chrono::milliseconds limit) : timer(socket.get_executor(), limit) {
    timer.async_wait([expired = expired, &socket](const boost::system::error_code& ec) {
      if (ec) return;
      *expired = true;
      boost::system::error_code ignored;
      socket.close(ignored);
    });
  }
  std::shared_ptr<bool> expired = std::make_shared<bool>(false);
  asio::steady_timer timer;
};

Task<Result<>> connect_and_ask(const Handler& h, const std::string& host, unsigned port, const std::string& netns,
                               std::chrono::milliseconds limit) {
  auto executor = co_await asio::this_coro::executor;
  const auto address = Address::parse(host);
  if (!address) co_return fail(address.error());
  const auto fd = socket_in(netns, address->is_v4() ? AF_INET : AF_INET6);
  if (!fd) co_return fail(fd.error());
  auto socket = std::make_shared<tcp::socket>(executor, address->is_v4() ? tcp::v4() : tcp::v6(), *fd);
  Limit deadline(*socket, limit);
  const tcp::endpoint endpoint(asio::ip::make_address(host), static_cast<std::uint16_t>(port));
  auto [ec] = co_await socket->async_connect(endpoint, kTuple);
  Result<> r;
  if (ec) {
    r = fail(
        Errc::unavailable,
        fmt::format("dial tcp {}: {}", SocketAddress{*address, static_cast<Port>(port)}.to_string(), ec.message()));
  } else if (h.kind == Handler::Kind::http) {
    const std::string request = http_request(h, host, port);
    if (h.scheme == "HTTPS") {
      asio::ssl::context context(asio::ssl::context::tls_client);
      asio::ssl::stream<tcp::socket&> tls(*socket, context);
      auto [tls_ec] = co_await tls.async_handshake(asio::ssl::stream_base::client, kTuple);
      if (tls_ec) {
        r = fail(Errc::unavailable, "TLS handshake: " + tls_ec.message());
      } else {
        r = co_await exchange(tls, request);
      }
    } else {
      r = co_await exchange(*socket, request);
    }
  }
  deadline.timer.cancel();
  if (*deadline.expired) co_return fail(Errc::timeout, fmt::format("no answer within {} ms", limit.count()));
  // Our own cancellation looks like a failed operation here; the next wait of the caller throws.
  co_return r;
}

Task<Result<>> run_exec(const Handler& h, const ProbeTarget& target, std::chrono::milliseconds limit) {
  const auto pidfd = open_process(target.process);
  if (!pidfd) co_return fail(pidfd.error());
  SpawnOptions o;
  o.argv = h.command;
  o.env = target.env;
  o.cwd = "/";
  o.cgroup = target.cgroup;
  o.namespaces_of = pidfd->get();
  o.namespace_flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  std::string input;
  auto r = co_await run_process(std::move(o), std::move(input), limit);
  if (!r) co_return fail(r.error());
  if (r->code == 0) co_return Result<>{};
  co_return fail(Errc::unavailable, fmt::format("exit code {}: {}", r->code, r->out.substr(0, 512)));
}

}  // namespace

Task<Result<>> run_handler(Handler h, ContainerSpec c, ProbeTarget target, std::chrono::milliseconds limit) {
  switch (h.kind) {
    case Handler::Kind::exec: {
      auto r = co_await run_exec(h, target, limit);
      co_return r;
    }
    case Handler::Kind::sleep: {
      co_await sleep_for(h.sleep);
      co_return Result<>{};
    }
    case Handler::Kind::grpc:
      co_return fail(Errc::unsupported, "grpc probes are not offered by the lab; use exec, httpGet or tcpSocket");
    case Handler::Kind::http:
    case Handler::Kind::tcp: break;
  }
  const auto port = resolve_port(c, h.port);
  if (!port) co_return fail(port.error());
  std::string host = h.host.empty() ? target.host : h.host;
  if (host == "localhost") host = "127.0.0.1";
  auto r = co_await connect_and_ask(h, host, *port, target.netns, limit);
  co_return r;
}

}  // namespace weft::lab
