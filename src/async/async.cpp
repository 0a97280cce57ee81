#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <csignal>
#include <exception>
#include <random>
#include <vector>

#include "async/backoff.h"
#include "async/scope.h"
#include "async/signal.h"
#include "async/task.h"
#include "base/log.h"

namespace weft {

Task<> sleep_for(std::chrono::nanoseconds d) {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           std::chrono::duration_cast<asio::steady_timer::duration>(d));
  co_await timer.async_wait(asio::use_awaitable);
}

Task<> yield() { co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable); }

// ---- Scope

struct Scope::State {
  struct Child {
    std::string name;
    asio::cancellation_signal signal;
  };
  std::string name;
  std::list<Child> children;
  bool stopping = false;
  Notifier finished;
  State(asio::io_context& io, std::string n) : name(std::move(n)), finished(io) {}
};

Scope::Scope(asio::io_context& io, std::string name) : io_(io), state_(std::make_shared<State>(io, std::move(name))) {}
Scope::~Scope() { cancel(); }

std::size_t Scope::running() const { return state_->children.size(); }

void Scope::spawn(std::string name, Task<> task) {
  state_->children.emplace_back();
  const auto child = std::prev(state_->children.end());
  child->name = std::move(name);
  asio::co_spawn(
      io_, std::move(task),
      asio::bind_cancellation_slot(child->signal.slot(), [state = state_, child](const std::exception_ptr& error) {
        if (error) {
          try {
            std::rethrow_exception(error);
          } catch (const boost::system::system_error& e) {
            if (e.code() != asio::error::operation_aborted) {
              log::error("task failed", {{"scope", state->name}, {"task", child->name}, {"error", e.what()}});
              log::fatal("a task ended with an exception", __FILE__, __LINE__);
            }
          } catch (const std::exception& e) {
            log::error("task failed", {{"scope", state->name}, {"task", child->name}, {"error", e.what()}});
            log::fatal("a task ended with an exception", __FILE__, __LINE__);
          }
        }
        state->children.erase(child);
        state->finished.notify();
      }));
  if (state_->stopping)
    asio::post(io_, [state = state_] {
      for (auto& c : state->children) c.signal.emit(asio::cancellation_type::terminal);
    });
}

void Scope::cancel() {
  // A child that finishes while being cancelled erases itself from the list, hence the copy of iterators' owners.
  std::vector<State::Child*> all;
  for (auto& c : state_->children) all.push_back(&c);
  for (State::Child* c : all) {
    const bool alive =
        std::any_of(state_->children.begin(), state_->children.end(), [&](const State::Child& x) { return &x == c; });
    if (alive) c->signal.emit(asio::cancellation_type::terminal);
  }
}

Task<> Scope::stop() {
  const auto state = state_;  // outlives this Scope, if that dies while we wait
  state->stopping = true;
  while (!state->children.empty()) {
    const auto seen = state->finished.version();
    cancel();
    // A child that was not waiting on anything when the signal came is signalled again.
    if (!state->children.empty()) co_await state->finished.changed_since(seen, std::chrono::milliseconds(50));
  }
  state->stopping = false;
}

int run_to_completion(asio::io_context& io, Task<int> main) {
  int code = 1;
  asio::co_spawn(io, std::move(main), [&](const std::exception_ptr& error, int result) {
    code = result;
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& e) {
        log::error("stopped by an exception", {{"error", e.what()}});
        code = 1;
      }
    }
    io.stop();
  });
  io.run();
  return code;
}

Task<int> wait_for_termination() {
  asio::signal_set signals(co_await asio::this_coro::executor, SIGTERM, SIGINT);
  co_return co_await signals.async_wait(asio::use_awaitable);
}

// ---- Notifier

struct Notifier::Waiters {
  bool gone = false;  // the Notifier was destroyed while somebody waited
  std::list<asio::steady_timer*> timers;
};

Notifier::Notifier(asio::io_context& io) : io_(io), waiters_(std::make_shared<Waiters>()) {}
Notifier::~Notifier() {
  waiters_->gone = true;
  for (auto* t : waiters_->timers) t->cancel();
}

void Notifier::notify() {
  ++version_;
  for (auto* t : waiters_->timers) t->cancel();
}

Task<> Notifier::changed_since(std::uint64_t seen) {
  for (;;) {  // GCC 12 miscompiles a co_await in a loop's condition: name its result
    const bool changed = co_await changed_since(seen, std::chrono::hours(24 * 365));
    if (changed) co_return;
  }
}

Task<bool> Notifier::changed_since(std::uint64_t seen, std::chrono::nanoseconds limit) {
  if (version_ != seen) co_return true;
  const auto waiters = waiters_;  // the Notifier may die while we wait
  const std::uint64_t* version = &version_;
  asio::steady_timer timer(io_, std::chrono::duration_cast<asio::steady_timer::duration>(limit));
  const auto at = waiters->timers.insert(waiters->timers.end(), &timer);
  struct Leave {
    Waiters& w;
    std::list<asio::steady_timer*>::iterator it;
    ~Leave() { w.timers.erase(it); }
  } leave{*waiters, at};
  boost::system::error_code ec;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  const auto cancelled = co_await asio::this_coro::cancellation_state;
  if (cancelled.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  if (waiters->gone) co_return true;
  co_return *version != seen;
}

// ---- Backoff

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max, double jitter)
    : first_(first), max_(max), jitter_(jitter) {}

std::chrono::milliseconds Backoff::next() {
  current_ = current_.count() == 0 ? first_ : std::min(current_ * 2, max_);
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const double factor = std::uniform_real_distribution<double>(1 - jitter_, 1 + jitter_)(random);
  return std::chrono::milliseconds(static_cast<long long>(static_cast<double>(current_.count()) * factor));
}

}  // namespace weft
