#include "lab/apiserver/http.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <openssl/x509.h>

#include "base/log.h"

namespace weft::lab::api {
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using Tcp = asio::ip::tcp;
using TlsStream = ssl::stream<Tcp::socket>;

std::string url_decode(std::string_view s, bool query) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size() && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
      out += static_cast<char>(digit(s[i + 1]) * 16 + digit(s[i + 2]));
      i += 2;
    } else {
      out += query && s[i] == '+' ? ' ' : s[i];
    }
  }
  return out;
}

std::map<std::string, std::string> parse_query(std::string_view s) {
  std::map<std::string, std::string> out;
  for (std::size_t begin = 0; begin < s.size();) {
    const auto end = std::min(s.find('&', begin), s.size());
    const auto part = s.substr(begin, end - begin);
    const auto eq = std::min(part.find('='), part.size());
    out.emplace(url_decode(part.substr(0, eq), true), eq < part.size() ? url_decode(part.substr(eq + 1), true) : "");
    begin = end + 1;
  }
  return out;
}

namespace {

constexpr std::uint64_t kBodyLimit = 16u << 20;

std::string name_entry(X509_NAME* name, int index) {
  const X509_NAME_ENTRY* e = X509_NAME_get_entry(name, index);
  unsigned char* utf8 = nullptr;
  const int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e));
  if (n < 0) return {};
  std::string out(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(n));
  OPENSSL_free(utf8);
  return out;
}

std::optional<User> certificate_user(SSL* tls) {
  X509* cert = SSL_get1_peer_certificate(tls);
  if (cert == nullptr) return std::nullopt;
  std::optional<User> out;
  if (SSL_get_verify_result(tls) == X509_V_OK) {
    User user;
    X509_NAME* subject = X509_get_subject_name(cert);
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
      user.name = name_entry(subject, i);
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_organizationName, i)) >= 0;)
      user.groups.push_back(name_entry(subject, i));
    if (!user.name.empty()) out = std::move(user);
  }
  X509_free(cert);
  return out;
}

struct Session : std::enable_shared_from_this<Session> {
  TlsStream stream;
  beast::flat_buffer buffer;
  std::optional<User> user;
  bool peer_gone = false;
  std::function<void()> on_close;
  Session(Tcp::socket socket, ssl::context& tls) : stream(std::move(socket), tls) {}
};

class ChunkedBody final : public BodyStream {
 public:
  explicit ChunkedBody(Session& session) : session_(session) {}
  Task<bool> write(std::string chunk) override {
    if (session_.peer_gone) co_return false;
    if (chunk.empty()) co_return true;
    const std::string head = fmt::format("{:x}\r\n", chunk.size());
    chunk.insert(0, head);
    chunk += "\r\n";
    boost::system::error_code ec;
    co_await asio::async_write(session_.stream, asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, ec));
    if (ec) session_.peer_gone = true;
    co_return !ec;
  }
  bool closed() const override { return session_.peer_gone; }

 private:
  Session& session_;
};

// A client that streams from us says nothing more: the end of its side is the end of the watch.
Task<> watch_peer(std::shared_ptr<Session> session) {
  char byte[256];
  for (;;) {
    boost::system::error_code ec;
    const auto n =
        co_await session->stream.async_read_some(asio::buffer(byte), asio::redirect_error(asio::use_awaitable, ec));
    if (ec || n == 0) break;
  }
  session->peer_gone = true;
  if (session->on_close) session->on_close();
}

Task<bool> send_stream(Scope& scope, std::shared_ptr<Session> session, HttpResponse response) {
  std::string head = fmt::format(
      "HTTP/1.1 {} OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nCache-Control: "
      "no-cache, private\r\n",
      response.status, response.content_type);
  for (const auto& [k, v] : response.headers) head += fmt::format("{}: {}\r\n", k, v);
  head += "\r\n";
  boost::system::error_code ec;
  co_await asio::async_write(session->stream, asio::buffer(head), asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return false;
  ChunkedBody body(*session);
  session->on_close = [&body] {
    if (body.on_close) body.on_close();
  };
  scope.spawn("peer", watch_peer(session));
  co_await response.stream(body);
  session->on_close = nullptr;
  if (!session->peer_gone) {
    static const std::string kEnd = "0\r\n\r\n";
    co_await asio::async_write(session->stream, asio::buffer(kEnd), asio::redirect_error(asio::use_awaitable, ec));
  }
  co_return false;  // the connection has served its purpose
}

Task<bool> send_whole(std::shared_ptr<Session> session, HttpResponse answer, unsigned version, bool keep_alive,
                      bool head_only) {
  http::response<http::string_body> out;
  out.version(version);
  out.result(static_cast<unsigned>(answer.status));
  out.set(http::field::content_type, answer.content_type);
  out.set(http::field::cache_control, "no-cache, private");
  for (const auto& [k, v] : answer.headers) out.insert(k, v);
  out.keep_alive(keep_alive);
  const auto size = answer.body.size();
  if (!head_only) out.body() = std::move(answer.body);
  out.content_length(size);
  boost::system::error_code ec;
  co_await http::async_write(session->stream, out, asio::redirect_error(asio::use_awaitable, ec));
  co_return !ec && keep_alive;
}

HttpRequest to_request(http::request<http::string_body>& in, const std::optional<User>& user) {
  HttpRequest r;
  const std::string target(in.target());
  const auto mark = std::min(target.find('?'), target.size());
  r.method = std::string(in.method_string());
  r.path = url_decode(std::string_view(target).substr(0, mark), false);
  if (mark < target.size()) r.query = parse_query(std::string_view(target).substr(mark + 1));
  r.accept = std::string(in[http::field::accept]);
  r.content_type = std::string(in[http::field::content_type]);
  r.authorization = std::string(in[http::field::authorization]);
  r.user_agent = std::string(in[http::field::user_agent]);
  r.impersonates = in.count("Impersonate-User") > 0;
  r.certificate = user;
  r.body = std::move(in.body());
  return r;
}

Task<> serve(Scope& scope, std::shared_ptr<Session> session, const HttpHandler& handler) {
  boost::system::error_code ec;
  co_await session->stream.async_handshake(ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return;
  session->user = certificate_user(session->stream.native_handle());
  for (bool more = true; more;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kBodyLimit);
    parser.header_limit(64 << 10);
    co_await http::async_read_header(session->stream, session->buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      static const std::string kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(session->stream, asio::buffer(kGoOn), asio::redirect_error(asio::use_awaitable, ec));
      if (ec) break;
    }
    co_await http::async_read(session->stream, session->buffer, parser, asio::redirect_error(asio::use_awaitable, ec));
    if (ec == http::error::body_limit) {
      HttpResponse large;
      large.status = 413;
      large.body =
          R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the request is larger than 16 MiB","reason":"RequestEntityTooLarge","code":413})";
      co_await send_whole(session, std::move(large), 11, false, false);
      break;
    }
    if (ec) break;
    auto in = parser.release();
    const unsigned version = in.version();
    const bool keep_alive = in.keep_alive(), head_only = in.method() == http::verb::head;
    HttpRequest request = to_request(in, session->user);
    HttpResponse response = co_await handler(std::move(request));
    if (response.stream) {
      more = co_await send_stream(scope, session, std::move(response));
    } else {
      more = co_await send_whole(session, std::move(response), version, keep_alive, head_only);
    }
  }
  // Say goodbye, but do not wait for an answer longer than the socket lives.
  session->stream.lowest_layer().shutdown(Tcp::socket::shutdown_both, ec);
  session->stream.lowest_layer().close(ec);
}

}  // namespace

struct HttpServer::Impl {
  asio::io_context& io;
  HttpOptions options;
  HttpHandler handler;
  ssl::context tls{ssl::context::tls_server};
  Tcp::acceptor acceptor;
  Scope scope;
  Impl(asio::io_context& i, HttpOptions o, HttpHandler h)
      : io(i), options(std::move(o)), handler(std::move(h)), acceptor(i), scope(i, "connections") {}
};

HttpServer::HttpServer(asio::io_context& io, HttpOptions options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(io, std::move(options), std::move(handler))) {}
HttpServer::~HttpServer() = default;

Port HttpServer::port() const { return impl_->acceptor.local_endpoint().port(); }

Result<> HttpServer::start() {
  auto& t = impl_->tls;
  const auto& o = impl_->options;
  boost::system::error_code ec;
  SSL_CTX_set_min_proto_version(t.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(t.native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(t.native_handle(), SSL_OP_NO_TICKET);
  t.use_certificate_chain_file(o.cert_file, ec);
  if (ec) return fail(Errc::invalid, fmt::format("--tls-cert-file {}: {}", o.cert_file, ec.message()));
  t.use_private_key_file(o.key_file, ssl::context::pem, ec);
  if (ec) return fail(Errc::invalid, fmt::format("--tls-private-key-file {}: {}", o.key_file, ec.message()));
  if (!o.client_ca_file.empty()) {
    t.load_verify_file(o.client_ca_file, ec);
    if (ec) return fail(Errc::invalid, fmt::format("--client-ca-file {}: {}", o.client_ca_file, ec.message()));
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(o.client_ca_file.c_str());
    if (names != nullptr) SSL_CTX_set_client_CA_list(t.native_handle(), names);
    // A certificate of another CA does not end the connection: the request is answered with 401.
    SSL_CTX_set_verify(t.native_handle(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  }
  const auto& a = o.listen.address;
  const auto where = Tcp::endpoint(asio::ip::make_address(a.to_string()), o.listen.port);
  impl_->acceptor.open(where.protocol(), ec);
  if (!ec) impl_->acceptor.set_option(Tcp::acceptor::reuse_address(true), ec);
  // [::] also takes IPv4, so that one listener serves both families.
  if (!ec && a.is_v6() && a.is_unspecified()) impl_->acceptor.set_option(asio::ip::v6_only(false), ec);
  if (!ec) impl_->acceptor.bind(where, ec);
  if (!ec) impl_->acceptor.listen(1024, ec);
  if (ec) return fail(Errc::unavailable, fmt::format("--listen {}: {}", o.listen.to_string(), ec.message()));
  return {};
}

Task<> HttpServer::stop() { return impl_->scope.stop(); }

Task<> HttpServer::run() {
  for (;;) {
    boost::system::error_code ec;
    Tcp::socket socket(impl_->io);
    co_await impl_->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) {
      if (ec == asio::error::operation_aborted) co_return;
      log::warn("accepting a connection failed", {{"error", ec.message()}});
      co_await sleep_for(std::chrono::milliseconds(100));  // out of file descriptors, say
      continue;
    }
    socket.set_option(Tcp::no_delay(true), ec);
    socket.set_option(asio::socket_base::keep_alive(true), ec);
    auto session = std::make_shared<Session>(std::move(socket), impl_->tls);
    impl_->scope.spawn("connection", serve(impl_->scope, std::move(session), impl_->handler));
  }
}

}  // namespace weft::lab::api
