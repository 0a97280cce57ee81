// The state machine of one peer (RFC 4271 §8) without sockets and clocks: events in, actions out.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "bgp/fsm/events.h"

namespace weft::bgp::fsm {

/// A number in [0, 1), each call another. Tests give a constant.
using Jitter = std::function<double()>;

/// One peer. Idle until Start. Between two connections of the same peer it decides as RFC 4271 §6.8 and RFC 6286 say.
class Session {
 public:
  Session(SessionConfig config, Jitter jitter);

  /// `now` never goes back. The actions are to be done before the next event.
  [[nodiscard]] Actions on(Event event, Steady::time_point now);

  /// Of the connection that is furthest.
  SessionState state() const;
  /// The last reason, also while the session is up.
  const DownReason& down() const { return down_; }
  /// While established.
  const Negotiated* negotiated() const;
  std::optional<ConnectionId> established() const;
  /// Families with routes of the peer that are kept as stale.
  const std::vector<AfiSafi>& stale() const { return stale_; }
  const SessionConfig& config() const { return config_; }

 private:
  SessionConfig config_;
  Jitter jitter_;
  DownReason down_;
  std::vector<AfiSafi> stale_;
};

}  // namespace weft::bgp::fsm
