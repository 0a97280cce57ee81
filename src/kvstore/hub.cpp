#include "kvstore/hub.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft::kvstore {
namespace {

// Ties the hub's life to the io_context's: shutdown() runs before any of the context's handlers are destroyed.
class HubService : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;
  explicit HubService(asio::execution_context& context)
      : service(context), hub(std::make_shared<Hub>(static_cast<asio::io_context&>(context))) {}
  std::shared_ptr<Hub> hub;

 private:
  void shutdown() override { hub->shutdown(); }
};

}  // namespace

std::shared_ptr<Hub> Hub::of(asio::io_context& io) { return asio::use_service<HubService>(io).hub; }

void Hub::post(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (io_) asio::post(*io_, std::move(work));
}

void Hub::shutdown() {
  {
    std::lock_guard lock(mutex_);
    io_ = nullptr;
  }
  auto orphans = std::move(waiting_);
  waiting_.clear();
  orphans.clear();  // destroys the suspended coroutines, which may ask this hub to cancel
}

void Hub::complete(std::uint64_t id, boost::system::error_code ec, grpc::Status status) {
  auto node = waiting_.extract(id);
  if (node.empty()) return;
  if (!ec && node.mapped().slot.is_connected()) node.mapped().slot.clear();
  node.mapped().handler(ec, std::move(status));
}

Task<grpc::Status> Hub::await(std::function<void(Done)> start, std::function<void()> cancel) {
  const auto self = shared_from_this();
  const auto initiate = [](auto handler, std::shared_ptr<Hub> hub, std::function<void(Done)> start,
                           std::function<void()> cancel) {
    const auto id = hub->next_id_++;
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      slot.assign([hub, id, cancel = std::move(cancel)](asio::cancellation_type) {
        // Not from within the signal: the coroutine's frame may hold what is running now.
        hub->post([hub, id] { hub->complete(id, asio::error::operation_aborted, {}); });
        cancel();
      });
    }
    auto keep_running = asio::make_work_guard(*hub->io_);
    hub->waiting_.emplace(id, Waiting{[handler = std::move(handler), keep_running = std::move(keep_running)](
                                          boost::system::error_code ec, grpc::Status status) mutable {
                                        std::move(handler)(ec, std::move(status));
                                      },
                                      slot});
    start([hub, id](grpc::Status status) {
      hub->post([hub, id, status = std::move(status)] { hub->complete(id, {}, status); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                          void(boost::system::error_code, grpc::Status)>(
      initiate, asio::use_awaitable, self, std::move(start), std::move(cancel));
}

}  // namespace weft::kvstore
