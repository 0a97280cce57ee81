// weft-lab-echo: answers every HTTP request, and every UDP datagram, with who it is and whom it sees.
//
//   {"cluster":"cluster1","node":"cluster1-node2","pod":"api-server-x","client":"10.1.0.7","requests":12}
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <cstdlib>

#include "async/scope.h"
#include "base/log.h"

namespace weft::lab {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using udp = asio::ip::udp;

struct Who {
  std::string cluster;
  std::string node;
  std::string pod;
  std::uint64_t requests = 0;

  std::string answer(const asio::ip::address& client) {
    boost::system::error_code ec;
    const bool mapped = client.is_v6() && client.to_v6().is_v4_mapped();
    const std::string from =
        mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, client.to_v6()).to_string() : client.to_string();
    return boost::json::serialize(boost::json::object{
               {"cluster", cluster}, {"node", node}, {"pod", pod}, {"client", from}, {"requests", ++requests}}) +
           "\n";
  }
};

Task<> serve(tcp::socket socket, Who& who) {
  boost::system::error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  std::string buffer;
  while (!ec) {
    const std::size_t n = co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer, 65536), "\r\n\r\n",
                                                          asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
    const bool close = buffer.find("Connection: close") != std::string::npos;
    buffer.erase(0, n);
    const std::string body = who.answer(peer.address());
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        (close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
    const std::string reply = head + body;
    co_await asio::async_write(socket, asio::buffer(reply), asio::redirect_error(asio::use_awaitable, ec));
    if (close) break;
  }
  socket.shutdown(tcp::socket::shutdown_both, ec);
}

Task<> accept_loop(asio::io_context& io, tcp::acceptor& acceptor, Who& who) {
  for (;;) {
    boost::system::error_code ec;
    tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
    asio::co_spawn(io, serve(std::move(socket), who), asio::detached);
  }
}

Task<> datagrams(udp::socket& socket, Who& who) {
  std::array<char, 2048> in;
  udp::endpoint peer;
  for (;;) {
    boost::system::error_code ec;
    co_await socket.async_receive_from(asio::buffer(in), peer, asio::redirect_error(asio::use_awaitable, ec));
    if (ec == asio::error::operation_aborted) co_return;
    const std::string out = who.answer(peer.address());
    co_await socket.async_send_to(asio::buffer(out), peer, asio::redirect_error(asio::use_awaitable, ec));
  }
}

Task<int> run(asio::io_context& io, Who& who, std::uint16_t port, unsigned grace_seconds) {
  Scope scope(io, "echo");
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v6::any(), port));
  udp::socket socket(io, udp::endpoint(asio::ip::address_v6::any(), port));
  log::info("listening", {{"port", port}, {"pod", who.pod}, {"cluster", who.cluster}});
  scope.spawn("tcp", accept_loop(io, acceptor, who));
  scope.spawn("udp", datagrams(socket, who));
  co_await wait_for_termination();
  if (grace_seconds > 0) co_await sleep_for(std::chrono::seconds(grace_seconds));
  co_return 0;
}

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace
}  // namespace weft::lab

int main(int argc, char** argv) {
  CLI::App app{"Answers HTTP and UDP with who it is and whom it sees"};
  weft::lab::Who who{weft::lab::env("CLUSTER_NAME"), weft::lab::env("NODE_NAME"), weft::lab::env("POD_NAME")};
  std::uint16_t port = 8080;
  unsigned grace = 0;
  app.add_option("--port", port, "TCP and UDP port, on every address");
  app.add_option("--cluster", who.cluster, "cluster to name (default: $CLUSTER_NAME)");
  app.add_option("--grace", grace, "seconds to go on serving after SIGTERM");
  CLI11_PARSE(app, argc, argv);
  boost::asio::io_context io;
  return weft::run_to_completion(io, weft::lab::run(io, who, port, grace));
}
