// The network transport: HTTP/1.1 over TCP or TLS, connections kept and reused, one connection for each stream.
// The only file of this folder that sees Beast and OpenSSL.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/url/parse.hpp>

#include <charconv>

#include "async/signal.h"
#include "base/log.h"
#include "base/net.h"
#include "kube/credentials.h"
#include "kube/proxy.h"
#include "kube/transport.h"

namespace weft::kube {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr auto kConnectLimit = std::chrono::milliseconds(15'000);
constexpr std::size_t kIdleConnections = 16;
constexpr std::size_t kConcurrent = 48;
constexpr std::uint64_t kBodyLimit = 1ull << 30;

struct Server {
  bool tls = true;
  std::string host;  // without brackets
  std::string port;
  std::string prefix;     // path before /api, without a trailing slash
  std::string authority;  // for Host
};

Result<Server> parse_server(const std::string& text) {
  const auto with_scheme = text.find("://") == std::string::npos ? "https://" + text : text;
  const auto url = boost::urls::parse_uri(with_scheme);
  if (!url || (url->scheme() != "https" && url->scheme() != "http") || url->host_address().empty())
    return fail(Errc::invalid, "server \"" + text + "\" is not a URL: write https://host:port");
  Server s;
  s.tls = url->scheme() == "https";
  s.host = std::string(url->host_address());
  s.port = url->port().empty() ? (s.tls ? "443" : "80") : std::string(url->port());
  s.prefix = std::string(url->encoded_path());
  while (!s.prefix.empty() && s.prefix.back() == '/') s.prefix.pop_back();
  s.authority = std::string(url->encoded_host()) + (url->port().empty() ? "" : ":" + s.port);
  return s;
}

// One of the two is set. The stream keeps its own timeout.
struct Connection {
  std::unique_ptr<beast::tcp_stream> plain;
  std::unique_ptr<ssl::stream<beast::tcp_stream>> tls;
  std::shared_ptr<ssl::context> context;
  beast::flat_buffer buffer;
  bool reused = false;

  beast::tcp_stream& lowest() { return tls ? tls->next_layer() : *plain; }
  // Nothing to read and not closed: an idle connection the server still keeps.
  bool alive() {
    char c;
    const auto n = ::recv(lowest().socket().native_handle(), &c, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && buffer.size() == 0;
  }
};

// operation_aborted is our own cancellation: it goes up as an exception, see task.h.
void throw_if_aborted(const error_code& ec) {
  if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
}

Error io_error(const error_code& ec, std::string_view doing) {
  if (ec == beast::error::timeout) return {Errc::timeout, std::string(doing) + ": no answer in time"};
  if (ec == http::error::end_of_stream || ec == asio::error::eof || ec == ssl::error::stream_truncated)
    return {Errc::unavailable, std::string(doing) + ": the server closed the connection"};
  return {Errc::unavailable, std::string(doing) + ": " + ec.message()};
}

using HttpRequest = http::request<http::string_body>;

template <class Stream>
Task<error_code> write_on(Stream& stream, HttpRequest& request) {
  auto [ec, n] = co_await http::async_write(stream, request, kAwait);
  throw_if_aborted(ec);
  co_return ec;
}
template <class Stream, class Parser>
Task<error_code> read_on(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  auto [ec, n] = co_await http::async_read(stream, buffer, parser, kAwait);
  throw_if_aborted(ec);
  co_return ec;
}
template <class Stream, class Parser>
Task<error_code> read_header_on(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  auto [ec, n] = co_await http::async_read_header(stream, buffer, parser, kAwait);
  throw_if_aborted(ec);
  co_return ec;
}
template <class Stream, class Parser>
Task<error_code> read_some_on(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  auto [ec, n] = co_await http::async_read_some(stream, buffer, parser, kAwait);
  throw_if_aborted(ec);
  co_return ec;
}

template <class Fields>
Response head_of(const Fields& message) {
  Response r;
  r.status = message.result_int();
  r.content_type = std::string(message[http::field::content_type]);
  if (const auto after = message[http::field::retry_after]; !after.empty()) {
    unsigned seconds = 0;
    const std::string text(after);
    if (std::from_chars(text.data(), text.data() + text.size(), seconds).ec == std::errc{})
      r.retry_after_seconds = seconds;
  }
  return r;
}

class HttpStream final : public BodyStream {
 public:
  using Parser = http::response_parser<http::buffer_body>;
  explicit HttpStream(std::unique_ptr<Connection> c) : connection_(std::move(c)) { parser_.body_limit(boost::none); }

  Task<Result<Response>> start(std::chrono::nanoseconds limit) {
    connection_->lowest().expires_after(limit);
    error_code ec;
    if (connection_->tls) {
      ec = co_await read_header_on(*connection_->tls, connection_->buffer, parser_);
    } else {
      ec = co_await read_header_on(*connection_->plain, connection_->buffer, parser_);
    }
    if (ec) co_return fail(io_error(ec, "reading the answer"));
    co_return head_of(parser_.get());
  }

  Task<Result<std::string>> read(std::chrono::nanoseconds idle) override {
    std::string out;
    while (out.empty() && !parser_.is_done()) {
      connection_->lowest().expires_after(idle);
      auto& body = parser_.get().body();
      body.data = piece_.data();
      body.size = piece_.size();
      body.more = true;
      error_code ec;
      if (connection_->tls) {
        ec = co_await read_some_on(*connection_->tls, connection_->buffer, parser_);
      } else {
        ec = co_await read_some_on(*connection_->plain, connection_->buffer, parser_);
      }
      out.assign(piece_.data(), piece_.size() - body.size);
      if (ec == http::error::need_buffer) ec = {};
      if (ec && out.empty()) co_return fail(io_error(ec, "reading the stream"));
    }
    co_return out;
  }

 private:
  std::unique_ptr<Connection> connection_;
  Parser parser_;
  std::array<char, 32 * 1024> piece_;
};

class HttpTransport final : public Transport {
 public:
  HttpTransport(asio::io_context& io, const Config& config)
      : io_(io),
        config_(config),
        credentials_(io, config),
        act_as_(impersonation_headers(config.act_as)),
        slot_free_(io) {
    auto server = parse_server(config.server);
    if (server) {
      server_ = *server;
    } else {
      broken_ = server.error();
    }
    if (config.proxy_url.empty()) return;
    auto proxy = parse_proxy(config.proxy_url);
    if (proxy) {
      proxy_ = std::move(*proxy);
    } else {
      broken_ = proxy.error().in("the proxy on the way to " + config.server);
    }
  }

  Task<Result<Response>> exchange(Request request) override {
    while (active_ >= kConcurrent) co_await slot_free_.changed_since(slot_free_.version());
    const Slot slot(*this);
    for (int attempt = 0;; ++attempt) {
      bool was_reused = false;
      auto answer = co_await try_exchange(request, was_reused);
      if (!answer) {
        // The server may close an idle connection just as we write on it; a question can be asked again.
        const bool again =
            was_reused && attempt == 0 && request.method == "GET" && answer.error().code == Errc::unavailable;
        if (!again) co_return fail(answer.error());
        idle_.clear();
        continue;
      }
      if (answer->status == 401 && attempt == 0 && credentials_.refused()) continue;
      co_return answer;
    }
  }

  Task<Result<Opened>> open(Request request) override {
    for (int attempt = 0;; ++attempt) {
      auto connection = co_await connect();
      if (!connection) co_return fail(connection.error());
      auto written = co_await write(**connection, request);
      if (!written) co_return fail(written.error());
      auto stream = std::make_unique<HttpStream>(std::move(*connection));
      auto head = co_await stream->start(request.timeout);
      if (!head) co_return fail(head.error());
      Opened out;
      if (head->status < 300) {
        out.stream = std::move(stream);
        co_return out;
      }
      out.refused = std::move(*head);
      while (out.refused.body.size() < 1'000'000) {
        auto piece = co_await stream->read(request.timeout);
        if (!piece || piece->empty()) break;
        out.refused.body += *piece;
      }
      if (out.refused.status == 401 && attempt == 0 && credentials_.refused()) continue;
      co_return out;
    }
  }

 private:
  struct Slot {
    explicit Slot(HttpTransport& t) : transport(t) { ++transport.active_; }
    ~Slot() {
      --transport.active_;
      transport.slot_free_.notify();
    }
    HttpTransport& transport;
  };

  Task<Result<Response>> try_exchange(const Request& request, bool& was_reused) {
    std::unique_ptr<Connection> connection;
    while (!idle_.empty() && !connection) {
      auto candidate = std::move(idle_.back());
      idle_.pop_back();
      if (candidate->alive()) connection = std::move(candidate);
    }
    was_reused = connection != nullptr;
    if (!connection) {
      auto fresh = co_await connect();
      if (!fresh) co_return fail(fresh.error());
      connection = std::move(*fresh);
    }
    auto written = co_await write(*connection, request);
    if (!written) co_return fail(written.error());
    connection->lowest().expires_after(request.timeout);
    http::response_parser<http::string_body> parser;
    parser.body_limit(kBodyLimit);
    error_code ec;
    if (connection->tls) {
      ec = co_await read_on(*connection->tls, connection->buffer, parser);
    } else {
      ec = co_await read_on(*connection->plain, connection->buffer, parser);
    }
    if (ec) co_return fail(io_error(ec, "reading the answer of " + config_.server));
    Response answer = head_of(parser.get());
    answer.body = std::move(parser.get().body());
    if (parser.get().keep_alive() && idle_.size() < kIdleConnections) {
      connection->lowest().expires_never();
      connection->reused = true;
      idle_.push_back(std::move(connection));
    }
    co_return answer;
  }

  Task<Result<>> write(Connection& connection, const Request& request) {
    auto authorization = co_await credentials_.authorization();
    if (!authorization) co_return fail(authorization.error());
    // A proxy that reads the request itself wants the whole URL (RFC 9112 section 3.2.2).
    const bool read_on_the_way = proxy_ && !server_.tls;
    HttpRequest message(http::string_to_verb(request.method),
                        (read_on_the_way ? "http://" + server_.authority : "") + server_.prefix + request.target, 11);
    message.set(http::field::host, server_.authority);
    if (read_on_the_way && !proxy_->authorization.empty())
      message.set(http::field::proxy_authorization, proxy_->authorization);
    message.set(http::field::user_agent, config_.user_agent);
    message.set(http::field::accept, request.accept);
    if (!authorization->empty()) message.set(http::field::authorization, *authorization);
    for (const auto& [name, value] : act_as_) message.insert(name, value);
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
      message.set(http::field::content_type, request.content_type);
      message.body() = request.body;
    }
    message.prepare_payload();
    connection.lowest().expires_after(request.timeout);
    error_code ec;
    if (connection.tls) {
      ec = co_await write_on(*connection.tls, message);
    } else {
      ec = co_await write_on(*connection.plain, message);
    }
    if (ec) co_return fail(io_error(ec, "asking " + config_.server));
    co_return Result<>{};
  }

  Task<Result<std::unique_ptr<Connection>>> connect() {
    if (!broken_.message.empty()) co_return fail(broken_);
    const std::string doing = "connecting to " + config_.server + (proxy_ ? " by the proxy " + proxy_->shown : "");
    // What the server's name means is the proxy's affair when there is one.
    const std::string& host = proxy_ ? proxy_->host : server_.host;
    const std::string& port = proxy_ ? proxy_->port : server_.port;
    std::vector<tcp::endpoint> endpoints;
    error_code ec;
    if (const auto literal = asio::ip::make_address(host, ec); !ec) {
      endpoints.emplace_back(literal, static_cast<Port>(std::stoul(port)));
    } else {
      tcp::resolver resolver(io_);
      auto [rec, found] = co_await resolver.async_resolve(host, port, kAwait);
      throw_if_aborted(rec);
      if (rec) co_return fail(Errc::unavailable, doing + ": resolving " + host + ": " + rec.message());
      for (const auto& e : found) endpoints.push_back(e.endpoint());
    }
    auto connection = std::make_unique<Connection>();
    if (server_.tls) {
      // A plugin's certificate is known only after it ran.
      auto authorization = co_await credentials_.authorization();
      if (!authorization) co_return fail(authorization.error());
      auto context = tls_context();
      if (!context) co_return fail(context.error().in(doing));
      connection->context = *context;
      connection->tls = std::make_unique<ssl::stream<beast::tcp_stream>>(beast::tcp_stream(io_), **context);
    } else {
      connection->plain = std::make_unique<beast::tcp_stream>(io_);
    }
    auto& lowest = connection->lowest();
    lowest.expires_after(std::min(kConnectLimit, config_.timeout));
    auto [cec, where] = co_await lowest.async_connect(endpoints, kAwait);
    throw_if_aborted(cec);
    if (cec) co_return fail(io_error(cec, doing));
    tune(lowest.socket().native_handle());
    if (connection->tls) {
      if (proxy_) {
        if (auto through = co_await tunnel(lowest, doing); !through) co_return fail(through.error());
      }
      if (auto hs = co_await handshake(*connection, doing); !hs) co_return fail(hs.error());
    }
    co_return connection;
  }

  // Asks the proxy for a way to the server, on which TLS begins then: RFC 9110 section 9.3.6.
  Task<Result<>> tunnel(beast::tcp_stream& stream, const std::string& doing) {
    const bool v6 = server_.host.find(':') != std::string::npos;
    const std::string target = (v6 ? "[" + server_.host + "]" : server_.host) + ":" + server_.port;
    HttpRequest message(http::verb::connect, target, 11);
    message.set(http::field::host, target);
    message.set(http::field::user_agent, config_.user_agent);
    if (!proxy_->authorization.empty()) message.set(http::field::proxy_authorization, proxy_->authorization);
    stream.expires_after(std::min(kConnectLimit, config_.timeout));
    error_code ec = co_await write_on(stream, message);
    if (ec) co_return fail(io_error(ec, doing));
    beast::flat_buffer buffer;
    http::response_parser<http::empty_body> parser;
    parser.skip(true);  // what follows the head of a 2xx belongs to the tunnel
    ec = co_await read_header_on(stream, buffer, parser);
    if (ec) co_return fail(io_error(ec, doing));
    const auto& answer = parser.get();
    if (answer.result_int() / 100 != 2)
      co_return fail(answer.result_int() == 407 ? Errc::unauthorized : Errc::unavailable,
                     doing + ": it answered " + std::to_string(answer.result_int()) + " " +
                         std::string(answer.reason()) + " to CONNECT " + target);
    if (buffer.size() != 0) co_return fail(Errc::unavailable, doing + ": it spoke before TLS began");
    co_return Result<>{};
  }

  Task<Result<>> handshake(Connection& connection, const std::string& doing) {
    auto& tls = *connection.tls;
    const std::string name = config_.tls_server_name.empty() ? server_.host : config_.tls_server_name;
    error_code literal;
    (void)asio::ip::make_address(name, literal);
    if (literal) SSL_set_tlsext_host_name(tls.native_handle(), name.c_str());
    if (!config_.insecure) tls.set_verify_callback(ssl::host_name_verification(name));
    connection.lowest().expires_after(std::min(kConnectLimit, config_.timeout));
    auto [ec] = co_await tls.async_handshake(ssl::stream_base::client, kAwait);
    throw_if_aborted(ec);
    if (!ec) co_return Result<>{};
    if (const long verdict = SSL_get_verify_result(tls.native_handle()); !config_.insecure && verdict != X509_V_OK)
      co_return fail(Errc::unauthorized, doing + ": the server's certificate is not trusted: " +
                                             X509_verify_cert_error_string(verdict) + " (expected name " + name + ")");
    if (ec.category() == asio::error::get_ssl_category())
      co_return fail(Errc::unauthorized, doing + ": TLS handshake: " + ec.message() + " (expected name " + name + ")");
    co_return fail(io_error(ec, doing + ": TLS handshake"));
  }

  // Files are read again for each connection: what was rotated takes effect without a restart.
  Result<std::shared_ptr<ssl::context>> tls_context() {
    auto ca = config_.ca.read();
    if (!ca) return fail(ca.error().in("the CA certificate"));
    auto certificate = credentials_.client_certificate();
    if (!certificate) return fail(certificate.error().in("the client certificate"));
    auto key = credentials_.client_key();
    if (!key) return fail(key.error().in("the client key"));
    const std::string fingerprint = *ca + '\0' + *certificate + '\0' + *key;
    if (context_ && fingerprint == context_of_) return context_;
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                         ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    context->set_verify_mode(config_.insecure ? ssl::verify_none : ssl::verify_peer);
    error_code ec;
    if (config_.insecure) {
    } else if (ca->empty()) {
      context->set_default_verify_paths(ec);
    } else {
      context->add_certificate_authority(asio::buffer(*ca), ec);
    }
    if (ec) return fail(Errc::invalid, "the CA certificate is not PEM: " + ec.message());
    if (!certificate->empty()) {
      context->use_certificate_chain(asio::buffer(*certificate), ec);
      if (ec) return fail(Errc::invalid, "the client certificate is not PEM: " + ec.message());
      context->use_private_key(asio::buffer(*key), ssl::context::pem, ec);
      if (ec) return fail(Errc::invalid, "the client key does not fit its certificate: " + ec.message());
    }
    context_ = context;
    context_of_ = fingerprint;
    return context_;
  }

  // A peer that vanished without a word is noticed within about 30 s, also on a stream that is silent by nature.
  static void tune(int fd) {
    const int on = 1, idle = 15, interval = 5, count = 3, user_ms = 30'000;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
  }

  asio::io_context& io_;
  Config config_;
  Credentials credentials_;
  std::vector<std::pair<std::string, std::string>> act_as_;  // headers
  Server server_;
  std::optional<Proxy> proxy_;
  Error broken_;
  std::deque<std::unique_ptr<Connection>> idle_;
  std::size_t active_ = 0;
  Notifier slot_free_;
  std::shared_ptr<ssl::context> context_;
  std::string context_of_;
};

}  // namespace

std::shared_ptr<Transport> make_http_transport(asio::io_context& io, const Config& config) {
  return std::make_shared<HttpTransport>(io, config);
}

}  // namespace weft::kube
