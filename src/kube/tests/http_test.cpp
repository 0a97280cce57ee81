// The network transport against a small server on the loopback: keep-alive, streams, TLS, time limits, cancellation.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "async/tests/run.h"
#include "kube/client.h"
#include "kube/tests/http_server.h"

namespace weft::kube {
namespace {

using weft::testing::run;
using weft::testing::until;

Task<> keep_alive(Server& s, Config config) {
  s.handle = [](const HttpRequest& q) {
    return reply(200, R"({"metadata":{"name":")" + std::string(q.target()) + "\"}}");
  };
  s.start();
  Client client(s.io, config);
  for (int i = 0; i < 3; ++i) {
    auto r = co_await client.get(kPods, "shop", "cart");
    EXPECT_TRUE(r) << r.error().message;
    EXPECT_EQ(json::serialize(*r), R"({"metadata":{"name":"/api/v1/namespaces/shop/pods/cart"}})");
  }
  EXPECT_EQ(s.connections, 1);
  co_await s.scope.stop();
}
TEST(Http, connection_is_kept_for_the_next_request) {
  asio::io_context io;
  Server s(io);
  run(io, keep_alive(s, plain(s)));
}

Task<> closed_idle(Server& s, Config config) {
  s.handle = [](const HttpRequest&) { return reply(200, "{}"); };
  s.close_after = true;
  s.start();
  Client client(s.io, config);
  for (int i = 0; i < 4; ++i) {
    auto r = co_await client.create(kPods, "shop", json::object());
    EXPECT_TRUE(r) << r.error().message;
    co_await sleep_for(std::chrono::milliseconds(2));  // lets the server's close arrive
  }
  EXPECT_EQ(s.requests, 4u) << "no request may be sent twice";
  co_await s.scope.stop();
}
TEST(Http, idle_connection_that_the_server_closed_is_not_used_again) {
  asio::io_context io;
  Server s(io);
  run(io, closed_idle(s, plain(s)));
}

Task<> statuses(Server& s, Config config) {
  s.handle = [](const HttpRequest&) {
    return reply(409, R"({"kind":"Status","reason":"Conflict","message":"the object has been modified"})");
  };
  s.start();
  Client client(s.io, config);
  json::object object{{"metadata", {{"name", "a"}}}};
  auto r = co_await client.update(kNodes, "", object);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::conflict);
  EXPECT_EQ(r.error().message, "updating nodes a: the object has been modified");
  auto raw = co_await client.request("GET", "/healthz");
  EXPECT_TRUE(raw);
  EXPECT_EQ(raw->status, 409u);
  co_await s.scope.stop();
}
TEST(Http, refusal_of_the_server_keeps_its_message) {
  asio::io_context io;
  Server s(io);
  run(io, statuses(s, plain(s)));
}

Task<> retry_after(Server& s, Config config, int& seen) {
  s.handle = [&](const HttpRequest&) {
    auto r = reply(++seen == 1 ? 429 : 200, "{}");
    r.set(http::field::retry_after, "1");
    return r;
  };
  s.start();
  Client client(s.io, config);
  auto r = co_await client.get(kPods, "shop", "cart");
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(seen, 2);
  co_await s.scope.stop();
}
TEST(Http, too_many_requests_with_retry_after_is_asked_again) {
  asio::io_context io;
  Server s(io);
  int seen = 0;
  run(io, retry_after(s, plain(s), seen));
}

// Not in the coroutine: GCC 12 destroys an initializer list's temporaries there twice.
std::vector<std::string> three_events() {
  const std::string big(100'000, 'x');
  return {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n{\"type\":\"MODI",
          "FIED\",\"object\":{\"metadata\":{\"name\":\"" + big + "\"}}}\n",
          "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"};
}
Task<> watch_stream(Server& s, Config config) {
  s.lines = three_events();
  s.start();
  Client client(s.io, config);
  auto w = co_await client.watch(kPods);
  EXPECT_TRUE(w) << w.error().message;
  if (!w) co_return;
  auto e = co_await w->next();
  EXPECT_TRUE(e && *e && (*e)->type == WatchEvent::Type::added);
  e = co_await w->next();
  EXPECT_TRUE(e && *e && (*e)->type == WatchEvent::Type::modified);
  EXPECT_EQ((*e)->object.at("metadata").at("name").as_string().size(), 100'000u);
  e = co_await w->next();
  EXPECT_TRUE(e && *e && (*e)->type == WatchEvent::Type::bookmark);
  s.end_streams = true;
  e = co_await w->next();
  EXPECT_TRUE(e && !*e) << "the end in good order is not an error";
  co_await s.scope.stop();
}
TEST(Http, watch_reads_lines_across_chunks_and_ends_in_good_order) {
  asio::io_context io;
  Server s(io);
  run(io, watch_stream(s, plain(s)));
}

Task<> watch_error(Server& s, Config config) {
  s.lines.assign(1,
                 "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":"
                 "\"too old\"}}\n");
  s.start();
  Client client(s.io, config);
  auto w = co_await client.watch(kPods);
  auto e = co_await w->next();
  EXPECT_FALSE(e);
  EXPECT_EQ(e.error().code, Errc::expired);
  s.lines.assign(1, "no json\n");
  auto w2 = co_await client.watch(kPods);
  e = co_await w2->next();
  EXPECT_FALSE(e);
  co_await s.scope.stop();
}
TEST(Http, error_event_of_a_watch_is_mapped_like_an_answer) {
  asio::io_context io;
  Server s(io);
  run(io, watch_error(s, plain(s)));
}

Task<> drain(Client& client, bool& started) {
  auto w = co_await client.watch(kPods);
  started = true;
  for (;;) {
    auto e = co_await w->next();
    if (!e) throw std::runtime_error("cancellation must not look like an error: " + e.error().message);
  }
}
Task<> cancelled(Server& s, Config config) {
  s.start();
  s.lines.assign(1, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n");
  Client client(s.io, config);
  Scope scope(s.io, "client");
  bool started = false;
  scope.spawn("watch", drain(client, started));
  co_await until([&] { return started; });
  const auto before = Steady::now();
  co_await scope.stop();
  EXPECT_LT(Steady::now() - before, std::chrono::seconds(1));
  co_await s.scope.stop();
}
TEST(Http, cancelled_watch_ends_at_once) {
  asio::io_context io;
  Server s(io);
  run(io, cancelled(s, plain(s)));
}

Task<> nobody(asio::io_context& io, Config config) {
  Client client(io, config);
  auto r = co_await client.get(kPods, "shop", "cart");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unavailable);
  EXPECT_NE(r.error().message.find(config.server), std::string::npos) << r.error().message;
}
TEST(Http, server_that_is_not_there_is_unavailable) {
  asio::io_context io;
  Config config;
  {
    Server s(io);
    config = plain(s);
  }
  run(io, nobody(io, config));
  Config wrong;
  wrong.server = "::nonsense::";
  asio::io_context io2;
  Client client(io2, wrong);
  asio::co_spawn(
      io2,
      [](Client& c) -> Task<> {
        auto r = co_await c.get(kPods, "a", "b");
        EXPECT_FALSE(r);
        EXPECT_EQ(r.error().code, Errc::invalid);
      }(client),
      [](const std::exception_ptr& e) {
        if (e) std::rethrow_exception(e);
      });
  io2.run_for(std::chrono::seconds(5));
}

Task<> tls_ok(TlsWorld& w) {
  w.s.start();
  Client client(w.io, w.config());
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(w.s.client_name, "weft-client");
  Config named = w.config();
  named.tls_server_name = "kubernetes";
  Client by_name(w.io, named);
  r = co_await by_name.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  co_await w.s.scope.stop();
}
TEST(Tls, both_sides_prove_who_they_are) {
  TlsWorld w;
  run(w.io, tls_ok(w));
}

Task<> tls_refused(TlsWorld& w) {
  w.s.start();
  Config other_ca = w.config();
  other_ca.ca.text = w.client_pem.certificate;
  Client a(w.io, other_ca);
  auto r = co_await a.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unauthorized);
  EXPECT_NE(r.error().message.find("not trusted"), std::string::npos) << r.error().message;

  Config other_name = w.config();
  other_name.tls_server_name = "elsewhere.example";
  Client b(w.io, other_name);
  r = co_await b.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_NE(r.error().message.find("elsewhere.example"), std::string::npos) << r.error().message;
  EXPECT_EQ(w.s.requests, 0u);

  Config insecure = other_ca;
  insecure.insecure = true;
  Client c(w.io, insecure);
  r = co_await c.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  co_await w.s.scope.stop();
}
TEST(Tls, wrong_authority_or_name_is_refused_unless_insecure) {
  TlsWorld w;
  run(w.io, tls_refused(w));
}

Task<> tls_cancelled(TlsWorld& w) {
  w.s.start();
  w.s.lines.assign(1, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n");
  Client client(w.io, w.config());
  Scope scope(w.io, "client");
  bool started = false;
  scope.spawn("watch", drain(client, started));
  co_await until([&] { return started; });
  co_await sleep_for(std::chrono::milliseconds(5));
  const auto before = Steady::now();
  co_await scope.stop();
  EXPECT_LT(Steady::now() - before, std::chrono::seconds(1));
  co_await w.s.scope.stop();
}
TEST(Tls, cancelled_watch_ends_at_once) {
  TlsWorld w;
  run(w.io, tls_cancelled(w));
}

struct TokenFile {
  std::string path;
  TokenFile() {
    std::string t = "/tmp/weft-token-XXXXXX";
    ::close(mkstemp(t.data()));
    path = t;
  }
  ~TokenFile() { std::filesystem::remove(path); }
  void write(const std::string& text) const { std::ofstream(path, std::ios::trunc) << text; }
};

Task<> token_rotates(Server& s, Config config, TokenFile& file) {
  s.handle = [&](const HttpRequest& q) {
    return reply(q[http::field::authorization] == "Bearer two" ? 200 : 401, "{}");
  };
  s.start();
  Client client(s.io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unauthorized);
  EXPECT_EQ(s.last_authorization, "Bearer one");
  file.write("two\n");
  r = co_await client.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  co_await s.scope.stop();
}
TEST(Http, refused_token_is_read_again_from_its_file) {
  asio::io_context io;
  Server s(io);
  TokenFile file;
  file.write("one\n");
  Config config = plain(s);
  config.token.path = file.path;
  run(io, token_rotates(s, config, file));
}

Task<> plugin(Server& s, Config config) {
  s.handle = [](const HttpRequest&) { return reply(200, "{}"); };
  s.start();
  Client client(s.io, config);
  auto r = co_await client.get(kPods, "a", "b");
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(s.last_authorization, "Bearer from-plugin");
  co_await s.scope.stop();
}
TEST(Http, credential_plugin_gives_the_token) {
  asio::io_context io;
  Server s(io);
  Config config = plain(s);
  config.exec_command = {"/bin/sh", "-c", "echo \"{\\\"status\\\":{\\\"token\\\":\\\"$WHO\\\"}}\""};
  config.exec_env = {{"WHO", "from-plugin"}};
  run(io, plugin(s, config));
}

}  // namespace
}  // namespace weft::kube
