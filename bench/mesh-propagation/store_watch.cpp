#include "store_watch.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "kvstore/proto/rpc.grpc.pb.h"
#include "kvstore/types.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

void set_deadline(grpc::ClientContext& context) { context.set_deadline(std::chrono::system_clock::now() + 10s); }

Result<> checked(const grpc::Status& status, const std::string& what) {
  if (status.ok()) return {};
  return fail(Errc::unavailable, what + ": " + status.error_message());
}

}  // namespace

std::shared_ptr<grpc::Channel> store_channel(const std::string& address, const Pem& pem) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = pem.ca;
  tls.pem_cert_chain = pem.cert;
  tls.pem_private_key = pem.key;
  grpc::ChannelArguments args;
  args.SetSslTargetNameOverride(kStoreName);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), args);
}

Result<> store_put(const std::shared_ptr<grpc::Channel>& channel, const std::string& key, const std::string& value) {
  grpc::ClientContext context;
  set_deadline(context);
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  etcdserverpb::PutResponse response;
  return checked(etcdserverpb::KV::NewStub(channel)->Put(&context, request, &response), "putting " + key);
}

Result<std::string> store_get(const std::shared_ptr<grpc::Channel>& channel, const std::string& key) {
  grpc::ClientContext context;
  set_deadline(context);
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  etcdserverpb::RangeResponse response;
  WEFT_TRY(checked(etcdserverpb::KV::NewStub(channel)->Range(&context, request, &response), "getting " + key));
  if (response.kvs().empty()) return fail(Errc::not_found, "the mesh store has no key " + key);
  return response.kvs(0).value();
}

Result<> store_delete(const std::shared_ptr<grpc::Channel>& channel, const std::string& key) {
  grpc::ClientContext context;
  set_deadline(context);
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(key);
  etcdserverpb::DeleteRangeResponse response;
  return checked(etcdserverpb::KV::NewStub(channel)->DeleteRange(&context, request, &response), "deleting " + key);
}

Result<> record_store(const std::string& address, const std::string& prefix, std::chrono::seconds limit,
                      const std::function<bool(const std::string&, Steady::time_point)>& put) {
  const auto stub = etcdserverpb::Watch::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + limit);
  const auto calls = stub->Watch(&context);
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(prefix);
  request.mutable_create_request()->set_range_end(kvstore::prefix_end(prefix));
  etcdserverpb::WatchResponse response;
  bool more = true;
  calls->Write(request);
  while (more && calls->Read(&response)) {
    const auto now = Steady::now();
    for (const auto& event : response.events()) more = more && put(event.kv().value(), now);
  }
  context.TryCancel();
  const auto status = calls->Finish();
  if (more) return fail(Errc::unavailable, "watching " + address + ": " + status.error_message());
  return {};
}

struct StoreWatch::Stream {
  grpc::ClientContext context;
  std::unique_ptr<etcdserverpb::Watch::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>> calls;
};

Result<std::unique_ptr<StoreWatch>> StoreWatch::open(std::shared_ptr<grpc::Channel> channel, const std::string& key) {
  auto stream = std::make_unique<Stream>();
  stream->stub = etcdserverpb::Watch::NewStub(channel);
  stream->calls = stream->stub->Watch(&stream->context);
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(key);
  etcdserverpb::WatchResponse response;
  if (!stream->calls->Write(request) || !stream->calls->Read(&response) || !response.created() || response.canceled()) {
    stream->context.TryCancel();
    const auto status = stream->calls->Finish();
    return fail(Errc::unavailable, "watching " + key + ": " + status.error_message() + response.cancel_reason());
  }
  return std::unique_ptr<StoreWatch>(new StoreWatch(std::move(stream)));
}

StoreWatch::StoreWatch(std::unique_ptr<Stream> stream) : stream_(std::move(stream)), thread_([this] { run(); }) {}

StoreWatch::~StoreWatch() {
  stream_->context.TryCancel();
  thread_.join();
  stream_->calls->Finish();
}

void StoreWatch::run() {
  etcdserverpb::WatchResponse response;
  while (stream_->calls->Read(&response)) {
    const auto now = Steady::now();
    const std::lock_guard lock(mutex_);
    for (const auto& event : response.events()) {
      if (expected_.empty() || seen_ || event.kv().value().find(expected_) == std::string::npos) continue;
      seen_ = now;
      changed_.notify_all();
    }
  }
}

void StoreWatch::expect(std::string text) {
  const std::lock_guard lock(mutex_);
  expected_ = std::move(text);
  seen_.reset();
}

std::optional<Steady::time_point> StoreWatch::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return seen_.has_value(); });
  expected_.clear();
  return std::exchange(seen_, std::nullopt);
}

}  // namespace weft::bench
