#include "bgp/fsm/session.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "bgp/fsm/timers.h"
#include "bgp/fsm/words.h"

namespace weft::bgp::fsm {
namespace {

using namespace std::chrono_literals;
using Kind = DownReason::Kind;

constexpr Timer kIdleHold{Timer::Kind::idle_hold, 0};
/// An attempt may take this long at least, so that the kernel sends a lost SYN again (after 1, 3 and 7 s).
constexpr Duration kPatience = 10s;
/// No configuration makes us try more often.
constexpr Duration kLeastWait = 100ms;

/// `first` doubled `n` times, at most `max`.
Duration doubled(Duration first, unsigned n, Duration max) {
  Duration d = std::max(first, kLeastWait);
  max = std::max(max, kLeastWait);
  for (; n > 0 && d < max; --n) d *= 2;
  return std::min(d, max);
}

long seconds_of(Duration d) { return std::chrono::round<std::chrono::seconds>(d).count(); }

/// RFC 8538 §5.1 for the subcodes of Cease, RFC 9384 §3 for BFD. Out of Resources ends it too, though the RFC would
/// rather keep the routes: we say it of the memory that the peer's routes take, and it comes back only when they go.
bool ends_for_good(const Notification& n) {
  return n.code == ErrorCode::cease &&
         (n.subcode == cease::kMaxPrefixes || n.subcode == cease::kAdminShutdown ||
          n.subcode == cease::kPeerDeconfigured || n.subcode == cease::kOutOfResources || n.subcode == cease::kBfdDown);
}

bool is_administrative(const Notification& n) {
  return n.code == ErrorCode::cease && (n.subcode == cease::kAdminShutdown || n.subcode == cease::kPeerDeconfigured ||
                                        n.subcode == cease::kAdminReset || n.subcode == cease::kConfigurationChange);
}

Notification as_hard_reset(const Notification& n) { return is_hard_reset(n) ? n : Notification::hard_reset(n); }

}  // namespace

Session::Session(SessionConfig config, Jitter jitter) : config_(std::move(config)), jitter_(std::move(jitter)) {
  down_.words = "not yet tried";
}

Actions Session::on(Event event, Steady::time_point now) {
  now_ = now;
  std::visit([this](auto& e) { handle(e); }, event);
  return std::exchange(out_, {});
}

SessionState Session::state() const {
  SessionState state = SessionState::idle;
  if (phase_ == Phase::running && !path_dead_) state = attempting_ ? SessionState::connect : SessionState::active;
  for (const auto& [id, c] : connections_) {
    if (c.stage == Connection::Stage::open_sent) state = std::max(state, SessionState::open_sent);
    if (c.stage == Connection::Stage::open_confirm) state = std::max(state, SessionState::open_confirm);
    if (c.stage == Connection::Stage::established) state = SessionState::established;
  }
  return state;
}

const Negotiated* Session::negotiated() const {
  const Connection* c = up();
  return c ? &*c->negotiated : nullptr;
}

std::optional<ConnectionId> Session::established() const {
  const Connection* c = up();
  return c ? std::optional(c->id) : std::nullopt;
}

std::optional<Steady::time_point> Session::heard(ConnectionId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? std::nullopt : std::optional(it->second.heard);
}

void Session::handle(event::Start&) {
  wanted_ = true;
  if (phase_ == Phase::running) return;
  if (!config_.held_down.empty()) {
    down_ = {.kind = Kind::held_down, .notification = {}, .words = config_.held_down, .at = {}};
    return;
  }
  clear(kIdleHold);
  attempts_ = failures_ = path_failures_ = 0;
  begin();
}

void Session::handle(event::Stop& e) {
  wanted_ = false;
  std::string words = e.words;
  if (words.empty()) words = e.cease ? "we ended it with " + e.cease->to_string() : "we stopped";
  DownReason reason{.kind = Kind::admin, .notification = e.cease, .words = std::move(words), .at = {}};
  halt(e.cease, std::move(reason), !e.cease);
}

void Session::handle(event::Reset& e) {
  if (phase_ == Phase::stopped) return;
  reset(e.cease, e.words.empty() ? "we reset it with " + e.cease.to_string() : e.words, e.idle);
}

void Session::handle(event::ConfigChanged& e) {
  const SessionConfig old = std::exchange(config_, std::move(e.config));
  const Notification changed{ErrorCode::cease, cease::kConfigurationChange, {}};
  if (!config_.held_down.empty()) {
    DownReason reason{.kind = Kind::held_down, .notification = {}, .words = config_.held_down, .at = {}};
    if (phase_ == Phase::stopped) {
      if (wanted_) down_ = std::move(reason);
    } else {
      halt(changed, std::move(reason), false);
    }
    return;
  }
  if (phase_ == Phase::stopped) {
    event::Start start;
    if (wanted_) handle(start);
    return;
  }
  if (e.reset || needs_reset(old, config_)) {
    reset(changed, e.words.empty() ? "our configuration of this peer changed" : e.words, std::nullopt);
    return;
  }
  if (config_.passive && !old.passive) {
    abandon_attempt();
    clear(kRetry);
  } else if (!config_.passive && old.passive && phase_ == Phase::running && connections_.empty() && !attempting_) {
    begin();
  }
}

/// Ends all connections, after `say`, which is a Hard Reset where it ends the session `for_good` and the peer knows
/// that (RFC 8538 §3.1). Returns what the established one was.
Session::Gone Session::drop_all(const std::optional<Notification>& say, bool for_good) {
  Gone ended;
  while (!connections_.empty()) {
    const Connection& c = connections_.begin()->second;
    const bool hard = say && for_good && c.negotiated && c.negotiated->notification_restart;
    Gone gone = drop(c.id, hard ? std::optional(as_hard_reset(*say)) : say);
    if (gone.established) ended = std::move(gone);
  }
  return ended;
}

/// Ends everything, for good until somebody starts it again.
void Session::halt(const std::optional<Notification>& cease, DownReason reason, bool keep) {
  const bool was_stopped = std::exchange(phase_, Phase::stopped) == Phase::stopped;
  abandon_attempt();
  const Gone ended = drop_all(cease, true);
  if (ended.established) keep_routes(*ended.negotiated, reason, keep);
  if (!keep) flush(stale_, reason.words);
  while (!timers_.empty()) clear(timers_.begin()->first);
  stale_until_.clear();
  if (!was_stopped) down_ = std::move(reason);
}

/// Ends what is, and begins anew after `idle`.
void Session::reset(const Notification& cease, std::string words, std::optional<std::chrono::seconds> idle) {
  DownReason reason{.kind = is_administrative(cease) ? Kind::admin : Kind::notification_sent,
                    .notification = cease,
                    .words = std::move(words),
                    .at = {}};
  abandon_attempt();
  clear(kRetry);
  clear(kIdleHold);
  const Gone ended = drop_all(cease, ends_for_good(cease));
  if (ended.established) {
    keep_routes(*ended.negotiated, reason, ended.negotiated->notification_restart && !ends_for_good(cease));
  }
  down_ = std::move(reason);
  attempts_ = failures_ = path_failures_ = 0;
  if (!idle) return begin();
  phase_ = Phase::idle;
  listen_ = {};
  set(kIdleHold, std::max<Duration>(*idle, kLeastWait));
}

void Session::begin() {
  phase_ = Phase::running;
  if (path_dead_) {
    if (!timers_.contains(kPath))
      set(kPath, doubled(config_.bfd_hold.first, path_failures_ > 0 ? path_failures_ - 1 : 0, config_.bfd_hold.max));
  } else if (!config_.passive) {
    connect();
  }
}

void Session::connect() {
  attempting_ = true;
  attempt_began_ = now_;
  const Duration d = doubled(config_.first_retry, attempts_++, config_.connect_retry);
  out_.push_back(action::Connect{});
  set(kRetry, std::max(kPatience, between(d, 2 * d)));
}

void Session::abandon_attempt() {
  if (!std::exchange(attempting_, false)) return;
  clear(kRetry);
  out_.push_back(action::AbandonConnect{});
}

/// Active, until the next attempt. `attempts_` counts the one that failed.
void Session::wait_for_retry() {
  const Duration d = doubled(config_.first_retry, attempts_ > 0 ? attempts_ - 1 : 0, config_.connect_retry);
  set(kRetry, between(d, 2 * d));
}

void Session::handle(event::ConnectFailed& e) {
  if (!std::exchange(attempting_, false)) return;
  if (!connections_.empty()) return clear(kRetry);  // the peer has connected meanwhile
  down_ = {.kind = e.kind, .notification = {}, .words = e.words.empty() ? "cannot connect" : e.words, .at = {}};
  out_.push_back(action::AttemptFailed{down_});
  wait_for_retry();
}

void Session::attempt_timed_out() {
  abandon_attempt();
  if (!connections_.empty()) return;
  down_ = {.kind = Kind::connect_failed,
           .notification = {},
           .words = fmt::format("no answer to our TCP connection in {} s: is the router up and reachable, does a "
                                "filter drop port 179, is the password (TCP MD5) the same on both sides?",
                                seconds_of(now_ - attempt_began_)),
           .at = {}};
  out_.push_back(action::AttemptFailed{down_});
  connect();
}

void Session::handle(event::Reachable&) {
  if (phase_ != Phase::running || path_dead_ || attempting_ || config_.passive || !connections_.empty()) return;
  clear(kRetry);
  attempts_ = 0;
  connect();
}

void Session::handle(event::TimerFired& e) {
  const auto running = timers_.find(e.timer);
  if (running == timers_.end() || now_ < running->second) return;  // cleared or replaced while it was on its way
  timers_.erase(running);
  switch (e.timer.kind) {
    case Timer::Kind::connect_retry:
      if (attempting_) return attempt_timed_out();
      return connect();
    case Timer::Kind::idle_hold: return damping_over();
    case Timer::Kind::path: return path_given_up_on();
    case Timer::Kind::restart: return flush(stale_, "the peer did not come back within its restart time");
    case Timer::Kind::stale: return stale_overdue();
    case Timer::Kind::hold:
      if (Connection* c = find(e.timer.connection)) hold_expired(*c);
      return;
    case Timer::Kind::keepalive:
      if (Connection* c = find(e.timer.connection)) keepalive_due(*c);
      return;
    case Timer::Kind::refresh:
      if (Connection* c = find(e.timer.connection)) refresh_overdue(*c);
      return;
  }
}

void Session::damping_over() {
  if (listen_ <= Duration::zero() || config_.passive || path_dead_) return begin();
  phase_ = Phase::running;
  set(kRetry, std::exchange(listen_, {}));
}

/// The last connection is gone and no attempt is under way: what next.
void Session::fall(const Gone& gone) {
  attempts_ = 0;
  if (gone.established && gone.stood >= config_.damping.forgive_after) {
    failures_ = path_failures_ = 0;
    return begin();
  }
  const Duration d = doubled(config_.damping.first, failures_++, config_.damping.max);
  const Duration wait = between(d * 3 / 4, d);
  const Duration idle = std::min<Duration>(wait, config_.damping.refuse);
  listen_ = wait - idle;
  phase_ = Phase::idle;
  if (idle <= Duration::zero()) return damping_over();
  set(kIdleHold, idle);
}

Duration Session::between(Duration low, Duration high) {
  const double share = std::clamp(jitter_(), 0.0, 1.0);
  return low + std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>(high - low) * share);
}

void Session::set(Timer timer, Duration after) {
  timers_[timer] = now_ + after;
  out_.push_back(action::SetTimer{timer, after});
}

void Session::clear(Timer timer) {
  if (timers_.erase(timer) > 0) out_.push_back(action::ClearTimer{timer});
}

}  // namespace weft::bgp::fsm
