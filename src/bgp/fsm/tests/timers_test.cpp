// Hold and keepalive timers over long times.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Hold, expires_when_the_peer_is_silent) {
  Play p;
  p.reach();
  const auto done = p.pass(90s);
  EXPECT_THAT(done, Contains("down: hold_timer_expired"));
  EXPECT_EQ(p.session.down().notification->code, ErrorCode::hold_timer_expired);
  EXPECT_THAT(p.session.down().words, HasSubstr("for 90 s"));
}

TEST(Hold, is_kept_off_by_keepalives_and_by_updates) {
  for (const bool updates : {false, true}) {
    Play p;
    p.reach();
    for (int i = 0; i < 100; ++i) {
      EXPECT_THAT(p.pass(89s), Not(Contains("down: hold_timer_expired")));
      p.give(event::Received{1, updates ? Message(some_update()) : Message(Keepalive{})});
    }
    p.expect(SessionState::established);
    EXPECT_THAT(p.pass(91s), Contains("down: hold_timer_expired"));
  }
}

TEST(Hold, is_not_kept_off_by_route_refresh) {
  Play p;
  p.reach();
  p.pass(60s);
  p.give(event::Received{1, RouteRefresh{kIpv4Unicast}});
  EXPECT_THAT(p.pass(31s), Contains("down: hold_timer_expired"));
}

TEST(Hold, costs_no_timer_action_a_message) {
  Play p;
  p.reach();
  p.now += 1s;
  p.give(event::Received{1, some_update()}).expect({"deliver"});
  p.give(event::Received{1, Keepalive{}}).expect(std::vector<std::string>{});
}

TEST(Hold, of_three_seconds_works_to_the_second) {
  Open o = theirs();
  o.hold_time = 3;
  Play p;
  p.reach(SessionState::established, o);
  p.pass(2900ms);
  p.expect(SessionState::established);
  p.give(event::Received{1, Keepalive{}});
  p.pass(2999ms);
  p.expect(SessionState::established);
  EXPECT_THAT(p.pass(2ms), Contains("down: hold_timer_expired"));
}

TEST(Hold, of_zero_means_neither_hold_timer_nor_keepalives) {
  Open o = theirs();
  o.hold_time = 0;
  Play p;
  p.reach(SessionState::open_sent);
  p.give(event::Received{1, o}).expect({"clear hold 1", "send KEEPALIVE on 1"});
  p.give(event::Received{1, Keepalive{}}).expect({"established on 1"});
  EXPECT_TRUE(p.pass(24h).empty());
  p.expect(SessionState::established);
}

TEST(Keepalive, goes_out_between_three_quarters_of_its_time_and_the_whole) {
  for (const double jitter : {0.0, 0.5, 0.999}) {
    Play p;
    p.jitter = jitter;
    p.reach();
    const auto began = p.now;
    int sent = 0;
    while (p.now < began + 1h) {
      p.pass(10s);
      for (const auto& l : p.lines()) sent += l == "send KEEPALIVE on 1";
      p.give(event::Received{1, Keepalive{}});
    }
    const double every = 30 * (0.75 + 0.25 * jitter);
    const auto next = p.session.timers().at({Timer::Kind::keepalive, 1});
    EXPECT_LE(next - p.now, 30s);
    EXPECT_GT(sent, 0);
    // One hour of them, told by the timer itself.
    p.now = next;
    p.give(event::TimerFired{{Timer::Kind::keepalive, 1}});
    EXPECT_NEAR(find<action::SetTimer>(p.actions)->after / 1.0s, every, 0.01);
  }
}

TEST(Keepalive, keeps_a_session_up_for_a_day) {
  Play p;
  p.reach();
  int sent = 0;
  for (int i = 0; i < 24 * 60 * 2; ++i) {
    for (const auto& l : p.pass(30s)) {
      ASSERT_EQ(l.find("down"), std::string::npos);
      sent += l == "send KEEPALIVE on 1";
    }
    p.give(event::Received{1, Keepalive{}});
  }
  p.expect(SessionState::established);
  EXPECT_EQ(sent, 24 * 3600 / 22.5);
}

TEST(Timers, that_were_replaced_do_no_harm_when_they_fire_late) {
  Play p;
  p.reach();
  for (const auto kind : {Timer::Kind::connect_retry, Timer::Kind::idle_hold, Timer::Kind::restart, Timer::Kind::stale})
    p.give(event::TimerFired{{kind, 0}}).expect(std::vector<std::string>{});
  p.give(event::TimerFired{{Timer::Kind::hold, 7}}).expect(std::vector<std::string>{});
  p.give(event::TimerFired{{Timer::Kind::hold, 1}}).expect(std::vector<std::string>{});
}

}  // namespace
}  // namespace weft::bgp::fsm
