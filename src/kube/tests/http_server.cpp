#include "kube/tests/http_server.h"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace weft::kube {

namespace {

std::string pem_of(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  BIO_free(bio);
  return out;
}

template <class Stream>
Task<> serve(Server& s, Stream& stream) {
  beast::flat_buffer buffer;
  for (;;) {
    HttpRequest request;
    auto [ec, n] = co_await http::async_read(stream, buffer, request, kAwait);
    if (ec) co_return;
    ++s.requests;
    s.last_authorization = std::string(request[http::field::authorization]);
    s.acting_as = std::string(request["Impersonate-User"]);
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

Task<> over_tcp(Server& s, tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  co_await serve(s, stream);
}

Task<> over_tls(Server& s, tcp::socket socket) {
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

Task<> accept(Server& s) {
  for (;;) {
    auto [ec, socket] = co_await s.acceptor.async_accept(kAwait);
    if (ec) co_return;
    ++s.connections;
    s.scope.spawn("connection", s.tls ? over_tls(s, std::move(socket)) : over_tcp(s, std::move(socket)));
  }
}

}  // namespace

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

void Server::start() { scope.spawn("accept", accept(*this)); }

HttpResponse reply(unsigned status, const std::string& body) {
  HttpResponse r(static_cast<http::status>(status), 11);
  r.set(http::field::content_type, "application/json");
  r.body() = body;
  return r;
}

}  // namespace weft::kube
