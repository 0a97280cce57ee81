#include "bfd/core/session.h"

#include <algorithm>

namespace weft::bfd {
namespace {

using std::chrono::microseconds;

// §6.8.3: what a session that is not Up announces at least, so that a neighbour without BFD is hardly bothered.
constexpr microseconds kSlow = std::chrono::seconds(1);
// §6.8.3: a round trip is over by then, and with it any Final that answers an earlier poll.
constexpr Duration kPollPause = std::chrono::seconds(1);

}  // namespace

Session::Session(SessionConfig config, Identity identity, Time now)
    : config_(std::move(config)),
      identity_(identity),
      random_(static_cast<std::minstd_rand::result_type>(identity.seed ^ identity.seed >> 32)),
      since_(now),
      desired_min_tx_(std::max(kSlow, config_.min_tx)),
      required_min_rx_(config_.min_rx),
      tx_in_use_(desired_min_tx_),
      rx_in_use_(required_min_rx_) {
  if (config_.auth) auth_.emplace(*config_.auth, static_cast<std::uint32_t>(random_() << 16 ^ random_()));
  if (config_.admin_down) {
    state_ = State::admin_down;
    reason_ = DownReason::admin_down;
    local_diag_ = Diag::admin_down;
    peer_knows_ = true;
  }
  reschedule(now);
}

Actions Session::configure(SessionConfig config, Time now) {
  Actions out;
  const bool was_admin_down = config_.admin_down;
  if (config.auth != config_.auth) {
    auth_.reset();
    if (config.auth) auth_.emplace(*config.auth, static_cast<std::uint32_t>(random_() << 16 ^ random_()));
  }
  config_ = std::move(config);
  if (config_.admin_down && !was_admin_down) {
    // §6.8.16
    peer_knows_ = remote_state_ != State::init && remote_state_ != State::up;
    local_diag_ = Diag::admin_down;
    enter(State::admin_down, DownReason::admin_down, now, out);
  } else if (!config_.admin_down && was_admin_down) {
    enter(State::down, DownReason::no_answer, now, out);
  }
  announce_intervals(now);
  reschedule(now);
  if (change_unsent_) transmit(false, now, out);
  return out;
}

Actions Session::discard(Discard reason) {
  count_discarded(reason);
  return {Discarded{reason}};
}

void Session::count_discarded(Discard reason) {
  ++counters_.discarded[reason];
  last_discard_ = reason;
}

Actions Session::receive(const ControlPacket& packet, std::span<const std::uint8_t> bytes, Time now) {
  // §6.8.6, from where a session is known.
  if (auth_) {
    if (now >= auth_known_until_) auth_->forget_sequence();
    if (const auto refused = auth_->verify(packet, bytes)) return discard(*refused);
  } else if (packet.auth) {
    return discard(Discard::auth_unexpected);
  }
  learn(packet, now);
  if (state_ == State::admin_down) {
    if (packet.state == State::down || packet.state == State::admin_down) peer_knows_ = true;
    reschedule(now);
    return discard(Discard::session_admin_down);
  }
  ++counters_.received;
  last_received_ = now;
  // §6.8.1, bfd.AuthSeqKnown: a peer that starts anew may count from anywhere.
  auth_known_until_ = now + 2 * detection_time();
  Actions out;
  step(packet.state, now, out);
  start_poll_if_possible(now);
  reschedule(now);
  if (packet.poll) {
    transmit(true, now, out);
  } else if (change_unsent_) {
    transmit(false, now, out);
  }
  return out;
}

void Session::learn(const ControlPacket& packet, Time now) {
  remote_discriminator_ = packet.my_discriminator;
  remote_state_ = packet.state;
  remote_diag_ = packet.diag;
  remote_demand_ = packet.demand;
  remote_independent_ = packet.control_plane_independent;
  remote_min_rx_ = packet.required_min_rx;
  remote_min_tx_ = packet.desired_min_tx;
  remote_multiplier_ = packet.multiplier;
  if (packet.final) {
    if (poll_ == Poll::running) finish_poll();
  } else {
    poll_allowed_at_ = now;
  }
}

void Session::step(State received, Time now, Actions& out) {
  if (received == State::admin_down) {
    if (state_ != State::down) {
      local_diag_ = Diag::neighbor_down;
      enter(State::down, DownReason::peer_admin_down, now, out);
    }
    reason_ = DownReason::peer_admin_down;
    return;
  }
  switch (state_) {
    case State::down:
      if (received == State::down) enter(State::init, reason_, now, out);
      if (received == State::init) enter(State::up, DownReason::none, now, out);
      break;
    case State::init:
      if (received == State::init || received == State::up) enter(State::up, DownReason::none, now, out);
      break;
    case State::up:
      if (received == State::down) {
        local_diag_ = Diag::neighbor_down;
        peer_down_diag_ = remote_diag_;
        enter(State::down, DownReason::peer_down, now, out);
      }
      break;
    case State::admin_down: break;
  }
}

void Session::enter(State to, DownReason reason, Time now, Actions& out) {
  const State from = state_;
  state_ = to;
  reason_ = reason;
  since_ = now;
  if (to == State::up) ++counters_.times_up;
  if (from == State::up) ++counters_.times_down;
  change_unsent_ = true;
  announce_intervals(now);
  out.push_back(StateChange{from, to, reason});
}

Actions Session::tick(Time now) {
  Actions out;
  if (const auto deadline = detection_deadline(); deadline && now >= *deadline) expire(now, out);
  start_poll_if_possible(now);
  reschedule(now);
  if (change_unsent_ || (next_send_ && now >= *next_send_)) transmit(false, now, out);
  return out;
}

Time Session::next_deadline() const {
  Time next = Time::max();
  if (next_send_) next = std::min(next, *next_send_);
  if (const auto deadline = detection_deadline()) next = std::min(next, *deadline);
  if (poll_ == Poll::wanted) next = std::min(next, poll_allowed_at_);
  return next;
}

// §6.8.4, and §6.8.1 on bfd.RemoteDiscr.
void Session::expire(Time now, Actions& out) {
  expired_interval_ = std::max(rx_in_use_, remote_min_tx_);
  expired_multiplier_ = remote_multiplier_;
  // Nobody is there to confirm a poll, and whoever comes next learns our values from the first packet.
  poll_ = Poll::none;
  poll_again_ = false;
  remote_discriminator_ = 0;
  remote_state_ = State::down;
  remote_min_rx_ = microseconds(1);
  remote_min_tx_ = microseconds(0);
  remote_multiplier_ = 0;
  remote_demand_ = false;
  tx_in_use_ = desired_min_tx_;
  rx_in_use_ = required_min_rx_;
  if (state_ != State::up && state_ != State::init) return;
  local_diag_ = Diag::detection_expired;
  // In Init nothing ran over the path, so that its silence takes nothing down: what ended the last Up stays the reason.
  enter(State::down, state_ == State::up ? DownReason::detection_expired : reason_, now, out);
}

std::optional<Time> Session::detection_deadline() const {
  if (state_ == State::admin_down || remote_discriminator_ == 0) return std::nullopt;
  return last_received_ + detection_time();
}

// ---- Intervals and the poll sequence that agrees on them (§6.5, §6.8.3)

void Session::announce_intervals(Time now) {
  const auto desired = state_ == State::up ? config_.min_tx : std::max(kSlow, config_.min_tx);
  if (desired == desired_min_tx_ && config_.min_rx == required_min_rx_) return;
  desired_min_tx_ = desired;
  required_min_rx_ = config_.min_rx;
  const bool up = state_ == State::up;
  // Slower sending and quicker detection wait until the peer has confirmed.
  tx_in_use_ = up ? std::min(tx_in_use_, desired_min_tx_) : desired_min_tx_;
  rx_in_use_ = up ? std::max(rx_in_use_, required_min_rx_) : required_min_rx_;
  want_poll(now);
}

void Session::want_poll(Time now) {
  if (remote_discriminator_ == 0) return;
  if (poll_ == Poll::running) {
    poll_again_ = true;
  } else {
    poll_ = Poll::wanted;
    start_poll_if_possible(now);
  }
}

void Session::start_poll_if_possible(Time now) {
  if (poll_ == Poll::wanted && now >= poll_allowed_at_) poll_ = Poll::running;
}

void Session::finish_poll() {
  poll_allowed_at_ = poll_sent_at_ + kPollPause;
  if (poll_again_) {
    // The Final may confirm what we said before the last change: ask again.
    poll_again_ = false;
    poll_ = Poll::wanted;
    return;
  }
  poll_ = Poll::none;
  tx_in_use_ = desired_min_tx_;
  rx_in_use_ = required_min_rx_;
}

microseconds Session::tx_interval() const { return std::max(tx_in_use_, remote_min_rx_); }

microseconds Session::detection_time() const { return remote_multiplier_ * std::max(rx_in_use_, remote_min_tx_); }

// ---- Sending (§6.8.7)

bool Session::sends_periodically() const {
  if (config_.passive && remote_discriminator_ == 0) return false;
  if (remote_min_rx_.count() == 0) return false;
  const bool demanded = remote_demand_ && state_ == State::up && remote_state_ == State::up;
  return !demanded || poll_ == Poll::running;
}

void Session::reschedule(Time now) {
  if (!sends_periodically()) {
    next_send_.reset();
    return;
  }
  // Drawn anew only when the interval is another, so that packets received do not push ours back.
  if (next_send_ && scheduled_interval_ == tx_interval()) return;
  scheduled_interval_ = tx_interval();
  next_send_ = last_sent_ ? *last_sent_ + jittered(scheduled_interval_) : now;
}

Duration Session::jittered(microseconds interval) {
  // 75 to 100 % of the interval; with a multiplier of 1 at most 90 %, so that jitter alone never takes a session down.
  const double span = config_.multiplier == 1 ? 0.15 : 0.25;
  const double share = static_cast<double>(random_() - std::minstd_rand::min()) /
                       static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
  return std::chrono::duration_cast<Duration>(Duration(interval) * (0.75 + span * share));
}

void Session::transmit(bool final, Time now, Actions& out) {
  change_unsent_ = false;
  if (config_.passive && remote_discriminator_ == 0) return;
  ControlPacket p;
  p.diag = local_diag_;
  p.state = state_;
  p.final = final;
  p.poll = !final && poll_ == Poll::running;
  p.control_plane_independent = identity_.control_plane_independent;
  p.multiplier = config_.multiplier;
  p.my_discriminator = identity_.discriminator;
  p.your_discriminator = remote_discriminator_;
  p.desired_min_tx = desired_min_tx_;
  p.required_min_rx = required_min_rx_;
  out.push_back(Transmit{auth_ ? auth_->sign(std::move(p)) : encode(p)});
  if (final) return;  // an answer leaves the periodic packets where they were
  if (poll_ == Poll::running) poll_sent_at_ = now;
  last_sent_ = now;
  next_send_.reset();
  reschedule(now);
}

bool Session::farewell_done(Time now) const {
  if (state_ != State::admin_down) return false;
  return peer_knows_ || now >= since_ + config_.multiplier * std::max(desired_min_tx_, remote_min_rx_);
}

}  // namespace weft::bfd
