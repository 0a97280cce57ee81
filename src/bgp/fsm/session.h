// The state machine of one peer (RFC 4271 §8) without sockets and clocks: events in, actions out.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bgp/fsm/events.h"

namespace weft::bgp::fsm {

/// A number in [0, 1), each call another. Tests give a constant.
using Jitter = std::function<double()>;

/// One peer, idle until Start. RFC 4271 has a machine for each connection; here one value holds up to three of them
/// (one that we opened, one that the peer opened, and one more that the peer opened after the first got far), so
/// that collisions (§6.8, RFC 6286) are decided in one place.
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
  /// When a connection last had a sign of life, as its hold timer counts it; none when it is no part of the session.
  std::optional<Steady::time_point> heard(ConnectionId id) const;
  /// Idle because BFD says that the path is dead: connections of the peer would be refused.
  bool held_by_bfd() const { return phase_ == Phase::running && path_dead_; }
  /// Families with routes of the peer that are kept as stale.
  const std::vector<AfiSafi>& stale() const { return stale_; }
  const SessionConfig& config() const { return config_; }
  /// The timers that run and when they are due. One that fires earlier is taken for a replaced one and changes nothing.
  const std::map<Timer, Steady::time_point>& timers() const { return timers_; }

 private:
  struct Connection {
    enum class Stage : std::uint8_t {
      tracked,  // the peer opened it while another was in open_confirm or further: it gets our OPEN after its own
      open_sent,
      open_confirm,
      established,
    };
    ConnectionId id = 0;
    bool outgoing = false;
    Stage stage = Stage::open_sent;
    Open ours;                                         // from open_sent on
    std::optional<Negotiated> negotiated;              // from open_confirm on
    Steady::time_point heard{};                        // the last KEEPALIVE or UPDATE
    Steady::time_point since{};                        // established
    Duration hold{};                                   // 0: no hold timer
    std::set<AfiSafi> ended;                           // the peer has said End-of-RIB
    std::map<AfiSafi, Steady::time_point> refreshing;  // the peer has said BoRR; when it must have said EoRR
  };
  enum class Phase : std::uint8_t { stopped, idle, running };
  /// A connection that is gone, as far as what follows from it needs to know.
  struct Gone {
    bool established = false;
    Duration stood{};
    std::optional<Negotiated> negotiated;
  };

  // path.cpp: what BFD says of the path
  void handle(event::BfdDown&);
  void handle(event::BfdClear&);
  void path_given_up_on();
  void fall_with_path(const std::optional<Notification>& cease, DownReason reason);

  // session.cpp: starting, stopping, trying, waiting
  void handle(event::Start&);
  void handle(event::Stop&);
  void handle(event::Reset&);
  void handle(event::ConfigChanged&);
  void handle(event::ConnectFailed&);
  void handle(event::Reachable&);
  void handle(event::TimerFired&);
  void begin();
  void connect();
  void abandon_attempt();
  void wait_for_retry();
  void attempt_timed_out();
  void damping_over();
  void fall(const Gone& gone);
  Gone drop_all(const std::optional<Notification>& say, bool for_good);
  void halt(const std::optional<Notification>& cease, DownReason reason, bool keep);
  void reset(const Notification& cease, std::string words, std::optional<std::chrono::seconds> idle);
  Duration between(Duration low, Duration high);

  // exchange.cpp: connections and what arrives on them
  void handle(event::Connected&);
  void handle(event::Received&);
  void handle(event::ReceiveError&);
  void handle(event::Closed&);
  void open_received(Connection& c, const Open& theirs);
  void keepalive_received(Connection& c);
  void update_received(Connection& c, Update update);
  void notification_received(Connection& c, const Notification& n);
  void unexpected(Connection& c, MessageType type);
  void hold_expired(Connection& c);
  void keepalive_due(Connection& c);
  Open our_open() const;
  void send_open(Connection& c);
  void confirm(Connection& c, Negotiated negotiated);
  void establish(Connection& c);
  bool meets_established(Connection& c);
  bool survives_collision(Connection& c, const Negotiated& n);
  bool ours_wins(const Negotiated& n) const;
  void arm_hold(Connection& c, Duration hold);
  Connection* find(ConnectionId id);
  Connection* up();
  const Connection* up() const;
  Gone drop(ConnectionId id, const std::optional<Notification>& say);
  Gone forget(ConnectionId id);
  void lost(const Gone& gone, DownReason reason, bool keep);

  // refresh.cpp: the peer asks for our routes again, or sends all of its own again (RFC 2918, 7313)
  void refresh_received(Connection& c, const RouteRefresh& refresh);
  void refresh_overdue(Connection& c);
  void arm_refresh(const Connection& c);

  // helper.cpp: the peer's routes through its restart (RFC 4724 §4.2)
  void keep_routes(const Negotiated& n, const DownReason& reason, bool keep);
  void peer_is_back(const Negotiated& n);
  void stale_overdue();
  void arm_stale();
  void end_of_rib(AfiSafi family);
  void flush(const std::vector<AfiSafi>& families, const std::string& words);

  void send(ConnectionId to, Message message) { out_.push_back(action::Send{to, std::move(message)}); }
  void set(Timer timer, Duration after);
  void clear(Timer timer);

  SessionConfig config_;
  Jitter jitter_;
  Steady::time_point now_{};
  Actions out_;

  Phase phase_ = Phase::stopped;
  bool wanted_ = false;      // started and not stopped; held down or not
  bool first_ = true;        // not established yet in this process
  bool attempting_ = false;  // action Connect has no answer yet
  bool path_dead_ = false;   // BFD says so, and we believe it: no session
  Steady::time_point attempt_began_{};
  unsigned attempts_ = 0;       // to connect, since the session was up last
  unsigned failures_ = 0;       // falls that were not forgiven
  unsigned path_failures_ = 0;  // of which BFD told, likewise
  Duration listen_{};           // what is left of damping when the idle part is over
  std::map<ConnectionId, Connection> connections_;
  std::map<Timer, Steady::time_point> timers_;
  DownReason down_;
  std::vector<AfiSafi> stale_;
  std::map<AfiSafi, Steady::time_point> stale_until_;  // the peer came back: when it must have said End-of-RIB
};

}  // namespace weft::bgp::fsm
