#include "api/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <thread>

#include "async/scope.h"
#include "async/signal.h"
#include "base/net.h"
#include "base/tests/free_port.h"

namespace weft::api {
namespace {

using asio::ip::tcp;
using ::testing::HasSubstr;

std::string scrape(const tcp::endpoint& at) {
  asio::io_context io;
  tcp::socket socket(io);
  boost::system::error_code ec;
  socket.connect(at, ec);
  if (ec) return "cannot connect to " + at.address().to_string() + ": " + ec.message();
  const std::string ask = "GET /metrics HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n\r\n";
  asio::write(socket, asio::buffer(ask), ec);
  std::string answer;
  asio::read(socket, asio::dynamic_buffer(answer), ec);  // ends with the connection
  return answer;
}

TEST(Metrics, are_scraped_over_tcp_on_every_address_of_both_families) {
  const auto port = weft::testing::free_port();
  asio::io_context io{1};
  Notifier end(io);
  metrics::Registry registry;
  registry.gauge("cilium_x", "X.").Set(7);
  Server server(io, "tcp://" + SocketAddress{*Address::parse("::"), port}.to_string());
  add_metrics(server, registry);
  const auto listening = server.listen();
  ASSERT_TRUE(listening) << listening.error().message;
  std::thread serving([&] {
    Scope scope(io, "test");
    run_to_completion(io, [](Scope& s, Server& api, Notifier& until) -> Task<int> {
      const auto serve = [](Server& a) -> Task<> { (void)co_await a.run(); };
      s.spawn("api", serve(api));
      co_await until.changed_since(0);
      co_await s.stop();
      co_return 0;
    }(scope, server, end));
  });
  const auto v4 = scrape({asio::ip::address_v4::loopback(), port});
  EXPECT_THAT(v4, HasSubstr("HTTP/1.1 200"));
  EXPECT_THAT(v4, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(v4, HasSubstr("\ncilium_x 7\n"));
  if (::access("/proc/net/if_inet6", F_OK) == 0) {
    EXPECT_THAT(scrape({asio::ip::address_v6::loopback(), port}), HasSubstr("\ncilium_x 7\n"));
  }
  asio::post(io, [&] { end.notify(); });
  serving.join();
}

}  // namespace
}  // namespace weft::api
