#include "kvstore/connection.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/file.h"
#include "base/log.h"

namespace weft::kvstore {
namespace {

struct Target {
  bool tls = false;
  std::string address;  // host:port as gRPC wants it
};

Result<Target> parse_endpoint(const std::string& endpoint) {
  const auto url = boost::urls::parse_uri(endpoint);
  if (!url || (url->scheme() != "https" && url->scheme() != "http") || url->host().empty())
    return fail(Errc::invalid, fmt::format("etcd endpoint \"{}\" is not a URL: write https://host:2379", endpoint));
  const std::string host(url->encoded_host().data(), url->encoded_host().size());
  const std::string port = url->has_port() ? std::string(url->port()) : "2379";
  return Target{url->scheme() == "https", host + ":" + port};
}

// What gRPC says by itself (failed handshakes, mostly) reaches our callers as errors; its own lines are for debugging.
void grpc_log(gpr_log_func_args* args) { log::debug("grpc", {{"text", args->message}}); }

// gRPC 1.51 takes its callback threads down with the last channel that used them, and sometimes aborts doing so. One
// channel to nowhere, used once and never destroyed, keeps them up.
void keep_callback_threads() {
  static auto* const stubs = new Stubs(grpc::CreateChannel("unix:/nonexistent", grpc::InsecureChannelCredentials()));
  struct Call {
    grpc::ClientContext context;
    etcdserverpb::StatusRequest request;
    etcdserverpb::StatusResponse response;
  };
  static auto* const call = new Call;
  static const bool once = [] {
    call->context.set_deadline(std::chrono::system_clock::now());
    stubs->maintenance->async()->Status(&call->context, &call->request, &call->response, [](grpc::Status) {});
    return true;
  }();
  (void)once;
}

grpc::ChannelArguments channel_arguments(const Options& o) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  args.SetMaxSendMessageSize(-1);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(o.keepalive_time.count()));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(o.keepalive_timeout.count()));
  // etcd closes connections that ping without a call, so no KEEPALIVE_PERMIT_WITHOUT_CALLS.
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(o.dial_timeout.count()));
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A new Client means new connections, not the sick one of the Client before.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Large ranges would otherwise wait for window updates.
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 20);
  if (!o.server_name_override.empty()) args.SetSslTargetNameOverride(o.server_name_override);
  return args;
}

}  // namespace

Connection::Connection(Options options) : options_(std::move(options)) {
  static const bool once = (gpr_set_log_function(grpc_log), true);
  (void)once;
  keep_callback_threads();
}

Stubs::Stubs(const std::shared_ptr<grpc::Channel>& channel)
    : kv(etcdserverpb::KV::NewStub(channel)),
      watch(etcdserverpb::Watch::NewStub(channel)),
      lease(etcdserverpb::Lease::NewStub(channel)),
      maintenance(etcdserverpb::Maintenance::NewStub(channel)),
      auth(etcdserverpb::Auth::NewStub(channel)) {}

const std::string& Connection::endpoint() const {
  static const std::string none = "(no endpoint)";
  return options_.endpoints.empty() ? none : options_.endpoints[current_];
}

Result<Connection::Pem> Connection::read_pem() const {
  Pem pem;
  const auto load = [](const std::string& path, std::string_view what, std::string& into) -> Result<> {
    if (path.empty()) return {};
    auto text = read_file(path);
    if (!text) return fail(text.error().in(what));
    into = std::move(*text);
    return {};
  };
  WEFT_TRY(load(options_.tls.ca, "the etcd connection's CA file", pem.ca));
  WEFT_TRY(load(options_.tls.cert, "the etcd connection's certificate file", pem.cert));
  WEFT_TRY(load(options_.tls.key, "the etcd connection's key file", pem.key));
  return pem;
}

Result<std::shared_ptr<Stubs>> Connection::stubs() {
  if (options_.endpoints.empty())
    return fail(Errc::invalid, "the etcd connection has no endpoint: name at least one URL under endpoints");
  const auto target = parse_endpoint(endpoint());
  if (!target) return fail(target.error());
  if (suspect_ && target->tls) {
    suspect_ = false;
    // Unreadable files here are a renewal under way: keep what worked.
    if (auto pem = read_pem(); pem && *pem != pem_) stubs_.clear();
  }
  if (const auto it = stubs_.find(current_); it != stubs_.end()) return it->second;

  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (target->tls) {
    auto pem = read_pem();
    if (!pem) return fail(pem.error());
    if (pem->ca.empty())
      return fail(Errc::invalid, fmt::format("etcd endpoint {} needs a CA: set trusted-ca-file", endpoint()));
    credentials = grpc::SslCredentials({pem->ca, pem->key, pem->cert});
    pem_ = std::move(*pem);
  }
  const auto stubs =
      std::make_shared<Stubs>(grpc::CreateCustomChannel(target->address, credentials, channel_arguments(options_)));
  stubs_[current_] = stubs;
  return stubs;
}

void Connection::failed() {
  suspect_ = true;
  if (!options_.endpoints.empty()) current_ = (current_ + 1) % options_.endpoints.size();
}

void Connection::prepare(grpc::ClientContext& context, bool stream) const {
  if (!stream) context.set_deadline(std::chrono::system_clock::now() + options_.request_timeout);
  if (!token_.empty()) context.AddMetadata("token", token_);
}

bool Connection::same_cluster(const etcdserverpb::ResponseHeader& header) {
  if (header.cluster_id() == 0) return true;  // a cancelled watch's answer has an empty header
  std::uint64_t expected = 0;
  if (cluster_id_.compare_exchange_strong(expected, header.cluster_id()) || expected == header.cluster_id())
    return true;
  other_cluster_id_ = header.cluster_id();
  return false;
}

Result<> Connection::intact() const {
  const auto other = other_cluster_id_.load();
  if (other == 0) return {};
  return fail(Errc::conflict,
              fmt::format("etcd at {} answers with cluster_id {:x} where {:x} was before: another data set is behind "
                          "the address; reconnect and list again",
                          endpoint(), other, cluster_id_.load()));
}

Error to_error(const grpc::Status& status, std::string_view endpoint) {
  const std::string& text = status.error_message();
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  const Errc code = [&] {
    switch (status.error_code()) {
      case grpc::StatusCode::UNAVAILABLE:
      case grpc::StatusCode::CANCELLED:
      case grpc::StatusCode::ABORTED: return Errc::unavailable;
      case grpc::StatusCode::DEADLINE_EXCEEDED: return Errc::timeout;
      case grpc::StatusCode::PERMISSION_DENIED:
      case grpc::StatusCode::UNAUTHENTICATED: return Errc::unauthorized;
      case grpc::StatusCode::NOT_FOUND: return Errc::not_found;
      case grpc::StatusCode::ALREADY_EXISTS: return Errc::exists;
      case grpc::StatusCode::RESOURCE_EXHAUSTED: return has("larger than max") ? Errc::invalid : Errc::exhausted;
      case grpc::StatusCode::OUT_OF_RANGE: return has("compacted") ? Errc::expired : Errc::invalid;
      case grpc::StatusCode::UNIMPLEMENTED: return Errc::unsupported;
      case grpc::StatusCode::INVALID_ARGUMENT:
        // Users or roles changed while the request was on its way (as at the start of a mesh store): nothing is wrong
        // with the request, the same one passes at the next try.
        if (has("revision of auth store is old")) return Errc::unavailable;
        // A client certificate whose common name is no user: etcd says "user name is empty".
        return has("user name is empty") || has("authentication failed") ? Errc::unauthorized : Errc::invalid;
      case grpc::StatusCode::FAILED_PRECONDITION:
        if (has("already exists")) return Errc::exists;
        if (has("not found")) return Errc::not_found;
        return Errc::invalid;
      default: return Errc::internal;
    }
  }();
  return {code, fmt::format("etcd {}: {}", endpoint, text.empty() ? std::string(to_string(code)) : text)};
}

}  // namespace weft::kvstore
