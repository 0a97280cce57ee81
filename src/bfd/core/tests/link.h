// Two sessions, a link between them and a clock of its own: what happens in a day is over in moments.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bfd/core/session.h"

namespace weft::bfd::test {

using namespace std::chrono_literals;

inline SessionConfig config(std::chrono::microseconds interval, std::uint8_t multiplier = 3) {
  SessionConfig c;
  c.key.peer = *Address::parse("10.0.0.2");
  c.min_tx = c.min_rx = interval;
  c.multiplier = multiplier;
  return c;
}

/// One end. `sent` and `changes` are its history.
struct End {
  explicit End(Session s) : session(std::move(s)) {}
  Session session;
  bool deaf = false;                                 // loses what is sent to it
  std::vector<std::pair<Time, ControlPacket>> sent;  // kept only while `record`
  std::vector<std::pair<Time, StateChange>> changes;
  std::vector<Discard> discarded;
  bool record = true;
  std::uint64_t packets = 0;
};

class Link {
 public:
  Link(SessionConfig a, SessionConfig b) : a(End(make(a, 11))), b(End(make(b, 22))) {}

  End a, b;
  Duration delay = 1ms;
  Time now{Time(1h)};

  static Session make(const SessionConfig& c, std::uint32_t discriminator) {
    return Session(c, {discriminator, false, discriminator * 7919u}, Time(1h));
  }

  /// Lets the time pass.
  void run(Duration d) {
    const Time end = now + d;
    for (;;) {
      Time next = std::min(a.session.next_deadline(), b.session.next_deadline());
      if (!flying_.empty()) next = std::min(next, flying_.begin()->first);
      if (next > end) break;
      now = std::max(now, next);
      while (!flying_.empty() && flying_.begin()->first <= now) {
        auto arrival = std::move(flying_.begin()->second);
        flying_.erase(flying_.begin());
        arrive(*arrival.first, arrival.second);
      }
      apply(a, a.session.tick(now));
      apply(b, b.session.tick(now));
    }
    now = end;
  }
  /// Lets the time pass until `done`, for `limit` at most. How long it took, if it came to that.
  std::optional<Duration> run_until(const std::function<bool()>& done, Duration limit) {
    const Time start = now;
    while (!done()) {
      if (now - start >= limit) return std::nullopt;
      run(1ms);
    }
    return now - start;
  }
  bool both_up() const { return a.session.state() == State::up && b.session.state() == State::up; }
  void configure(End& end, SessionConfig c) { apply(end, end.session.configure(std::move(c), now)); }
  /// Replaces one end by a fresh one: that machine started anew.
  void restart(End& end, const SessionConfig& c, std::uint32_t discriminator) {
    end.session = Session(c, {discriminator, false, discriminator * 7919u}, now);
  }
  /// Puts a crafted packet before an end.
  void inject(End& to, const ControlPacket& p) { arrive(to, encode(p)); }

 private:
  void apply(End& from, Actions actions) {
    for (auto& action : actions) {
      if (auto* t = std::get_if<Transmit>(&action)) {
        ++from.packets;
        if (from.record) from.sent.emplace_back(now, *decode(t->datagram));
        End* to = &from == &a ? &b : &a;
        flying_.emplace(now + delay, std::pair(to, std::move(t->datagram)));
      } else if (const auto* c = std::get_if<StateChange>(&action)) {
        from.changes.emplace_back(now, *c);
      } else {
        from.discarded.push_back(std::get<Discarded>(action).reason);
      }
    }
  }
  void arrive(End& to, const std::vector<std::uint8_t>& bytes) {
    if (to.deaf) return;
    const auto packet = decode(bytes);
    if (packet) apply(to, to.session.receive(*packet, bytes, now));
  }

  std::multimap<Time, std::pair<End*, std::vector<std::uint8_t>>> flying_;
};

}  // namespace weft::bfd::test
