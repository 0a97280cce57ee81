#include "kvstore/tls_probe.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/file.h"
#include "base/net.h"

namespace weft::kvstore {
namespace {

namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

std::string name_text(const X509_NAME* name) {
  BIO* bio = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(n));
  BIO_free(bio);
  return out;
}

// Subject and issuer of the first certificate of a PEM file.
struct Names {
  std::string subject = "unreadable", issuer = "unreadable";
};
Names names_of(const std::string& pem) {
  Names out;
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  if (X509* cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    out.subject = name_text(X509_get_subject_name(cert));
    out.issuer = name_text(X509_get_issuer_name(cert));
    X509_free(cert);
  }
  BIO_free(bio);
  ERR_clear_error();
  return out;
}

struct Verdict {
  int error = X509_V_OK;
  std::string subject, issuer;
};

std::string cause(const Verdict& v, const std::string& server, const std::string& host, const Names& ca,
                  const Options& o) {
  switch (v.error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format(
          "{} shows a certificate ({}) that is not for \"{}\": connect by a name that is in it, or issue it for this "
          "one too",
          server, v.subject, host);
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} shows a certificate ({}) that is {}: renew it, or set the clocks", server, v.subject,
                         v.error == X509_V_ERR_CERT_HAS_EXPIRED ? "expired" : "not yet valid");
    default:
      return fmt::format(
          "{} shows a certificate issued by \"{}\", but we trust the CA \"{}\" ({}): both clusters must use one CA, or "
          "each "
          "the other's as trusted-ca-file ({})",
          server, v.issuer, ca.subject, o.tls.ca, X509_verify_cert_error_string(v.error));
  }
}

}  // namespace

Task<Result<>> probe_tls(std::string endpoint, Options options, std::string server) {
  const auto url = boost::urls::parse_uri(endpoint);
  if (!url || url->scheme() != "https") co_return Result<>{};
  std::string host(url->host_address().data(), url->host_address().size());
  const std::string port = url->has_port() ? std::string(url->port()) : "2379";
  const std::string check = options.server_name_override.empty() ? host : options.server_name_override;
  const std::string who = fmt::format("{} ({})", server, endpoint);

  ssl::context context(ssl::context::tls_client);
  boost::system::error_code ec;
  auto ca_pem = read_file(options.tls.ca);
  if (!ca_pem) co_return std::unexpected(ca_pem.error().in("the trusted-ca-file for " + server));
  const Names ca = names_of(*ca_pem);
  context.add_certificate_authority(asio::buffer(*ca_pem), ec);
  if (ec)
    co_return fail(Errc::invalid, fmt::format("the trusted-ca-file {} for {} holds no certificate: {}", options.tls.ca,
                                              server, ec.message()));
  Names own;
  if (!options.tls.cert.empty()) {
    auto cert_pem = read_file(options.tls.cert);
    if (!cert_pem) co_return std::unexpected(cert_pem.error().in("the cert-file for " + server));
    own = names_of(*cert_pem);
    context.use_certificate_chain_file(options.tls.cert, ec);
    if (ec)
      co_return fail(Errc::invalid, fmt::format("the cert-file {} for {} holds no certificate: {}", options.tls.cert,
                                                server, ec.message()));
    context.use_private_key_file(options.tls.key, ssl::context::pem, ec);
    if (ec)
      co_return fail(Errc::invalid, fmt::format("the key-file {} for {} does not fit the cert-file: {}",
                                                options.tls.key, server, ec.message()));
  }

  auto executor = co_await asio::this_coro::executor;
  const auto verdict = std::make_shared<Verdict>();
  ssl::stream<tcp::socket> stream(executor, context);
  // One limit for the whole probe: closing the socket ends whatever it waits for.
  const auto timed_out = std::make_shared<bool>(false);
  asio::steady_timer limit(executor, options.dial_timeout);
  limit.async_wait([timed_out, &stream](boost::system::error_code e) {
    if (e) return;
    *timed_out = true;
    boost::system::error_code ignored;
    stream.lowest_layer().close(ignored);
  });

  tcp::resolver resolver(executor);
  auto [resolve_error, found] = co_await resolver.async_resolve(host, port, kTuple);
  if (resolve_error == asio::error::operation_aborted) throw boost::system::system_error(resolve_error);
  if (resolve_error)
    co_return fail(Errc::unavailable, fmt::format("{}: the name does not resolve: {}", who, resolve_error.message()));
  auto [connect_error, peer] = co_await asio::async_connect(stream.lowest_layer(), found, kTuple);
  if (connect_error == asio::error::operation_aborted && !*timed_out) throw boost::system::system_error(connect_error);
  if (connect_error || *timed_out)
    co_return fail(Errc::unavailable,
                   fmt::format("{}: cannot connect: {}", who, *timed_out ? "no answer" : connect_error.message()));

  auto* const native = stream.native_handle();
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_set_alpn_protos(native, kAlpn, sizeof kAlpn);
  auto* const param = SSL_get0_param(native);
  if (Address::parse(check)) {
    X509_VERIFY_PARAM_set1_ip_asc(param, check.c_str());
  } else {
    SSL_set_tlsext_host_name(native, check.c_str());
    X509_VERIFY_PARAM_set1_host(param, check.c_str(), 0);
  }
  stream.set_verify_mode(ssl::verify_peer, ec);
  stream.set_verify_callback(
      [verdict](bool ok, ssl::verify_context& v) {
        if (!ok && verdict->error == X509_V_OK) {
          verdict->error = X509_STORE_CTX_get_error(v.native_handle());
          if (X509* cert = X509_STORE_CTX_get_current_cert(v.native_handle())) {
            verdict->subject = name_text(X509_get_subject_name(cert));
            verdict->issuer = name_text(X509_get_issuer_name(cert));
          }
        }
        return ok;
      },
      ec);
  auto [handshake_error] = co_await stream.async_handshake(ssl::stream_base::client, kTuple);
  if (handshake_error == asio::error::operation_aborted && !*timed_out)
    throw boost::system::system_error(handshake_error);
  if (verdict->error != X509_V_OK) co_return fail(Errc::unauthorized, cause(*verdict, who, check, ca, options));
  const auto refused = [&](const boost::system::error_code& e) {
    return fail(
        Errc::unauthorized,
        fmt::format("{} refuses our client certificate \"{}\" issued by \"{}\" ({}): the server must trust that CA, or "
                    "the certificate must come from the server's",
                    who, own.subject, own.issuer, e.message()));
  };
  const auto is_alert = [](const boost::system::error_code& e) {
    return e.category() == asio::error::get_ssl_category() &&
           ERR_GET_REASON(static_cast<unsigned long>(e.value())) >= SSL_AD_REASON_OFFSET;
  };
  if (handshake_error) {
    if (is_alert(handshake_error)) co_return refused(handshake_error);
    co_return fail(Errc::unavailable,
                   fmt::format("{}: no TLS: {}", who, *timed_out ? "no answer" : handshake_error.message()));
  }
  // With TLS 1.3 the server looks at our certificate after we think that all is well. Begin HTTP/2, and see whether it
  // answers.
  static constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  auto [write_error, written] = co_await asio::async_write(stream, asio::buffer(kPreface, sizeof kPreface - 1), kTuple);
  char byte = 0;
  auto [read_error, got] = co_await stream.async_read_some(asio::buffer(&byte, 1), kTuple);
  if (read_error == asio::error::operation_aborted && !*timed_out) throw boost::system::system_error(read_error);
  if (is_alert(read_error)) co_return refused(read_error);
  if (is_alert(write_error)) co_return refused(write_error);
  co_return Result<>{};
}

}  // namespace weft::kvstore
