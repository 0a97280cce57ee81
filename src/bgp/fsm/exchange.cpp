// Connections of a session and what arrives on them: OPENs, collisions, the hold timer, messages out of place.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "bgp/fsm/session.h"
#include "bgp/fsm/words.h"

namespace weft::bgp::fsm {
namespace {

using namespace std::chrono_literals;
using Kind = DownReason::Kind;

/// RFC 4271 §8.2.2: how long to wait for an OPEN, "a large value, 4 minutes is suggested".
constexpr Duration kOpenWait = 4min;
/// The same for a connection that has won a collision before it said anything.
constexpr Duration kOpenWaitOfWinner = 10s;
/// An OPEN on a second connection so soon after the first came up is the tail of a collision; later it tells that a
/// peer with graceful restart lost the first one in a restart (RFC 4724 §5). Nothing restarts as fast without closing
/// its connections.
constexpr Duration kLateCollision = 5s;

Notification collision() { return {ErrorCode::cease, cease::kCollision, {}}; }

Timer hold_of(ConnectionId id) { return {Timer::Kind::hold, id}; }
Timer keepalive_of(ConnectionId id) { return {Timer::Kind::keepalive, id}; }

}  // namespace

Session::Connection* Session::find(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : &it->second;
}

const Session::Connection* Session::up() const {
  for (const auto& [id, c] : connections_)
    if (c.stage == Connection::Stage::established) return &c;
  return nullptr;
}

Session::Connection* Session::up() { return const_cast<Connection*>(std::as_const(*this).up()); }

void Session::handle(event::Connected& e) {
  if (connections_.contains(e.connection)) return;
  if (e.outgoing ? !attempting_ : phase_ != Phase::running || path_dead_) {
    // RFC 4486 §4: a connection that is not wanted now. One that we gave up ourselves needs no words.
    if (!e.outgoing) send(e.connection, Notification{ErrorCode::cease, cease::kConnectionRejected, {}});
    out_.push_back(action::Close{e.connection});
    return;
  }
  bool far = false;  // another is in open_confirm or further
  for (auto it = connections_.begin(); it != connections_.end();) {
    const Connection& c = (it++)->second;
    const bool young = c.stage == Connection::Stage::open_sent || c.stage == Connection::Stage::tracked;
    if (!young) far = true;
    // Who connects again has forgotten the connection on which it said nothing.
    if (young && !e.outgoing && !c.outgoing) drop(c.id, collision());
  }
  if (e.outgoing) attempting_ = false;
  if (!attempting_) clear({Timer::Kind::connect_retry, 0});
  Connection& c = connections_[e.connection];
  c.id = e.connection;
  c.outgoing = e.outgoing;
  c.stage = Connection::Stage::tracked;
  if (e.outgoing || !far) send_open(c);
  arm_hold(c, kOpenWait);
}

Open Session::our_open() const {
  if (!first_ || now_ < config_.restart_over) return make_open(config_, first_);
  SessionConfig fresh = config_;
  fresh.restarting = false;
  fresh.preserved.clear();
  return make_open(fresh, true);
}

void Session::send_open(Connection& c) {
  c.ours = our_open();
  c.stage = Connection::Stage::open_sent;
  send(c.id, c.ours);
}

void Session::handle(event::Received& e) {
  Connection* c = find(e.connection);
  if (!c) return;
  if (auto* m = std::get_if<Update>(&e.message)) return update_received(*c, std::move(*m));
  if (std::holds_alternative<Keepalive>(e.message)) return keepalive_received(*c);
  if (auto* m = std::get_if<Open>(&e.message)) return open_received(*c, *m);
  if (auto* m = std::get_if<Notification>(&e.message)) return notification_received(*c, *m);
  if (auto* m = std::get_if<RouteRefresh>(&e.message)) return refresh_received(*c, *m);
}

void Session::open_received(Connection& c, const Open& theirs) {
  // In OpenConfirm an OPEN is a matter of collision detection (RFC 4271 §8.2.2), and one that a connection repeats word
  // by word collides with nothing. OpenBGPD repeats it when it had lost a connection before its OPEN had left.
  if (c.stage == Connection::Stage::open_confirm && theirs == c.negotiated->theirs) return;
  if (c.stage > Connection::Stage::open_sent) return unexpected(c, MessageType::open);
  const Open ours = c.stage == Connection::Stage::tracked ? our_open() : c.ours;
  auto n = negotiate(config_, ours, theirs);
  if (!n) {
    DownReason reason{.kind = Kind::open_rejected,
                      .notification = n.error().notification,
                      .words = std::move(n.error().words),
                      .at = {}};
    return lost(drop(c.id, n.error().notification), std::move(reason), false);
  }
  if (meets_established(c) && survives_collision(c, *n)) confirm(c, std::move(*n));
}

/// Another connection of the session may be up: then either the peer has lost that one, or this one is refused.
/// Returns whether `c` is still there.
bool Session::meets_established(Connection& c) {
  Connection* other = up();
  if (!other) return true;
  const auto& restart = other->negotiated->peer_restart;
  if (!restart || restart->families.empty() || now_ - other->since < kLateCollision) {
    drop(c.id, collision());
    return false;
  }
  DownReason reason{.kind = Kind::connection_lost,
                    .notification = {},
                    .words = "the peer restarted: it opened a new connection while this one was up",
                    .at = {}};
  const Gone gone = drop(other->id, std::nullopt);
  keep_routes(*gone.negotiated, reason, true);
  down_ = std::move(reason);
  return true;
}

/// RFC 4271 §6.8: whose connection stays, by the larger router id, by the larger ASN when these are equal (RFC 6286).
bool Session::ours_wins(const Negotiated& n) const {
  if (n.ours.router_id != n.peer_router_id) return n.ours.router_id > n.peer_router_id;
  return n.ours.asn > n.peer_as;
}

/// Decided as soon as one OPEN tells who the peer is, whatever the other connection has got to: both sides come to
/// the same answer then, in any order of arrival.
bool Session::survives_collision(Connection& c, const Negotiated& n) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& other = (it++)->second;
    if (&other == &c || other.stage == Connection::Stage::tracked) continue;
    // Of two that the peer opened, the later one counts.
    if (other.outgoing == c.outgoing || c.outgoing == ours_wins(n)) {
      drop(other.id, collision());
      continue;
    }
    if (other.stage == Connection::Stage::open_sent) arm_hold(other, kOpenWaitOfWinner);
    drop(c.id, collision());
    return false;
  }
  return true;
}

void Session::confirm(Connection& c, Negotiated negotiated) {
  if (c.stage == Connection::Stage::tracked) send_open(c);
  c.stage = Connection::Stage::open_confirm;
  c.negotiated = std::move(negotiated);
  arm_hold(c, c.negotiated->hold);
  keepalive_due(c);  // the first one accepts their OPEN
  // An attempt that would lose against this connection is not worth waiting for; one that would win may go on.
  if (!ours_wins(*c.negotiated)) abandon_attempt();
}

void Session::arm_hold(Connection& c, Duration hold) {
  c.hold = hold;
  c.heard = now_;
  if (hold > Duration::zero()) {
    set(hold_of(c.id), hold);
  } else {
    clear(hold_of(c.id));
  }
}

void Session::keepalive_due(Connection& c) {
  send(c.id, Keepalive{});
  const Duration every = c.negotiated->keepalive;
  if (every > Duration::zero()) set(keepalive_of(c.id), between(every * 3 / 4, every));  // jitter: RFC 4271 §10
}

void Session::hold_expired(Connection& c) {
  // Messages do not touch the timer, they leave their time: what is left is known only now.
  const Duration silent = now_ - c.heard;
  if (silent < c.hold) return set(hold_of(c.id), c.hold - silent);
  const Notification n{ErrorCode::hold_timer_expired, 0, {}};
  const auto seconds = std::chrono::round<std::chrono::seconds>(c.hold).count();
  DownReason reason{.kind = Kind::hold_timer_expired, .notification = n, .words = "", .at = {}};
  if (c.negotiated) {
    reason.words = fmt::format("nothing heard from the peer for {} s, the hold time that was agreed on", seconds);
  } else {
    reason.words = fmt::format("connected, but no OPEN from the peer in {} s: is that a BGP speaker?", seconds);
  }
  const Gone gone = drop(c.id, n);
  lost(gone, std::move(reason), gone.negotiated && gone.negotiated->notification_restart);
}

void Session::keepalive_received(Connection& c) {
  if (c.stage < Connection::Stage::open_confirm) return unexpected(c, MessageType::keepalive);
  c.heard = now_;
  if (c.stage == Connection::Stage::open_confirm) establish(c);
}

void Session::establish(Connection& c) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const Connection& other = (it++)->second;
    if (&other != &c) drop(other.id, collision());
  }
  abandon_attempt();
  c.stage = Connection::Stage::established;
  c.since = now_;
  first_ = false;
  attempts_ = 0;
  peer_is_back(*c.negotiated);
  out_.push_back(action::Established{c.id, *c.negotiated});
}

void Session::update_received(Connection& c, Update update) {
  if (c.stage != Connection::Stage::established) return unexpected(c, MessageType::update);
  c.heard = now_;
  if (!update.end_of_rib) {
    out_.push_back(action::Deliver{std::move(update)});
  } else if (std::ranges::find(c.negotiated->families, *update.end_of_rib) != c.negotiated->families.end()) {
    c.ended.insert(*update.end_of_rib);
    end_of_rib(*update.end_of_rib);
  }
}

/// RFC 6608: the subcode names the state, the data the type of the message.
void Session::unexpected(Connection& c, MessageType type) {
  std::uint8_t subcode = fsm_error::kInEstablished;
  std::string_view state = "established";
  if (c.stage == Connection::Stage::open_confirm) {
    subcode = fsm_error::kInOpenConfirm;
    state = "open_confirm";
  } else if (c.stage != Connection::Stage::established) {
    subcode = fsm_error::kInOpenSent;
    state = "open_sent";
  }
  const Notification n{ErrorCode::finite_state_machine, subcode, {static_cast<std::uint8_t>(type)}};
  DownReason reason{.kind = Kind::notification_sent,
                    .notification = n,
                    .words = fmt::format("the peer sent a message of type {} in state {}, where it has no place",
                                         static_cast<int>(type), state),
                    .at = {}};
  const Gone gone = drop(c.id, n);
  lost(gone, std::move(reason), gone.negotiated && gone.negotiated->notification_restart);
}

void Session::notification_received(Connection& c, const Notification& n) {
  DownReason reason{
      .kind = Kind::notification_received, .notification = n, .words = explain_received(n, c.ours), .at = {}};
  const Gone gone = drop(c.id, std::nullopt);
  lost(gone, std::move(reason), gone.negotiated && gone.negotiated->notification_restart && !is_hard_reset(n));
}

void Session::handle(event::ReceiveError& e) {
  Connection* c = find(e.connection);
  if (!c) return;
  DownReason reason{
      .kind = Kind::notification_sent, .notification = e.notification, .words = explain_sent(e.notification), .at = {}};
  if (e.notification.code == ErrorCode::open_message) reason.kind = Kind::open_rejected;
  const Gone gone = drop(c->id, e.notification);
  lost(gone, std::move(reason), gone.negotiated && gone.negotiated->notification_restart);
}

void Session::handle(event::Closed& e) {
  Connection* c = find(e.connection);
  if (!c) return;
  const std::string why = e.words.empty() ? "" : ": " + e.words;
  DownReason reason{.kind = Kind::connection_lost, .notification = {}, .words = "", .at = {}};
  if (c->stage == Connection::Stage::established) {
    reason.words = "the TCP connection was lost" + why;
  } else {
    reason.words = "the peer closed the TCP connection before the session was up" + why +
                   ": is this node's address a neighbor there?";
  }
  lost(forget(c->id), std::move(reason), true);
}

/// Ends a connection from our side, after `say`.
Session::Gone Session::drop(ConnectionId id, const std::optional<Notification>& say) {
  Gone gone = forget(id);
  if (say) send(id, *say);
  out_.push_back(action::Close{id});
  return gone;
}

Session::Gone Session::forget(ConnectionId id) {
  Connection& c = connections_.at(id);
  Gone gone{.established = c.stage == Connection::Stage::established,
            .stood = now_ - c.since,
            .negotiated = std::move(c.negotiated)};
  clear(hold_of(id));
  clear(keepalive_of(id));
  clear({Timer::Kind::refresh, id});
  connections_.erase(id);
  return gone;
}

/// What follows when a connection has ended that did not lose a collision. `keep`: the peer's routes, where graceful
/// restart was agreed on.
void Session::lost(const Gone& gone, DownReason reason, bool keep) {
  if (gone.established) keep_routes(*gone.negotiated, reason, keep);
  const bool others = std::ranges::any_of(
      connections_, [](const auto& entry) { return entry.second.stage > Connection::Stage::tracked; });
  if (others) return;  // the session goes on with one of them
  if (!gone.established) out_.push_back(action::AttemptFailed{reason});
  down_ = std::move(reason);
  if (!connections_.empty()) {  // tracked until now: the peer has opened another one already
    Connection& next = connections_.rbegin()->second;
    send_open(next);
    return arm_hold(next, kOpenWait);
  }
  if (!attempting_) fall(gone);
}

}  // namespace weft::bgp::fsm
