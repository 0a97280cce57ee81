// Hub: where gRPC's threads hand their answers to an io_context. Internal to kvstore.
//
// Completion handlers (that is: suspended coroutines) never leave the io_context's thread; a gRPC thread knows only a
// number. When the io_context is destroyed first, late answers are dropped.
#pragma once

#include <grpcpp/support/status.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "async/task.h"

namespace weft::kvstore {

class Hub : public std::enable_shared_from_this<Hub> {
 public:
  static std::shared_ptr<Hub> of(asio::io_context& io);
  explicit Hub(asio::io_context& io) : io_(&io) {}

  /// From any thread: runs `work` on the io_context, or never if that is gone.
  void post(std::function<void()> work);

  using Done = std::function<void(grpc::Status)>;
  /// Starts a call and waits for it: `start` gets a function to call once, from any thread, with the status; cancelling
  /// the coroutine calls `cancel` and returns at once.
  Task<grpc::Status> await(std::function<void(Done)> start, std::function<void()> cancel);

  void shutdown();

 private:
  using Handler = std::move_only_function<void(boost::system::error_code, grpc::Status)>;
  struct Waiting {
    Handler handler;
    asio::cancellation_slot slot;
  };
  void complete(std::uint64_t id, boost::system::error_code ec, grpc::Status status);

  std::mutex mutex_;
  asio::io_context* io_;
  // Only on the io_context's thread:
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  std::uint64_t next_id_ = 1;
};

}  // namespace weft::kvstore
