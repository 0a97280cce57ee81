// The mesh store of cluster2 through bare gRPC: a put with the admin certificate, a watch with the remote one.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "job.h"

namespace grpc {
class Channel;
}

namespace weft::bench {

std::shared_ptr<grpc::Channel> store_channel(const std::string& address, const Pem& pem);

/// Put and get, blocking.
Result<> store_put(const std::shared_ptr<grpc::Channel>& channel, const std::string& key, const std::string& value);
Result<std::string> store_get(const std::shared_ptr<grpc::Channel>& channel, const std::string& key);
Result<> store_delete(const std::shared_ptr<grpc::Channel>& channel, const std::string& key);

/// Watches keys of an etcd without TLS and calls `put` for each value, until it returns false. Fails after `limit`.
Result<> record_store(const std::string& address, const std::string& prefix, std::chrono::seconds limit,
                      const std::function<bool(const std::string& value, Steady::time_point at)>& put);

/// Watches one key on a thread of its own.
class StoreWatch {
 public:
  static Result<std::unique_ptr<StoreWatch>> open(std::shared_ptr<grpc::Channel> channel, const std::string& key);
  ~StoreWatch();

  /// The moment at which a value arrives that contains `text`.
  void expect(std::string text);
  std::optional<Steady::time_point> wait(std::chrono::milliseconds limit);

 private:
  struct Stream;
  explicit StoreWatch(std::unique_ptr<Stream> stream);
  void run();

  std::unique_ptr<Stream> stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string expected_;
  std::optional<Steady::time_point> seen_;
  std::thread thread_;
};

}  // namespace weft::bench
