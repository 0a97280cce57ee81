// DeadlineTimer: a timer whose deadline is pushed back with every message of a peer. Pushing back only notes the new
// time; the kernel's timer that fires too early is set again then.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "async/task.h"
#include "base/clock.h"

namespace weft::bgp {

class DeadlineTimer {
 public:
  /// `fired` is called from the loop, once for each set(); it may set or clear the timer, or destroy it.
  DeadlineTimer(asio::io_context& io, std::function<void()> fired)
      : state_(std::make_shared<State>(io, std::move(fired))) {}
  ~DeadlineTimer() {
    if (!state_) return;
    state_->due.reset();
    state_->timer.cancel();
  }
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  void set(Steady::time_point due) {
    state_->due = due;
    if (!state_->armed_for || *state_->armed_for > due) arm(state_);
  }
  void clear() { state_->due.reset(); }
  const std::optional<Steady::time_point>& due() const { return state_->due; }

 private:
  struct State {
    State(asio::io_context& io, std::function<void()> f) : timer(io), fired(std::move(f)) {}
    asio::steady_timer timer;
    std::function<void()> fired;
    std::optional<Steady::time_point> due;
    std::optional<Steady::time_point> armed_for;  // what the timer waits for now
  };

  static void arm(const std::shared_ptr<State>& state) {
    state->armed_for = state->due;
    state->timer.expires_at(*state->due);
    state->timer.async_wait([state](const boost::system::error_code& ec) {
      if (ec) return;  // set again for an earlier time, or destroyed
      state->armed_for.reset();
      if (!state->due) return;
      if (*state->due > Steady::now()) return arm(state);
      state->due.reset();
      state->fired();
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace weft::bgp
