// Notifier: wakes coroutines when something may have changed. Level-triggered by a version, so that a
// notification between looking and waiting is never lost.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "async/task.h"

namespace weft {

/// Single-threaded. Usage:
///   auto seen = notifier.version();
///   … look at the state …
///   co_await notifier.changed_since(seen);
class Notifier {
 public:
  explicit Notifier(asio::io_context& io);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void notify();
  std::uint64_t version() const { return version_; }
  asio::io_context& io() const { return io_; }
  /// Returns at once if the version is not `seen` any more; otherwise waits for notify().
  Task<> changed_since(std::uint64_t seen);
  /// The same, for at most `limit`; false when the time ran out.
  Task<bool> changed_since(std::uint64_t seen, std::chrono::nanoseconds limit);

 private:
  struct Waiters;
  asio::io_context& io_;
  std::shared_ptr<Waiters> waiters_;
  std::uint64_t version_ = 0;
};

/// A flag that, once set, stays set: "synced", "ready".
class Gate {
 public:
  explicit Gate(asio::io_context& io) : notifier_(io) {}
  void open() {
    if (!open_) {
      open_ = true;
      notifier_.notify();
    }
  }
  bool is_open() const { return open_; }
  Task<> wait() {
    while (!open_) co_await notifier_.changed_since(notifier_.version());
  }

 private:
  Notifier notifier_;
  bool open_ = false;
};

}  // namespace weft
