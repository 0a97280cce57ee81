// Random walks with a seed: whatever happens in whatever order, the invariants hold, and two sessions meet.
#include <deque>
#include <random>

#include "play.h"

namespace weft::bgp::fsm {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) {
  return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
}
bool chance(Random& random, double p) { return std::bernoulli_distribution(p)(random); }

SessionConfig some_config(Random& random) {
  SessionConfig c = chance(random, 0.7) ? ours_with_restart() : ours();
  if (c.graceful_restart) c.graceful_restart->notification = chance(random, 0.7);
  c.passive = chance(random, 0.2);
  c.router_id = id(chance(random, 0.5) ? 1 : 20);
  c.restarting = chance(random, 0.5);
  if (chance(random, 0.1)) c.held_down = "held";
  if (chance(random, 0.2)) c.hold_time = std::chrono::seconds{below(random, 2) * 30};
  return c;
}

Open some_open(Random& random) {
  Open o = chance(random, 0.7) ? theirs_with_restart(chance(random, 0.7)) : theirs();
  auto& gr = o.capabilities.graceful_restart;
  if (gr && chance(random, 0.3)) gr->families[0].forwarding = false;
  if (gr && chance(random, 0.2)) gr->families.pop_back();
  if (gr && chance(random, 0.1)) gr->restart_time = 0;
  if (chance(random, 0.1)) o.capabilities.families = {kIpv6Unicast};
  if (chance(random, 0.05)) o.asn = 64999;
  if (chance(random, 0.1)) o.hold_time = static_cast<std::uint16_t>(below(random, 10));
  return o;
}

Message some_message(Random& random) {
  switch (below(random, 8)) {
    case 0:
    case 1: return some_open(random);
    case 2:
    case 3:
    case 4: return Keepalive{};
    case 5: return chance(random, 0.5) ? end_of_rib(kIpv4Unicast) : end_of_rib(kIpv6Unicast);
    case 6: return chance(random, 0.5) ? Message(some_update()) : Message(RouteRefresh{kIpv6Unicast});
    default:
      if (chance(random, 0.2)) return Notification::hard_reset(cease_of(2));
      return cease_of(static_cast<std::uint8_t>(below(random, 12)));
  }
}

/// A connection that is open, or now and then one that is not.
ConnectionId some_connection(Random& random, const Play& p, ConnectionId last) {
  if (p.invariants.open.empty() || chance(random, 0.05)) return below(random, last + 2);
  auto it = p.invariants.open.begin();
  std::advance(it, below(random, p.invariants.open.size()));
  return *it;
}

Event some_event(Random& random, const Play& p, ConnectionId& last) {
  switch (below(random, 24)) {
    case 0: return event::Start{};
    case 1:
      if (chance(random, 0.5)) return event::Start{};
      return chance(random, 0.5) ? event::Stop{} : event::Stop{cease_of(2), "stop"};
    case 2:
      return event::Reset{cease_of(static_cast<std::uint8_t>(1 + below(random, 8))), "reset",
                          chance(random, 0.3) ? std::optional(30s) : std::nullopt};
    case 3: return event::ConfigChanged{some_config(random), chance(random, 0.2), "changed"};
    case 4:
    case 5: return event::Connected{++last, false};
    case 6:
    case 7:
      if (!p.invariants.attempting && chance(random, 0.9)) return event::Start{};
      return event::Connected{++last, true};
    case 8: return event::ConnectFailed{};
    case 9: return event::Reachable{};
    case 10: return event::ReceiveError{some_connection(random, p, last), {ErrorCode::update_message, 1, {}}};
    case 11: return event::Closed{some_connection(random, p, last), ""};
    case 12:
      if (chance(random, 0.5)) return event::BfdClear{};
      return event::BfdDown{chance(random, 0.5), ""};
    case 13: {  // a timer that may be long gone
      const auto kind = static_cast<Timer::Kind>(below(random, 8));
      const bool of_connection = kind >= Timer::Kind::hold;
      return event::TimerFired{{kind, of_connection ? some_connection(random, p, last) : 0}};
    }
    default: return event::Received{some_connection(random, p, last), some_message(random)};
  }
}

TEST(Walk, of_random_events_keeps_the_invariants_and_can_always_come_up) {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    Random random(seed);
    SCOPED_TRACE(seed);
    Play p(some_config(random));
    ConnectionId last = 0;
    std::vector<std::string> story;
    for (int step = 0; step < 500 && !testing::Test::HasFailure(); ++step) {
      p.jitter = std::uniform_real_distribution<double>(0, 1)(random);
      if (chance(random, 0.2)) p.pass(std::chrono::milliseconds(below(random, 200000)));
      Event e = some_event(random, p, last);
      story.push_back(describe(e));
      p.give(std::move(e));
    }
    if (testing::Test::HasFailure()) {
      for (std::size_t i = story.size() > 30 ? story.size() - 30 : 0; i < story.size(); ++i)
        std::cerr << "  " << story[i] << "\n";
      return;
    }
    // Whatever happened: stopped, everything is gone; started, the next connection of the peer brings it up.
    p.give(event::Stop{cease_of(2), "end"});
    EXPECT_TRUE(p.session.timers().empty() && p.session.stale().empty() && p.invariants.open.empty());
    p.give(event::ConfigChanged{ours(), false, ""});
    p.give(event::BfdClear{});
    p.give(event::Start{});
    p.give(event::Connected{++last, false});
    p.give(event::Received{last, theirs()});
    p.give(event::Received{last, Keepalive{}}).expect(SessionState::established);
  }
}

/// Two sessions and TCP between them. Each direction of a connection keeps its order; which one moves next is chance.
class Net {
 public:
  Net(std::uint64_t seed, SessionConfig a, SessionConfig b)
      : random_(seed), sides_{Play(std::move(a)), Play(std::move(b))} {}

  Play& side(int i) { return sides_[i]; }
  int falls = 0;  // times either side left established

  void give(int side, Event e) {
    sides_[side].jitter = std::uniform_real_distribution<double>(0, 1)(random_);
    sides_[side].give(std::move(e));
    for (const Action& a : Actions(sides_[side].actions)) run(side, a);
  }

  bool met() {
    const auto a = sides_[0].session.established(), b = sides_[1].session.established();
    return a && a == b && queues_.empty();
  }

  /// One delivery, or when nothing is on its way, the next timer.
  void step() {
    if (queues_.empty() || chance(random_, 0.02)) return next_timer();
    auto it = queues_.begin();
    std::advance(it, below(random_, queues_.size()));
    pass(std::chrono::microseconds(below(random_, 2000)));
    const int to = it->first.second;
    Event e = std::move(it->second.front());
    it->second.pop_front();
    if (it->second.empty()) queues_.erase(it);
    if (auto* c = std::get_if<event::Connected>(&e); c && c->outgoing) attempt_[to] = 0;
    give(to, std::move(e));
  }

  void pass(Duration d) {
    for (Play& p : sides_) p.now += d;
  }

 private:
  std::deque<Event>& queue(ConnectionId c, int to) { return queues_[{c, to}]; }

  void run(int side, const Action& a) {
    const int peer = 1 - side;
    if (std::holds_alternative<action::Connect>(a)) {
      const ConnectionId c = attempt_[side] = ++last_;
      queue(c, side).push_back(event::Connected{c, true});
      queue(c, peer).push_back(event::Connected{c, false});
    } else if (std::holds_alternative<action::AbandonConnect>(a)) {
      hang_up(attempt_[side], side);
    } else if (auto* send = std::get_if<action::Send>(&a)) {
      if (!closed_.contains({send->connection, peer}))
        queue(send->connection, peer).push_back(event::Received{send->connection, send->message});
    } else if (auto* close = std::get_if<action::Close>(&a)) {
      hang_up(close->connection, side);
    } else if (std::holds_alternative<action::Down>(a)) {
      ++falls;
    }
  }

  void hang_up(ConnectionId c, int side) {
    closed_.insert({c, side});
    queues_.erase({c, side});
    if (!closed_.contains({c, 1 - side})) queue(c, 1 - side).push_back(event::Closed{c, "closed by the other side"});
  }

  void next_timer() {
    int side = -1;
    Timer timer;
    Steady::time_point due = Steady::time_point::max();
    for (int i = 0; i < 2; ++i)
      for (const auto& [t, when] : sides_[i].session.timers())
        if (when < due) side = i, timer = t, due = when;
    if (side < 0) return;
    if (!queues_.empty() && due > sides_[0].now) return;  // messages are faster than timers
    if (due > sides_[0].now) pass(due - sides_[0].now);
    give(side, event::TimerFired{timer});
  }

  Random random_;
  std::array<Play, 2> sides_;
  std::map<std::pair<ConnectionId, int>, std::deque<Event>> queues_;  // what is on its way, by connection and side
  std::set<std::pair<ConnectionId, int>> closed_;
  std::array<ConnectionId, 2> attempt_{};
  ConnectionId last_ = 0;
};

TEST(Meeting, two_sessions_that_connect_to_each_other_come_up_on_one_connection_and_stay) {
  int falls = 0;
  constexpr int kRuns = 500;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    SCOPED_TRACE(seed);
    SessionConfig a = seed % 2 ? ours_with_restart() : ours(), b = a;
    b.local_as = 65000;
    b.router_id = id(seed % 3 == 0 ? 1 : seed % 3 == 1 ? 9 : 0);  // the same, larger, smaller
    b.remote_as.asn = 65001;
    Net net(seed, a, b);
    net.give(0, event::Start{});
    net.give(1, event::Start{});
    int steps = 0;
    while (!net.met() && steps < 2000) net.step(), ++steps;
    ASSERT_TRUE(net.met()) << to_string(net.side(0).session.state()) << " and "
                           << to_string(net.side(1).session.state());
    falls += net.falls;
    const int before = net.falls;
    for (int i = 0; i < 100; ++i) net.step();  // keepalives
    ASSERT_TRUE(net.side(0).session.established() && net.side(1).session.established());
    ASSERT_EQ(net.falls, before);
    if (testing::Test::HasFailure()) return;
  }
  RecordProperty("falls_before_meeting", falls);
  std::cout << falls << " falls before meeting in " << kRuns << " runs\n";
  EXPECT_LT(falls, kRuns / 10);
}

}  // namespace
}  // namespace weft::bgp::fsm
