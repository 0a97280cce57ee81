// A session and its runner on one page: give an event, expect what it wants done, line by line. Time is a number.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <source_location>
#include <string>
#include <vector>

#include "invariants.h"

namespace weft::bgp::fsm {

using namespace std::chrono_literals;

/// The end of a line of actions, where graceful restart keeps the peer's routes.
inline const std::string kRetained = ", retain ipv4/unicast ipv6/unicast";

inline RouterId id(std::uint8_t last) { return {0x0a000000u + last}; }  // 10.0.0.x

/// We are AS 65001 and 10.0.0.1, the peer is AS 65000 and 10.0.0.9 unless a test says otherwise.
inline SessionConfig ours() {
  SessionConfig c;
  c.local_as = 65001;
  c.router_id = id(1);
  c.remote_as = {PeerAs::Kind::exact, 65000};
  return c;
}
inline SessionConfig ours_with_restart() {
  SessionConfig c = ours();
  c.graceful_restart.emplace();
  return c;
}

inline Open theirs(Asn asn = 65000, std::uint8_t last = 9) {
  Open o;
  o.asn = asn;
  o.hold_time = 90;
  o.router_id = id(last);
  o.capabilities.families = {kIpv4Unicast, kIpv6Unicast};
  o.capabilities.route_refresh = true;
  o.capabilities.four_octet_asn = asn;
  return o;
}
/// The peer offers graceful restart of 120 s with RFC 8538, both families forwarding.
inline Open theirs_with_restart(bool notification = true) {
  Open o = theirs();
  o.capabilities.graceful_restart = GracefulRestart{.restarting = false,
                                                    .notification = notification,
                                                    .restart_time = 120,
                                                    .families = {{kIpv4Unicast, true}, {kIpv6Unicast, true}}};
  return o;
}

inline Update end_of_rib(AfiSafi f) {
  Update u;
  u.end_of_rib = f;
  return u;
}
inline Update some_update() {
  Update u;
  u.withdrawn = {Prefix::parse("192.0.2.0/24").value()};
  return u;
}
inline Notification cease_of(std::uint8_t subcode) { return {ErrorCode::cease, subcode, {}}; }

class Play {
 public:
  explicit Play(SessionConfig config = ours()) : session(std::move(config), [this] { return jitter; }) {}
  Play(const Play&) = delete;

  Session session;
  double jitter = 0;
  Steady::time_point now{1h};
  Actions actions;  // of the last event
  Invariants invariants;

  Play& give(Event event, std::source_location where = std::source_location::current()) {
    const std::string said = describe(event);
    invariants.before(event);
    actions = session.on(std::move(event), now);
    invariants.after(session, actions, now);
    if (!invariants.broken.empty()) {
      ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
          << "after \"" << said << "\": " << invariants.broken << "\nactions: " << testing::PrintToString(lines());
      invariants.broken.clear();
    }
    return *this;
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const Action& a : actions) out.push_back(describe(a));
    return out;
  }

  /// Exactly these actions, in this order.
  Play& expect(std::vector<std::string> wanted, std::source_location where = std::source_location::current()) {
    if (lines() != wanted) {
      ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
          << "expected " << testing::PrintToString(wanted) << "\n     got " << testing::PrintToString(lines());
    }
    return *this;
  }
  Play& expect(SessionState state, std::source_location where = std::source_location::current()) {
    if (session.state() != state) {
      ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
          << "expected " << to_string(state) << ", got " << to_string(session.state());
    }
    return *this;
  }
  bool did(const std::string& line) const {
    const auto all = lines();
    return std::ranges::find(all, line) != all.end();
  }

  /// Time passes; what is due fires in its order. Returns everything that was done.
  std::vector<std::string> pass(Duration span, std::source_location where = std::source_location::current()) {
    std::vector<std::string> all;
    const auto until = now + span;
    for (;;) {
      const auto next =
          std::ranges::min_element(session.timers(), [](const auto& a, const auto& b) { return a.second < b.second; });
      if (next == session.timers().end() || next->second > until) break;
      now = std::max(now, next->second);
      give(event::TimerFired{next->first}, where);
      for (auto& l : lines()) all.push_back(std::move(l));
    }
    now = until;
    return all;
  }

  /// The session up on connection 1, which we opened. `until` stops earlier.
  Play& reach(SessionState until = SessionState::established, const Open& open = theirs()) {
    if (until == SessionState::idle) return *this;
    give(event::Start{});
    if (until == SessionState::connect) return *this;
    if (until == SessionState::active) return give(event::ConnectFailed{});
    give(event::Connected{1, true});
    if (until == SessionState::open_sent) return *this;
    give(event::Received{1, open});
    if (until == SessionState::open_confirm) return *this;
    give(event::Received{1, Keepalive{}});
    EXPECT_EQ(session.state(), SessionState::established);
    return *this;
  }
};

template <class T>
const T* find(const Actions& actions) {
  for (const Action& a : actions)
    if (auto* found = std::get_if<T>(&a)) return found;
  return nullptr;
}

/// Up again on `c`, which we opened.
inline void back(Play& p, ConnectionId c, const Open& open) {
  p.expect(SessionState::connect);
  p.give(event::Connected{c, true});
  p.give(event::Received{c, open});
  p.give(event::Received{c, Keepalive{}});
  p.expect(SessionState::established);
}

}  // namespace weft::bgp::fsm
