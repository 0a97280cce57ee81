// A small HTTP server on the loopback for tests of the network transport, plain or over TLS.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "async/tests/run.h"
#include "kube/config.h"

namespace weft::kube {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Pem {
  std::string certificate, key;
};

// A certificate for 127.0.0.1 and "kubernetes", signed by itself.
Pem self_signed(const std::string& cn);

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
  std::string acting_as;  // of the last request
  std::string client_name;
  Scope scope{io, "server"};

  explicit Server(asio::io_context& i) : io(i) {}
  std::string port() { return std::to_string(acceptor.local_endpoint().port()); }
  void start();
};

HttpResponse reply(unsigned status, const std::string& body);

inline Config plain(Server& s) {
  Config c;
  c.server = "http://127.0.0.1:" + s.port();
  return c;
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

}  // namespace weft::kube
