// A peer, its timing and our own operators may do anything in any order. Each byte or two is an event; whatever comes,
// the invariants of a session hold: never two established connections, nothing said on a closed one, no timer lost.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "bgp/fsm/tests/invariants.h"

namespace {

using namespace weft::bgp;
using namespace weft::bgp::fsm;
using namespace std::chrono_literals;

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> data) : data_(data) {}
  bool empty() const { return data_.empty(); }
  std::uint8_t next() {
    if (data_.empty()) return 0;
    const std::uint8_t b = data_.front();
    data_ = data_.subspan(1);
    return b;
  }

 private:
  std::span<const std::uint8_t> data_;
};

SessionConfig config(std::uint8_t b) {
  SessionConfig c;
  c.local_as = 65001;
  c.router_id.value = b & 1 ? 5 : 100;
  c.remote_as = {b & 2 ? PeerAs::Kind::external : PeerAs::Kind::any, 0};
  c.passive = (b & 4) != 0;
  if (b & 8) c.graceful_restart.emplace();
  if (b & 16) c.graceful_restart = GracefulRestartConfig{.restart_time = 10s, .notification = false};
  c.restarting = (b & 32) != 0;
  if ((b & 0xc0) == 0xc0) c.held_down = "held";
  if ((b & 0xc0) == 0x80) c.hold_time = 0s;
  return c;
}

Open open(std::uint8_t b) {
  Open o;
  o.asn = b & 1 ? 65000 : 65001;
  o.router_id.value = b & 2 ? 50 : 5;
  o.hold_time = b & 4 ? 90 : b & 8 ? 3 : 0;
  o.capabilities.four_octet_asn = o.asn;
  if (b & 16) o.capabilities.families = {kIpv6Unicast};
  if (b & 32)
    o.capabilities.graceful_restart =
        GracefulRestart{.restarting = false,
                        .notification = (b & 64) != 0,
                        .restart_time = 60,
                        .families = {{kIpv4Unicast, (b & 128) != 0}, {kIpv6Unicast, true}}};
  return o;
}

Message message(Bytes& in) {
  const std::uint8_t b = in.next();
  switch (b % 6) {
    case 0: return open(in.next());
    case 1: return Keepalive{};
    case 2: return Update{};
    case 3: {
      Update u;
      u.end_of_rib = b & 64 ? kIpv4Unicast : kIpv6Unicast;
      return u;
    }
    case 4: return RouteRefresh{kIpv4Unicast, static_cast<RouteRefresh::Subtype>(b / 6 % 3)};
    default: return Notification{static_cast<ErrorCode>(b / 6 % 9), in.next(), {in.next(), in.next()}};
  }
}

Event next_event(Bytes& in, ConnectionId& last, bool attempting) {
  const std::uint8_t b = in.next();
  const ConnectionId some = last - std::min<ConnectionId>(last, b / 16 % 4);
  switch (b % 16) {
    case 0: return event::Start{};
    case 1: return b & 128 ? event::Stop{} : event::Stop{Notification{ErrorCode::cease, 2, {}}, "stop"};
    case 2:
      return event::Reset{{ErrorCode::cease, static_cast<std::uint8_t>(b / 16), {}},
                          "reset",
                          b & 128 ? std::optional(std::chrono::seconds(in.next())) : std::nullopt};
    case 3: return event::ConfigChanged{config(in.next()), (b & 128) != 0, ""};
    case 4: return event::Connected{++last, false};
    case 5: return event::Connected{++last, attempting};
    case 6: return event::ConnectFailed{};
    case 7: return event::Reachable{};
    case 8: return event::ReceiveError{some, {ErrorCode::update_message, 1, {}}};
    case 9: return event::Closed{some, ""};
    case 10:
      if ((b & 64) != 0) return event::BfdClear{};
      return event::BfdDown{(b & 128) != 0, ""};
    case 11: {
      const auto kind = static_cast<Timer::Kind>(b / 16 % 8);
      return event::TimerFired{{kind, kind >= Timer::Kind::hold ? some : 0}};
    }
    default: return event::Received{some, message(in)};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in({data, size});
  double jitter = 0;
  Session session(config(in.next()), [&jitter] { return jitter; });
  Invariants invariants;
  weft::Steady::time_point now{1h};
  ConnectionId last = 0;
  const auto give = [&](Event e) {
    const std::string said = describe(e);
    invariants.before(e);
    const Actions actions = session.on(std::move(e), now);
    invariants.after(session, actions, now);
    if (invariants.broken.empty()) return;
    std::fprintf(stderr, "after \"%s\": %s\n", said.c_str(), invariants.broken.c_str());
    std::abort();
  };
  while (!in.empty()) {
    const std::uint8_t pace = in.next();
    jitter = (pace >> 4) / 16.0;
    now += std::chrono::milliseconds(pace & 1 ? 1 : 700 * pace);
    // What is due fires at last, one after the other.
    if (pace & 2) {
      for (const auto& [timer, due] : session.timers()) {
        if (due > now) continue;
        give(event::TimerFired{timer});
        break;
      }
    }
    give(next_event(in, last, invariants.attempting));
  }
  return 0;
}
