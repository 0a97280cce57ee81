// One BFD session (RFC 5880 §6.8) without sockets or clock: packets and times go in, actions come out.
//
// Asynchronous mode; we never ask for demand mode and have no echo function. A peer that demands is answered as §6.6
// says: our periodic packets stop while both sides are Up, polls and their answers go on.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "bfd/core/auth.h"
#include "bfd/core/packet.h"
#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"

namespace weft::bfd {

using Time = Steady::time_point;

/// Send these bytes to the peer.
struct Transmit {
  std::vector<std::uint8_t> datagram;
};
/// The state is another one; status() tells the rest.
struct StateChange {
  State from;
  State to;
  DownReason reason;
};
/// The packet given to receive() was discarded, and counted.
struct Discarded {
  Discard reason;
};
using Action = std::variant<Transmit, StateChange, Discarded>;
using Actions = std::vector<Action>;

class Session {
 public:
  struct Identity {
    std::uint32_t discriminator = 0;         // ours: not 0, unique in this system, random
    bool control_plane_independent = false;  // the C bit
    std::uint64_t seed = 0;                  // for jitter and the first sequence number
  };

  /// `config` is valid (see validate()). The first packet is due at once, unless passive.
  Session(SessionConfig config, Identity identity, Time now);

  /// The wanted values changed; the key did not. New intervals are agreed by a poll sequence.
  Actions configure(SessionConfig config, Time now);
  /// A datagram that belongs to this session: `packet` is what decode() made of `bytes`.
  Actions receive(const ControlPacket& packet, std::span<const std::uint8_t> bytes, Time now);
  /// A packet that the transport knows to be this session's and refuses itself.
  void count_discarded(Discard reason);
  /// Does what is due.
  Actions tick(Time now);
  /// When tick() has something to do; Time::max() for never.
  Time next_deadline() const;

  const SessionConfig& config() const { return config_; }
  State state() const { return state_; }
  std::uint32_t discriminator() const { return identity_.discriminator; }
  /// While AdminDown: the peer has shown that it knows, or the time that it needs to notice has passed (§6.8.16).
  bool farewell_done(Time now) const;
  bool polling() const { return poll_ == Poll::running; }
  Time state_since() const { return since_; }
  /// What of the status is worth telling the users of the session when it changes, besides the state.
  struct Visible {
    DownReason reason;
    State remote_state;
    Diag remote_diag;
    bool remote_independent, remote_demand;
    std::chrono::microseconds detection_time, tx_interval;
    bool operator==(const Visible&) const = default;
  };
  Visible visible() const;
  /// All that the session knows; `since`, `source` and the counts of sent packets are the transport's to fill in.
  /// `trouble`: why our packets cannot leave, if they cannot.
  SessionStatus status(std::string_view trouble = {}) const;

 private:
  enum class Poll { none, wanted, running };

  void enter(State to, DownReason reason, Time now, Actions& out);
  void learn(const ControlPacket& packet, Time now);
  void step(State received, Time now, Actions& out);
  void expire(Time now, Actions& out);
  void announce_intervals(Time now);
  void want_poll(Time now);
  void start_poll_if_possible(Time now);
  void finish_poll();
  bool sends_periodically() const;
  void reschedule(Time now);
  void transmit(bool final, Time now, Actions& out);
  std::optional<Time> detection_deadline() const;
  Actions discard(Discard reason);
  std::chrono::microseconds tx_interval() const;
  std::chrono::microseconds detection_time() const;
  Duration jittered(std::chrono::microseconds interval);
  std::string why(std::string_view trouble) const;

  SessionConfig config_;
  Identity identity_;
  std::minstd_rand random_;
  std::optional<Authenticator> auth_;

  State state_ = State::down;
  DownReason reason_ = DownReason::no_answer;
  Diag local_diag_ = Diag::none;
  Time since_;

  // The peer, as its last packet has it.
  State remote_state_ = State::down;
  Diag remote_diag_ = Diag::none;
  std::uint32_t remote_discriminator_ = 0;
  std::chrono::microseconds remote_min_rx_{1};
  std::chrono::microseconds remote_min_tx_{0};
  std::uint8_t remote_multiplier_ = 0;
  bool remote_demand_ = false;
  bool remote_independent_ = false;
  Time last_received_{};
  Time auth_known_until_{};

  // What we announce, and what we count with until the peer has confirmed it (§6.8.3).
  std::chrono::microseconds desired_min_tx_;
  std::chrono::microseconds required_min_rx_;
  std::chrono::microseconds tx_in_use_;
  std::chrono::microseconds rx_in_use_;
  Poll poll_ = Poll::none;
  bool poll_again_ = false;     // the values changed while a poll was under way
  Time poll_sent_at_{};         // the last packet with P
  Time poll_allowed_at_{};      // a Final that is still on its way shall not end the next poll
  bool change_unsent_ = false;  // the peer has not been told of a change of state
  std::optional<Time> last_sent_;
  std::optional<Time> next_send_;
  std::chrono::microseconds scheduled_interval_{0};  // that next_send_ was computed with
  bool peer_knows_ = false;                          // while AdminDown: the peer is not Up any more

  std::chrono::microseconds expired_interval_{0};  // of the detection time that ran out, for why()
  std::uint8_t expired_multiplier_ = 0;
  Diag peer_down_diag_ = Diag::none;  // what the peer said when it took us down
  std::optional<Discard> last_discard_;
  SessionCounters counters_;
};

}  // namespace weft::bfd
