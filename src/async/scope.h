// Scope: owns the coroutines that it spawned, cancels them together and waits for them.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "async/task.h"

namespace weft {

/// Usage:  Scope scope(io, "mesh"); scope.spawn("east", run_remote(...)); … co_await scope.stop();
/// A coroutine that ends with an exception other than cancellation is logged and, being a broken invariant,
/// stops the process. Not thread-safe: call from the io_context's thread. The destructor cancels the children
/// without waiting: what they refer to must outlive their unwinding, so prefer stop().
class Scope {
 public:
  Scope(asio::io_context& io, std::string name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Starts `task`. `name` is for logs.
  void spawn(std::string name, Task<> task);
  /// Cancels every child without waiting.
  void cancel();
  /// Cancels every child and returns when the last has finished. Children spawned meanwhile are cancelled too.
  Task<> stop();
  std::size_t running() const;
  asio::io_context& io() const { return io_; }

 private:
  struct State;
  asio::io_context& io_;
  std::shared_ptr<State> state_;
};

/// Runs `io` on the calling thread until `main` returns; its value is the process's exit code.
int run_to_completion(asio::io_context& io, Task<int> main);

/// Waits for SIGTERM or SIGINT and returns the signal's number.
Task<int> wait_for_termination();

}  // namespace weft
