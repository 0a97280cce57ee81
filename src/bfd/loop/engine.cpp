#include "bfd/loop/engine.h"

#include <algorithm>
#include <utility>

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReopen = 700ms;  // less than the time between two packets of a session that is not Up
// A peer that wants to hear from us every hour has been told by the first packet, or will find out by itself.
constexpr Duration kLongestFarewell = 10s;
constexpr Duration kLookAtFarewell = 1s;
constexpr Duration kReopenWhileUp = 50ms;
constexpr Duration kBetweenReports = 100ms;
// Opening a socket takes tens of microseconds: many new sessions must not hold up the old ones.
constexpr Duration kBetweenStarts = 500us;

}  // namespace

Engine::Engine(Transport& transport, bool control_plane_independent, std::uint64_t seed)
    : transport_(transport), control_plane_independent_(control_plane_independent), random_(seed) {}

std::uint32_t Engine::new_discriminator() {
  for (;;) {
    const auto d = static_cast<std::uint32_t>(random_());
    if (d != 0 && !by_discriminator_.contains(d)) return d;
  }
}

Engine::Entry& Engine::add(const SessionConfig& config, Time start) {
  const std::uint32_t id = new_discriminator();
  auto entry = std::make_unique<Entry>(Session(config, {id, control_plane_independent_, random_()}, start));
  Entry& e = *entry;
  sessions_.emplace(config.key, std::move(entry));
  by_discriminator_.emplace(id, &e);
  by_peer_.emplace(std::pair(config.key.hops, config.key.peer), &e);
  e.report_at = start;  // the first report says whether its packets leave
  set_timer(e, start);
  return e;
}

void Engine::set_sessions(const std::vector<SessionConfig>& wanted, Time now) {
  std::set<SessionKey> keep;
  Time start = now;
  for (const SessionConfig& config : wanted) {
    keep.insert(config.key);
    const auto at = sessions_.find(config.key);
    if (at == sessions_.end()) {
      if (sessions_.size() >= kMaxSessions) continue;
      add(config, start);
      start += kBetweenStarts;
      continue;
    }
    Entry& e = *at->second;
    if (!e.leaving && e.session.config() == config) continue;
    e.leaving = false;
    apply(e, e.session.configure(config, now), now);
    settle(e, now);
  }
  std::vector<Entry*> gone;
  for (const auto& [key, e] : sessions_)
    if (!keep.contains(key) && !e->leaving) gone.push_back(e.get());
  for (Entry* e : gone) {
    e->leaving = true;
    e->leave_by = now + kLongestFarewell;
    SessionConfig farewell = e->session.config();
    farewell.admin_down = true;
    apply(*e, e->session.configure(farewell, now), now);
    settle(*e, now);
  }
}

// A packet without Your Discriminator belongs to a session by addresses and link (RFC 5881 §3, RFC 5883 §4). Of several
// that fit, the one that names most of them, and rather one that stays than one that says farewell.
Engine::Entry* Engine::find(const Arrival& a) const {
  Entry* best = nullptr;
  int best_score = -1;
  const auto [first, last] = by_peer_.equal_range(std::pair(a.hops, a.source));
  for (auto it = first; it != last; ++it) {
    const Entry& e = *it->second;
    const auto& key = e.session.config().key;
    if (key.local && *key.local != a.destination) continue;
    if (!key.interface.empty() && e.path.interface_index != a.interface_index) continue;
    const int score = (e.leaving ? 0 : 4) + (key.local ? 2 : 0) + (key.interface.empty() ? 0 : 1);
    if (score <= best_score) continue;
    best = it->second;
    best_score = score;
  }
  return best;
}

void Engine::receive(const Arrival& a, Time now) {
  // The cheap check that keeps strangers out comes first (RFC 5881 §5); the session it was meant for counts it.
  if (a.hops == Hops::single && a.ttl != 255) {
    if (Entry* e = find(a)) {
      e->session.count_discarded(Discard::ttl);
    } else {
      ++strays_[Discard::ttl];
    }
    return;
  }
  const auto packet = decode(a.bytes);
  if (!packet) {
    if (Entry* e = find(a)) {
      e->session.count_discarded(packet.error());
    } else {
      ++strays_[packet.error()];
    }
    return;
  }
  // §6.8.6: by Your Discriminator, wherever the packet comes from (§6.3).
  Entry* e = nullptr;
  if (packet->your_discriminator != 0) {
    const auto at = by_discriminator_.find(packet->your_discriminator);
    if (at != by_discriminator_.end() && at->second->session.config().key.hops == a.hops) e = at->second;
  } else {
    e = find(a);
  }
  if (e == nullptr) {
    ++strays_[packet->your_discriminator != 0 ? Discard::your_discriminator : Discard::no_session];
    return;
  }
  if (a.hops == Hops::multi && a.ttl < e->session.config().min_ttl) {
    e->session.count_discarded(Discard::ttl);
    return;
  }
  apply(*e, e->session.receive(*packet, a.bytes, now), now);
  settle(*e, now);
}

void Engine::tick(Time now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Entry& e = *by_discriminator_.at(timers_.begin()->second);
    apply(e, e.session.tick(now), now);
    settle(e, now);
  }
}

Time Engine::next_deadline() const { return timers_.empty() ? Time::max() : timers_.begin()->first; }

void Engine::apply(Entry& e, const Actions& actions, Time now) {
  bool changed = false;
  for (const Action& action : actions) {
    if (const auto* t = std::get_if<Transmit>(&action)) send(e, t->datagram, now);
    changed |= std::holds_alternative<StateChange>(action);
  }
  if (changed) e.since = Wall::now();
  if (changed && !e.leaving) report(e, now);
}

void Engine::send(Entry& e, const std::vector<std::uint8_t>& datagram, Time now) {
  const std::uint32_t id = e.session.discriminator();
  if (!e.open) {
    if (now < e.open_at) return;
    auto path = transport_.open(id, e.session.config().key);
    if (!path) {
      e.trouble = path.error().message;
      e.open_at = now + (e.session.state() == State::up ? kReopenWhileUp : kReopen);
      return;
    }
    e.path = *path;
    e.open = true;
  }
  const auto sent = transport_.send(id, datagram);
  if (sent) {
    ++e.sent;
    e.trouble.clear();
    return;
  }
  ++e.send_errors;
  e.trouble = sent.error().message;
  if (sent.error().code == Errc::unavailable) return;
  // The route, the address or the link under the socket is gone; the next packet looks for what is there now.
  transport_.close(id);
  e.open = false;
  e.open_at = now;
}

void Engine::settle(Entry& e, Time now) {
  if (e.leaving && (e.session.farewell_done(now) || now >= e.leave_by)) {
    const std::uint32_t id = e.session.discriminator();
    set_timer(e, Time::max());
    transport_.release(id);
    by_discriminator_.erase(id);
    const SessionKey key = e.session.config().key;
    const auto [first, last] = by_peer_.equal_range(std::pair(key.hops, key.peer));
    by_peer_.erase(std::find_if(first, last, [&](const auto& x) { return x.second == &e; }));
    sessions_.erase(key);
    return;
  }
  Time next = e.session.next_deadline();
  if (e.leaving) {
    next = std::min(next, now + kLookAtFarewell);
  } else {
    if (e.session.visible() != e.told || e.trouble != e.told_trouble)
      e.report_at = std::min(e.report_at, e.reported + kBetweenReports);
    if (e.report_at <= now) report(e, now);
    next = std::min(next, e.report_at);
  }
  set_timer(e, next);
}

void Engine::set_timer(Entry& e, Time when) {
  if (e.timer == when) return;
  const std::uint32_t id = e.session.discriminator();
  if (e.timer != Time::max()) timers_.erase({e.timer, id});
  if (when != Time::max()) timers_.emplace(when, id);
  e.timer = when;
}

void Engine::report(Entry& e, Time now) {
  e.told = e.session.visible();
  e.told_trouble = e.trouble;
  e.reported = now;
  e.report_at = Time::max();
  reports_.push_back(status_of(e));
}

SessionStatus Engine::status_of(const Entry& e) const {
  SessionStatus s = e.session.status(e.trouble);
  s.since = e.since;
  s.source = e.path.source;
  s.counters.sent = e.sent;
  s.counters.send_errors = e.send_errors;
  return s;
}

std::vector<SessionStatus> Engine::take_reports() { return std::exchange(reports_, {}); }

std::vector<SessionStatus> Engine::snapshot() const {
  std::vector<SessionStatus> out;
  out.reserve(sessions_.size());
  for (const auto& [key, e] : sessions_)
    if (!e->leaving) out.push_back(status_of(*e));
  return out;
}

}  // namespace weft::bfd
