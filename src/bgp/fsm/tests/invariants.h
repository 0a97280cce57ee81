// What must hold after every event whatever it was: a model of the runner that watches what a Session asks for.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bgp/fsm/describe.h"
#include "bgp/fsm/session.h"

namespace weft::bgp::fsm {

class Invariants {
 public:
  std::set<ConnectionId> open;  // told the session, and not closed by either side
  bool attempting = false;
  std::map<Timer, Steady::time_point> timers;
  std::optional<ConnectionId> established;
  std::set<AfiSafi> kept;  // routes from before
  std::string broken;      // the first thing that did not hold

  void before(const Event& event) {
    if (auto* e = std::get_if<event::Connected>(&event)) {
      open.insert(e->connection);
      if (e->outgoing) attempting = false;
    }
    if (std::holds_alternative<event::ConnectFailed>(event)) attempting = false;
    if (auto* e = std::get_if<event::Closed>(&event)) open.erase(e->connection);
    if (auto* e = std::get_if<event::TimerFired>(&event)) fired_ = e->timer;
  }

  void after(const Session& s, const Actions& actions, Steady::time_point now) {
    // One that was due has run out; the session has either set it again or not.
    if (fired_ && timers.contains(*fired_) && timers[*fired_] <= now) timers.erase(*fired_);
    fired_.reset();
    for (const Action& a : actions) {
      std::visit([&](const auto& x) { see(x, now); }, a);
      if (!broken.empty()) {
        broken += ", by: " + describe(a);
        return;
      }
    }
    whole(s);
  }

 private:
  void must(bool holds, const std::string& what) {
    if (!holds && broken.empty()) broken = what;
  }

  void see(const action::Connect&, Steady::time_point) {
    must(!attempting, "one attempt at a time");
    attempting = true;
  }
  void see(const action::AbandonConnect&, Steady::time_point) {
    must(attempting, "only an attempt that runs is abandoned");
    attempting = false;
  }
  void see(const action::Send& a, Steady::time_point) {
    must(open.contains(a.connection), "nothing is sent on a connection that is closed or unknown");
  }
  void see(const action::Close& a, Steady::time_point) {
    must(open.erase(a.connection) == 1, "an open connection is closed once");
    if (established == a.connection) closed_established_ = true;
  }
  void see(const action::SetTimer& a, Steady::time_point now) {
    must(a.after > Duration::zero(), "a timer has a time");
    if (a.timer.connection != 0) must(open.contains(a.timer.connection), "a timer of an open connection");
    timers[a.timer] = now + a.after;
  }
  void see(const action::ClearTimer& a, Steady::time_point) {
    must(timers.erase(a.timer) == 1, "only a timer that runs is cleared");
  }
  void see(const action::Established& a, Steady::time_point) {
    must(!established, "never two established connections");
    must(open.contains(a.connection), "established on an open connection");
    must(!a.negotiated.families.empty(), "a session has a family");
    established = a.connection;
  }
  void see(const action::Down& a, Steady::time_point) {
    must(established.has_value(), "down only from established");
    must(!a.reason.words.empty(), "a reason has words");
    must(a.reason.kind != DownReason::Kind::never_up, "a reason has a kind");
    must(a.retain.empty() == (a.restart_time.count() == 0), "what is kept is kept for a time");
    established.reset();
    closed_established_ = false;
    kept = {a.retain.begin(), a.retain.end()};
  }
  void see(const action::AttemptFailed& a, Steady::time_point) { must(!a.reason.words.empty(), "a reason has words"); }
  void see(const action::Deliver& a, Steady::time_point) {
    must(established.has_value() && !closed_established_, "routes of an established session");
    must(!a.update.end_of_rib, "End-of-RIB is an action of its own");
  }
  void see(const action::EndOfRib&, Steady::time_point) { must(established.has_value(), "End-of-RIB of a session"); }
  void see(const action::FlushStale& a, Steady::time_point) {
    if (a.of_refresh) return must(established.has_value(), "a refresh of a session");
    must(kept.erase(a.family) == 1, "only what is kept is flushed");
  }
  void see(const action::Refresh&, Steady::time_point) { must(established.has_value(), "refresh of a session"); }
  void see(const action::Ignored&, Steady::time_point) { must(established.has_value(), "ignored on a session"); }

  /// Between two events.
  void whole(const Session& s) {
    must(established == s.established(), "established and down are told");
    must((s.state() == SessionState::established) == established.has_value(), "the state says established");
    must((s.negotiated() != nullptr) == established.has_value(), "negotiated while established");
    must(timers == s.timers(), "the timers of the session are those that it set");
    must(kept == std::set<AfiSafi>(s.stale().begin(), s.stale().end()), "stale() is what was kept and not flushed");
    const auto runs = [&](Timer::Kind k, ConnectionId c = 0) { return timers.contains({k, c}); };
    for (const auto& [timer, due] : timers)
      if (timer.connection != 0) must(open.contains(timer.connection), "no timer outlives its connection");
    switch (s.state()) {
      case SessionState::idle: must(open.empty() && !attempting, "idle has no connection"); break;
      case SessionState::connect:
        must(attempting && open.empty() && runs(Timer::Kind::connect_retry), "connect");
        break;
      case SessionState::active:
        must(!attempting && open.empty(), "active has no connection");
        must(s.config().passive || runs(Timer::Kind::connect_retry), "active waits for the next attempt");
        break;
      default:
        must(!open.empty() && open.size() <= 3, "a session has connections, and few");
        must(!attempting || runs(Timer::Kind::connect_retry), "an attempt ends one day");
        for (const ConnectionId c : open)
          must(runs(Timer::Kind::hold, c) || (s.negotiated() && s.negotiated()->hold.count() == 0) ||
                   s.state() == SessionState::open_confirm,
               "a silent connection ends one day");
    }
  }

  std::optional<Timer> fired_;
  bool closed_established_ = false;
};

}  // namespace weft::bgp::fsm
