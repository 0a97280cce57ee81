// The network transport against a small server on the loopback: keep-alive, streams, TLS, time limits, cancellation.
#include <gtest/gtest.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <filesystem>
#include <fstream>

#include "async/tests/run.h"
#include "kube/client.h"

namespace weft::kube {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
using weft::testing::run;
using weft::testing::until;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Pem {
  std::string certificate, key;
};

std::string pem_of(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  BIO_free(bio);
  return out;
}

// A certificate for 127.0.0.1 and "kubernetes", signed by itself.
Pem self_signed(const std::string& cn) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(cn.c_str()), -1, -1, 0);
  X509_set_issuer_name(x, name);
  const auto extend = [&](int nid, const char* value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, nullptr, nullptr, 0);
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
  };
  extend(NID_basic_constraints, "critical,CA:TRUE");
  extend(NID_subject_alt_name, "IP:127.0.0.1,DNS:kubernetes");
  X509_sign(x, key, EVP_sha256());
  Pem out{pem_of([&](BIO* b) { PEM_write_bio_X509(b, x); }),
          pem_of([&](BIO* b) { PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr); })};
  X509_free(x);
  EVP_PKEY_free(key);
  return out;
}

using HttpRequest = http::request<http::string_body>;
using HttpResponse = http::response<http::string_body>;

// Answers by `handle`; a target with watch=true gets `lines` in chunks, then silence until `end_streams`.
struct Server {
  asio::io_context& io;
  tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::unique_ptr<ssl::context> tls;
  std::function<HttpResponse(const HttpRequest&)> handle;
  std::vector<std::string> lines;
  int connections = 0;
  std::size_t requests = 0;
  bool end_streams = false;
  bool mute = false;         // accept requests and never answer
  bool close_after = false;  // close each connection after one answer, without announcing it
  std::string last_authorization;
  std::string client_name;
  Scope scope{io, "server"};

  explicit Server(asio::io_context& i) : io(i) {}
  std::string port() { return std::to_string(acceptor.local_endpoint().port()); }
  void start() { scope.spawn("accept", accept(*this)); }

  static Task<> accept(Server& s) {
    for (;;) {
      auto [ec, socket] = co_await s.acceptor.async_accept(kAwait);
      if (ec) co_return;
      ++s.connections;
      s.scope.spawn("connection", s.tls ? over_tls(s, std::move(socket)) : over_tcp(s, std::move(socket)));
    }
  }
  static Task<> over_tcp(Server& s, tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    co_await serve(s, stream);
  }
  static Task<> over_tls(Server& s, tcp::socket socket) {
    ssl::stream<beast::tcp_stream> stream(beast::tcp_stream(std::move(socket)), *s.tls);
    auto [ec] = co_await stream.async_handshake(ssl::stream_base::server, kAwait);
    if (ec) co_return;
    if (X509* peer = SSL_get1_peer_certificate(stream.native_handle())) {
      char cn[256] = {};
      X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, cn, sizeof cn);
      s.client_name = cn;
      X509_free(peer);
    }
    co_await serve(s, stream);
  }
  template <class Stream>
  static Task<> serve(Server& s, Stream& stream) {
    beast::flat_buffer buffer;
    for (;;) {
      HttpRequest request;
      auto [ec, n] = co_await http::async_read(stream, buffer, request, kAwait);
      if (ec) co_return;
      ++s.requests;
      s.last_authorization = std::string(request[http::field::authorization]);
      if (s.mute) {
        co_await sleep_for(std::chrono::hours(1));
      }
      if (request.target().find("watch=true") != std::string_view::npos) {
        const std::string head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        co_await asio::async_write(stream, asio::buffer(head), kAwait);
        for (const auto& line : s.lines) {
          const std::string chunk = fmt::format("{:x}\r\n{}\r\n", line.size(), line);
          auto [e1, n1] = co_await asio::async_write(stream, asio::buffer(chunk), kAwait);
          if (e1) co_return;
        }
        while (!s.end_streams) co_await sleep_for(std::chrono::milliseconds(2));
        const std::string last = "0\r\n\r\n";
        co_await asio::async_write(stream, asio::buffer(last), kAwait);
        continue;
      }
      HttpResponse response = s.handle(request);
      response.keep_alive(true);
      response.prepare_payload();
      auto [we, wn] = co_await http::async_write(stream, response, kAwait);
      if (we || s.close_after) co_return;
    }
  }
};

HttpResponse reply(unsigned status, const std::string& body) {
  HttpResponse r(static_cast<http::status>(status), 11);
  r.set(http::field::content_type, "application/json");
  r.body() = body;
  return r;
}

Config plain(Server& s) {
  Config c;
  c.server = "http://127.0.0.1:" + s.port();
  return c;
}

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

struct TlsWorld {
  asio::io_context io;
  Server s{io};
  Pem server_pem = self_signed("server");
  Pem client_pem = self_signed("weft-client");
  TlsWorld() {
    s.tls = std::make_unique<ssl::context>(ssl::context::tls_server);
    s.tls->use_certificate_chain(asio::buffer(server_pem.certificate));
    s.tls->use_private_key(asio::buffer(server_pem.key), ssl::context::pem);
    s.tls->add_certificate_authority(asio::buffer(client_pem.certificate));
    s.tls->set_verify_mode(ssl::verify_peer);
    s.handle = [](const HttpRequest&) { return reply(200, "{}"); };
  }
  Config config() {
    Config c;
    c.server = "https://127.0.0.1:" + s.port();
    c.ca.text = server_pem.certificate;
    c.client_certificate.text = client_pem.certificate;
    c.client_key.text = client_pem.key;
    return c;
  }
};

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
