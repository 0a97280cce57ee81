// The way to an API server by a proxy, and acting as somebody else: which proxy, what it is asked for, which headers.
#include "kube/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <map>
#include <memory>

#include "async/tests/run.h"
#include "kube/client.h"
#include "kube/credentials.h"
#include "kube/tests/http_server.h"

namespace weft::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using weft::testing::run;

TEST(ProxyUrl, host_port_and_password_are_read_and_the_password_is_not_shown) {
  const auto p = parse_proxy("http://me:se%20cret@bastion.example:3128");
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_EQ(p->host, "bastion.example");
  EXPECT_EQ(p->port, "3128");
  EXPECT_EQ(p->authorization, "Basic bWU6c2UgY3JldA==");
  EXPECT_EQ(p->shown, "http://bastion.example:3128");
  EXPECT_EQ(parse_proxy("http://[fd00::1]")->host, "fd00::1");
  EXPECT_EQ(parse_proxy("http://[fd00::1]")->port, "80");
  EXPECT_EQ(parse_proxy("http://[fd00::1]")->shown, "http://[fd00::1]:80");
}

TEST(ProxyUrl, other_kinds_of_proxies_are_refused_by_name) {
  for (const char* url : {"socks5://bastion:1080", "https://bastion:443"}) {
    const auto p = parse_proxy(url);
    ASSERT_FALSE(p) << url;
    EXPECT_EQ(p.error().code, Errc::unsupported);
  }
  EXPECT_THAT(parse_proxy("socks5://bastion:1080").error().message, HasSubstr("scheme socks5"));
  for (const char* url : {"", "bastion", "http://", "http://bastion:99999", "http://bastion:12345678901234567890"}) {
    const auto p = parse_proxy(url);
    ASSERT_FALSE(p) << url;
    EXPECT_EQ(p.error().code, Errc::invalid) << url;
  }
}

std::string chosen(const char* server, std::map<std::string, std::string> variables) {
  const auto url = proxy_of_environment(server, [&](const char* name) { return variables[name]; });
  return url ? *url : "refused: " + url.error().message;
}

TEST(EnvironmentsProxy, is_the_one_for_the_servers_scheme) {
  const std::map<std::string, std::string> both{{"HTTPS_PROXY", "http://a:1"}, {"HTTP_PROXY", "http://b:2"}};
  EXPECT_EQ(chosen("https://10.0.0.1:6443", both), "http://a:1");
  EXPECT_EQ(chosen("10.0.0.1:6443", both), "http://a:1");
  EXPECT_EQ(chosen("http://10.0.0.1:8080", both), "http://b:2");
  EXPECT_EQ(chosen("https://api.example", {{"https_proxy", "bastion:3128"}}), "http://bastion:3128");
  EXPECT_EQ(chosen("https://api.example", {{"HTTP_PROXY", "http://b:2"}}), "");
  EXPECT_EQ(chosen("https://api.example", {}), "");
}

TEST(EnvironmentsProxy, this_machine_is_reached_without_one) {
  for (const char* server :
       {"https://127.0.0.1:6443", "https://127.9.9.9", "https://[::1]:6443", "https://localhost:1"})
    EXPECT_EQ(chosen(server, {{"HTTPS_PROXY", "http://a:1"}}), "") << server;
}

TEST(EnvironmentsProxy, servers_in_no_proxy_are_reached_without_one) {
  EXPECT_EQ(chosen("https://10.0.0.1:6443", {{"HTTPS_PROXY", "http://a:1"}, {"NO_PROXY", "10.0.0.0/8"}}), "");
  EXPECT_EQ(chosen("https://10.0.0.1:6443", {{"HTTPS_PROXY", "http://a:1"}, {"no_proxy", "10.0.0.1"}}), "");
  EXPECT_EQ(chosen("https://11.0.0.1:6443", {{"HTTPS_PROXY", "http://a:1"}, {"NO_PROXY", "10.0.0.0/8"}}), "http://a:1");
}

TEST(EnvironmentsProxy, one_that_is_not_offered_is_refused_with_the_variable_and_the_mend) {
  const auto why = chosen("https://10.0.0.1:6443", {{"https_proxy", "socks5://u:hush@bastion:1080"}});
  EXPECT_THAT(why, HasSubstr("refused: $https_proxy, on the way to https://10.0.0.1:6443"));
  EXPECT_THAT(why, HasSubstr("socks5"));
  EXPECT_THAT(why, HasSubstr("$NO_PROXY"));
  EXPECT_THAT(why, Not(HasSubstr("hush")));
  EXPECT_EQ(chosen("https://10.0.0.1:6443", {{"https_proxy", "socks5://bastion:1080"}, {"NO_PROXY", "*"}}), "")
      << "what is not used is not refused";
}

TEST(NoProxy, names_addresses_networks_and_domains) {
  struct Row {
    const char *list, *host, *port;
    bool listed;
  };
  for (const auto& [list, host, port, listed] : std::initializer_list<Row>{
           {"", "a.example", "443", false},
           {"*", "a.example", "443", true},
           {"example", "a.example", "443", true},
           {"example", "example", "443", true},
           {".example", "a.example", "443", true},
           {".example", "example", "443", false},
           {"*.example", "a.example", "443", true},
           {"*.example", "example", "443", false},
           {"ample", "a.example", "443", false},
           {" b.example , A.Example ", "a.EXAMPLE", "443", true},
           {"a.example:6443", "a.example", "6443", true},
           {"a.example:6443", "a.example", "443", false},
           {"10.0.0.0/8", "10.1.2.3", "443", true},
           {"10.0.0.0/8", "11.1.2.3", "443", false},
           {"10.0.0.0/8", "a.example", "443", false},
           {"10.1.2.3", "10.1.2.3", "443", true},
           {"10.1.2.3:443", "10.1.2.3", "443", true},
           {"10.1.2.3:443", "10.1.2.3", "6443", false},
           {"fd00::/8", "fd00::1", "443", true},
           {"fd00:0::1", "fd00::1", "443", true},
           {"[fd00::1]:443", "fd00::1", "443", true},
           {"[fd00::1]:443", "fd00::1", "6443", false},
           {",,.", "a.example", "443", false},
       })
    EXPECT_EQ(listed_in_no_proxy(list, host, port), listed) << list << " and " << host << ":" << port;
}

// Copies what comes from one to the other until either ends. Whoever of the two directions is cancelled last has the
// sockets.
Task<> copy(std::shared_ptr<tcp::socket> from, std::shared_ptr<tcp::socket> to) {
  std::array<char, 4096> piece;
  for (;;) {
    auto [ec, n] = co_await from->async_read_some(asio::buffer(piece), kAwait);
    if (ec) break;
    auto [we, wn] = co_await asio::async_write(*to, asio::buffer(piece.data(), n), kAwait);
    if (we) break;
  }
  boost::system::error_code ignored;
  from->close(ignored);
  to->close(ignored);
}

// A proxy as bastions run one: CONNECT, then bytes both ways. With `refuse`, that status instead.
struct Bastion {
  explicit Bastion(asio::io_context& i) : io(i) {}
  std::string url() { return "http://me:hush@127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()); }
  void start() { scope.spawn("accept", accept(*this)); }

  static Task<> accept(Bastion& b) {
    for (;;) {
      auto [ec, socket] = co_await b.acceptor.async_accept(kAwait);
      if (ec) co_return;
      b.scope.spawn("connection", serve(b, std::move(socket)));
    }
  }
  static Task<> serve(Bastion& b, tcp::socket accepted) {
    const auto client = std::make_shared<tcp::socket>(std::move(accepted));
    beast::flat_buffer buffer;
    HttpRequest request;
    auto [ec, n] = co_await http::async_read(*client, buffer, request, kAwait);
    if (ec) co_return;
    b.asked.push_back(std::string(request.method_string()) + " " + std::string(request.target()));
    b.authorization = std::string(request[http::field::proxy_authorization]);
    const std::string answer = b.refuse.empty() ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                                : "HTTP/1.1 " + b.refuse + "\r\nContent-Length: 0\r\n\r\n";
    auto [we, wn] = co_await asio::async_write(*client, asio::buffer(answer), kAwait);
    if (we || !b.refuse.empty()) co_return;
    const auto server = std::make_shared<tcp::socket>(b.io);
    const tcp::endpoint where(asio::ip::make_address("127.0.0.1"), b.to);
    auto [ce] = co_await server->async_connect(where, kAwait);
    if (ce) co_return;
    b.scope.spawn("tunnel", copy(client, server));
    co_await copy(server, client);
  }

  asio::io_context& io;
  tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::uint16_t to = 0;
  std::string refuse;
  std::vector<std::string> asked;
  std::string authorization;
  Scope scope{io, "bastion"};
};

Task<> by_tunnel(TlsWorld& w, Bastion& bastion) {
  w.s.start();
  bastion.to = w.s.acceptor.local_endpoint().port();
  bastion.start();
  Config config = w.config();
  // A name that only the proxy can know: it is neither resolved nor connected to from here.
  config.server = "https://api.invalid:6443";
  config.tls_server_name = "kubernetes";
  config.proxy_url = bastion.url();
  Client client(w.io, config);
  for (int i = 0; i < 2; ++i) {
    auto r = co_await client.get(kPods, "a", "b");
    EXPECT_TRUE(r) << r.error().message;
  }
  EXPECT_THAT(bastion.asked, ElementsAre("CONNECT api.invalid:6443")) << "one tunnel, kept for the next request";
  EXPECT_EQ(bastion.authorization, "Basic bWU6aHVzaA==");
  EXPECT_EQ(w.s.client_name, "weft-client") << "TLS is with the server itself";
  EXPECT_EQ(w.s.requests, 2u);
  co_await bastion.scope.stop();
  co_await w.s.scope.stop();
}
TEST(Proxy, a_tls_server_is_reached_through_a_tunnel) {
  TlsWorld w;
  Bastion bastion(w.io);
  run(w.io, by_tunnel(w, bastion));
}

Task<> by_ipv6(asio::io_context& io, Bastion& bastion) {
  bastion.refuse = "403 Forbidden";
  bastion.start();
  Config config;
  config.server = "https://[fd00::1]:6443";
  config.proxy_url = bastion.url();
  Client client(io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_THAT(bastion.asked, ElementsAre("CONNECT [fd00::1]:6443"));
  co_await bastion.scope.stop();
}
TEST(Proxy, an_ipv6_server_is_named_in_brackets) {
  asio::io_context io;
  Bastion bastion(io);
  run(io, by_ipv6(io, bastion));
}

Task<> tunnel_refused(TlsWorld& w, Bastion& bastion) {
  w.s.start();
  bastion.refuse = "407 Proxy Authentication Required";
  bastion.start();
  Config config = w.config();
  config.proxy_url = bastion.url();
  Client client(w.io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unauthorized);
  EXPECT_THAT(r.error().message, HasSubstr("407 Proxy Authentication Required"));
  EXPECT_THAT(r.error().message, HasSubstr("http://127.0.0.1:"));
  EXPECT_THAT(r.error().message, Not(HasSubstr("hush")));
  EXPECT_EQ(w.s.connections, 0) << "the server is not asked behind the proxy's back";
  co_await bastion.scope.stop();
  co_await w.s.scope.stop();
}
TEST(Proxy, one_that_refuses_is_named_with_its_answer) {
  TlsWorld w;
  Bastion bastion(w.io);
  run(w.io, tunnel_refused(w, bastion));
}

Task<> without_tunnel(Server& proxy) {
  std::string target, authorization;
  proxy.handle = [&](const HttpRequest& q) {
    target = std::string(q.target());
    authorization = std::string(q[http::field::proxy_authorization]);
    return reply(200, "{}");
  };
  proxy.start();
  Config config;
  config.server = "http://api.invalid:8080/base";
  config.proxy_url = "http://me:hush@127.0.0.1:" + proxy.port();
  Client client(proxy.io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(target, "http://api.invalid:8080/base/api/v1/namespaces/a/pods/b");
  EXPECT_EQ(authorization, "Basic bWU6aHVzaA==");
  co_await proxy.scope.stop();
}
TEST(Proxy, a_plain_server_is_asked_for_by_its_whole_url) {
  asio::io_context io;
  Server proxy(io);
  run(io, without_tunnel(proxy));
}

Task<> not_offered(asio::io_context& io) {
  Config config;
  config.server = "https://api.invalid";
  config.proxy_url = "socks5://bastion:1080";
  Client client(io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unsupported);
}
TEST(Proxy, one_that_is_not_offered_is_never_gone_around) {
  asio::io_context io;
  run(io, not_offered(io));
}

TEST(ActingAs, nobody_needs_no_header) { EXPECT_THAT(impersonation_headers({}), IsEmpty()); }

TEST(ActingAs, user_uid_groups_and_extra_are_headers) {
  Impersonation who;
  who.user = "jane";
  who.uid = "7";
  who.groups = {"readers", "system:authenticated"};
  who.extra = {{"scopes", "view"}, {"scopes", "list"}, {"acme.com/project", "one two"}, {"50%", "x"}};
  EXPECT_THAT(
      impersonation_headers(who),
      ElementsAre(Pair("Impersonate-User", "jane"), Pair("Impersonate-Uid", "7"), Pair("Impersonate-Group", "readers"),
                  Pair("Impersonate-Group", "system:authenticated"), Pair("Impersonate-Extra-scopes", "view"),
                  Pair("Impersonate-Extra-scopes", "list"), Pair("Impersonate-Extra-acme.com%2Fproject", "one two"),
                  Pair("Impersonate-Extra-50%25", "x")));
}

Task<> acting(Server& s, Config config) {
  std::vector<std::string> seen;
  s.handle = [&](const HttpRequest& q) {
    for (const auto& field : q)
      if (field.name_string().starts_with("Impersonate-"))
        seen.push_back(std::string(field.name_string()) + ": " + std::string(field.value()));
    return reply(200, "{}");
  };
  s.start();
  Client client(s.io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("Impersonate-User: jane", "Impersonate-Group: readers",
                                                    "Impersonate-Group: writers"));
  EXPECT_EQ(s.last_authorization, "Bearer mine") << "we still prove who we are";
  // A stream is asked for by the same person.
  seen.clear();
  auto w = co_await client.watch(kPods);
  EXPECT_TRUE(w) << w.error().message;
  EXPECT_EQ(s.acting_as, "jane");
  s.end_streams = true;
  co_await s.scope.stop();
}
TEST(ActingAs, every_request_says_so_beside_our_own_credentials) {
  asio::io_context io;
  Server s(io);
  Config config = plain(s);
  config.token.text = "mine";
  config.act_as.user = "jane";
  config.act_as.groups = {"readers", "writers"};
  run(io, acting(s, config));
}

}  // namespace
}  // namespace weft::kube
