// Connection: the channels to the endpoints of one etcd, and what its answers and errors mean. Internal to kvstore.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kvstore/client.h"
#include "kvstore/proto/rpc.grpc.pb.h"

namespace weft::kvstore {

/// The services of one endpoint.
struct Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel);
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  std::unique_ptr<etcdserverpb::Auth::Stub> auth;
};

class Connection {
 public:
  explicit Connection(Options options);
  const Options& options() const { return options_; }
  const std::string& endpoint() const;

  /// The endpoint in use; opens its channel if there is none.
  Result<std::shared_ptr<Stubs>> stubs();
  /// A call found the endpoint dead: the next goes to the next one.
  void failed();
  /// Ready to be used for one call: deadline (unless a stream) and token.
  void prepare(grpc::ClientContext& context, bool stream) const;
  /// The token of username and password; see Auth.Authenticate.
  void set_token(std::string token) { token_ = std::move(token); }
  const std::string& token() const { return token_; }

  /// From any thread: false if the header comes from another data set than the first one did.
  bool same_cluster(const etcdserverpb::ResponseHeader& header);
  std::uint64_t cluster_id() const { return cluster_id_; }
  /// An Error once another data set has answered.
  Result<> intact() const;

 private:
  struct Pem {
    std::string ca, cert, key;
    bool operator==(const Pem&) const = default;
  };
  Result<Pem> read_pem() const;

  Options options_;
  std::string token_;
  std::size_t current_ = 0;
  bool suspect_ = false;  // the endpoint failed: look whether the certificates are new before using it again
  std::map<std::size_t, std::shared_ptr<Stubs>> stubs_;
  Pem pem_;
  std::atomic<std::uint64_t> cluster_id_{0};
  std::atomic<std::uint64_t> other_cluster_id_{0};
};

/// What a gRPC status means to our callers.
Error to_error(const grpc::Status& status, std::string_view endpoint);

}  // namespace weft::kvstore
