// What is known of a session, as a plain value: for the users' decisions, the command line and metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/net.h"
#include "bfd/core/session_config.h"
#include "bfd/core/state.h"

namespace weft::bfd {

/// Why the session is not Up, as users act on it.
enum class DownReason : std::uint8_t {
  none,               // it is Up, or on the way there after the peer answered
  no_answer,          // it was never Up: no packet of the peer has come yet, or none for the detection time
  detection_expired,  // it was Up and the peer fell silent for the detection time: the path or the peer is dead
  peer_down,          // the peer says Down: it does not hear us any more, or it started anew
  peer_admin_down,    // the peer's administrator took it down: no failure
  admin_down,         // we took it down: no failure
  refused,            // not possible as configured, see `why`
};
std::string_view to_string(DownReason);  // "no_answer" …

struct SessionCounters {
  std::uint64_t received = 0;     // packets accepted
  std::uint64_t sent = 0;         // packets handed to the kernel
  std::uint64_t send_errors = 0;  // packets the kernel did not take, or that came back as ICMP errors
  std::uint64_t times_up = 0;     // transitions to Up
  std::uint64_t times_down = 0;   // transitions from Up to anything else
  DiscardCounts discarded;        // packets that found this session and were discarded
  bool operator==(const SessionCounters&) const = default;
};

struct SessionStatus {
  /// As the user asked for it.
  SessionKey key;
  /// False: weft-bfd cannot be asked at the moment, and everything below is what it said last. A user must not take
  /// down anything for that: the session may well be Up.
  bool known = true;

  State state = State::down;
  State remote_state = State::down;
  Diag local_diag = Diag::none;   // why our session last left Up
  Diag remote_diag = Diag::none;  // the same, as the peer tells of its own
  DownReason down_reason = DownReason::no_answer;
  /// The whole reason in one sentence; empty when Up.
  std::string why;
  /// When `state` began.
  Wall::time_point since;

  /// The peer's C bit: its BFD does not share fate with its control plane, so that its Down means a dead forwarding
  /// plane even while it restarts gracefully (RFC 5882 §4.3).
  bool remote_control_plane_independent = false;
  /// Our own C bit, as sent.
  bool control_plane_independent = false;
  bool remote_demand = false;

  /// Silence that takes the session down; 0 until the peer is heard.
  std::chrono::microseconds detection_time{0};
  /// Agreed interval of our packets before jitter; 0: the peer asked for none.
  std::chrono::microseconds tx_interval{0};
  std::chrono::microseconds remote_min_tx{0};
  std::chrono::microseconds remote_min_rx{0};
  std::uint8_t remote_multiplier = 0;

  std::uint32_t local_discriminator = 0;
  std::uint32_t remote_discriminator = 0;  // 0: not known
  /// Where our packets come from; the port is 0 while no socket could be opened.
  SocketAddress source;

  SessionCounters counters;

  bool operator==(const SessionStatus&) const = default;
};

/// True if what runs over this path should be taken down now: the session has been Up, and left it because the peer
/// fell silent or lost us. AdminDown on either side, a session that never came up, and a status that is not `known`
/// are no failures.
bool path_failed(const SessionStatus&);

}  // namespace weft::bfd
