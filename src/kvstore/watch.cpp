#include <fmt/format.h>

#include <deque>

#include "async/signal.h"
#include "kvstore/client_impl.h"

namespace weft::kvstore {
namespace pb = etcdserverpb;

// The io_context's side.
struct WatchStream::Impl {
  explicit Impl(asio::io_context& io) : changed(io) {}
  Notifier changed;
  std::deque<WatchBatch> batches;
  std::optional<Error> end;
  bool created = false;
  EtcdRevision created_revision = 0;
  EtcdRevision compact_revision = 0;
  class Reactor;
  std::shared_ptr<Reactor> reactor;
};

// gRPC's side. Lives until OnDone, whoever lets go first.
class WatchStream::Impl::Reactor : public grpc::ClientBidiReactor<pb::WatchRequest, pb::WatchResponse>,
                                   public std::enable_shared_from_this<Reactor> {
 public:
  Reactor(std::shared_ptr<Client::Impl> client, std::shared_ptr<Stubs> stubs, std::weak_ptr<Impl> owner,
          std::string endpoint)
      : client_(std::move(client)),
        stubs_(std::move(stubs)),
        owner_(std::move(owner)),
        endpoint_(std::move(endpoint)) {}

  void start(const WatchRequest& request) {
    self_ = shared_from_this();
    client_->connection.prepare(context_, true);
    context_.AddMetadata("hasleader", "true");
    auto& create = *request_.mutable_create_request();
    create.set_key(request.key.empty() ? std::string(1, '\0') : request.key);
    create.set_range_end(request.end);
    create.set_start_revision(request.start_revision);
    create.set_prev_kv(request.prev_kv);
    create.set_progress_notify(request.progress_notify);
    stubs_->watch->async()->Watch(&context_, this);
    AddHold();  // reads may also be started from the io_context
    writing_ = true;
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  void cancel() {
    context_.TryCancel();
    release();
  }

  void request_progress() {
    std::lock_guard lock(mutex_);
    if (released_) return;
    if (writing_) {
      progress_wanted_ = true;
      return;
    }
    write_progress();
  }

  /// The io_context has taken a batch.
  void consumed() {
    if (queued_.fetch_sub(1) > kMostQueued / 2) return;
    std::lock_guard lock(mutex_);
    if (!paused_ || released_) return;
    paused_ = false;
    StartRead(&response_);
  }

 private:
  static constexpr int kMostQueued = 256;

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && progress_wanted_ && !released_) write_progress();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      release();
      return;
    }
    if (!client_->connection.same_cluster(response_.header())) {
      finish(client_->connection.intact().error());
      cancel();
      return;
    }
    if (response_.canceled()) {
      const auto compact = response_.compact_revision();
      Error error;
      if (compact > 0) {
        error = {Errc::expired,
                 fmt::format("etcd {}: the watch's start revision is compacted (oldest is {}): list again", endpoint_,
                             compact)};
      } else if (response_.cancel_reason().find("permission denied") != std::string::npos) {
        error = {Errc::unauthorized, fmt::format("etcd {}: watch refused: {}", endpoint_, response_.cancel_reason())};
      } else {
        error = {Errc::unavailable, fmt::format("etcd {}: watch cancelled: {}", endpoint_, response_.cancel_reason())};
      }
      finish(std::move(error), compact);
      cancel();
      return;
    }
    deliver();
    if (queued_ >= kMostQueued) {
      std::lock_guard lock(mutex_);
      paused_ = true;
      // Looked at again under the lock, for the reader may just have emptied the queue.
      if (queued_ > kMostQueued / 2 || released_) return;
      paused_ = false;
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    finish(status.ok() ? Error{Errc::unavailable, fmt::format("etcd {}: the watch stream ended", endpoint_)}
                       : to_error(status, endpoint_));
    client_->hub->post([client = client_, status, endpoint = endpoint_] { client->note_failure(status, endpoint); });
    const auto last = std::move(self_);  // may destroy this
  }

  void deliver() {
    if (response_.created()) {
      client_->hub->post([owner = owner_, revision = response_.header().revision()] {
        if (const auto o = owner.lock()) {
          o->created = true;
          o->created_revision = revision;
          o->changed.notify();
        }
      });
      return;
    }
    auto batch = std::make_shared<WatchBatch>();
    batch->revision = response_.header().revision();
    batch->events.reserve(static_cast<std::size_t>(response_.events_size()));
    for (auto& e : *response_.mutable_events()) {
      WatchEvent event;
      event.type = e.type() == mvccpb::Event::DELETE ? WatchEvent::Type::del : WatchEvent::Type::put;
      event.kv = from_proto(*e.mutable_kv());
      if (e.has_prev_kv()) event.prev = from_proto(*e.mutable_prev_kv());
      batch->events.push_back(std::move(event));
    }
    ++queued_;
    client_->hub->post([owner = owner_, batch] {
      if (const auto o = owner.lock()) {
        o->batches.push_back(std::move(*batch));
        o->changed.notify();
      }
    });
  }

  // The first ending is the one that counts; it comes after every batch.
  void finish(Error error, EtcdRevision compact = 0) {
    client_->hub->post([owner = owner_, error = std::move(error), compact] {
      if (const auto o = owner.lock(); o && !o->end) {
        o->end = error;
        o->compact_revision = compact;
        o->changed.notify();
      }
    });
  }

  void release() {
    {
      std::lock_guard lock(mutex_);
      if (released_) return;
      released_ = true;
    }
    RemoveHold();
  }

  void write_progress() {
    progress_wanted_ = false;
    writing_ = true;
    request_.mutable_progress_request();
    StartWrite(&request_);
  }

  std::shared_ptr<Client::Impl> client_;
  std::shared_ptr<Stubs> stubs_;
  std::weak_ptr<Impl> owner_;
  std::string endpoint_;
  std::shared_ptr<Reactor> self_;
  grpc::ClientContext context_;
  pb::WatchRequest request_;
  pb::WatchResponse response_;
  std::atomic<int> queued_{0};
  std::mutex mutex_;
  bool released_ = false;
  bool paused_ = false;
  bool writing_ = false;
  bool progress_wanted_ = false;
};

WatchStream::WatchStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
WatchStream::~WatchStream() {
  if (impl_->reactor) impl_->reactor->cancel();
}

bool WatchStream::pending() const { return !impl_->batches.empty() || impl_->end.has_value(); }
EtcdRevision WatchStream::created_revision() const { return impl_->created_revision; }
EtcdRevision WatchStream::compact_revision() const { return impl_->compact_revision; }
void WatchStream::request_progress() { impl_->reactor->request_progress(); }

Task<Result<WatchBatch>> WatchStream::next() {
  const auto impl = impl_;
  while (!pending()) co_await impl->changed.changed_since(impl->changed.version());
  if (impl->batches.empty()) co_return std::unexpected(*impl->end);
  WatchBatch batch = std::move(impl->batches.front());
  impl->batches.pop_front();
  impl->reactor->consumed();
  co_return batch;
}

Task<Result<std::unique_ptr<WatchStream>>> Client::watch(WatchRequest request) {
  const auto client = impl_;
  if (auto r = co_await client->before_call(); !r) co_return std::unexpected(r.error());
  auto stubs = client->connection.stubs();
  if (!stubs) co_return std::unexpected(stubs.error());
  auto impl = std::make_shared<WatchStream::Impl>(client->io);
  auto stream = std::make_unique<WatchStream>(impl);
  impl->reactor = std::make_shared<WatchStream::Impl::Reactor>(client, *stubs, impl, client->connection.endpoint());
  impl->reactor->start(request);
  const auto until = Steady::now() + client->connection.options().request_timeout;
  while (!impl->created && !impl->end) {
    const auto seen = impl->changed.version();
    const auto left = until - Steady::now();
    if (left <= Steady::duration::zero())
      co_return fail(Errc::timeout,
                     fmt::format("etcd {}: no answer to a watch of {}", client->connection.endpoint(), request.key));
    co_await impl->changed.changed_since(seen, left);
  }
  if (!impl->created && impl->end) co_return std::unexpected(*impl->end);
  co_return stream;
}

}  // namespace weft::kvstore
