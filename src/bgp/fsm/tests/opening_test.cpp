// How a session comes up, from either side, and how it tries again.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using testing::HasSubstr;

TEST(Opening, connects_and_comes_up) {
  Play p;
  p.give(event::Start{}).expect({"connect", "set connect_retry to 10s"}).expect(SessionState::connect);
  p.give(event::Connected{1, true})
      .expect({"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"})
      .expect(SessionState::open_sent);
  p.give(event::Received{1, theirs()})
      .expect({"set hold 1 to 90s", "send KEEPALIVE on 1", "set keepalive 1 to 22.5s"})
      .expect(SessionState::open_confirm);
  p.give(event::Received{1, Keepalive{}}).expect({"established on 1"}).expect(SessionState::established);
  EXPECT_EQ(p.session.established(), 1u);
  EXPECT_EQ(p.session.negotiated()->peer_router_id, id(9));
}

TEST(Opening, a_passive_session_waits_for_the_peer) {
  SessionConfig c = ours();
  c.passive = true;
  Play p(c);
  p.give(event::Start{}).expect(std::vector<std::string>{}).expect(SessionState::active);
  EXPECT_TRUE(p.pass(24h).empty()) << "it never connects";
  p.give(event::Reachable{}).expect(std::vector<std::string>{});
  p.give(event::Connected{1, false}).expect({"send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"});
  p.give(event::Received{1, theirs()});
  p.give(event::Received{1, Keepalive{}}).expect({"established on 1"});
}

TEST(Opening, an_active_session_takes_the_connection_of_the_peer) {
  Play p;
  p.reach(SessionState::active);
  p.give(event::Connected{1, false})
      .expect({"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"})
      .expect(SessionState::open_sent);
}

TEST(Opening, before_start_and_while_stopped_connections_are_rejected) {
  Play p;
  p.give(event::Connected{1, false}).expect({"send NOTIFICATION 6/5 on 1", "close 1"}).expect(SessionState::idle);
  p.reach();
}

TEST(Opening, a_connection_that_nobody_waits_for_is_closed_without_a_word) {
  Play p;
  p.reach(SessionState::connect);
  p.give(event::Stop{cease_of(2), "maintenance"}).expect({"clear connect_retry", "abandon connect"});
  p.give(event::Connected{1, true}).expect({"close 1"});
}

TEST(Opening, starting_twice_changes_nothing) {
  Play p;
  p.reach();
  p.give(event::Start{}).expect(std::vector<std::string>{}).expect(SessionState::established);
}

TEST(Retry, comes_sooner_at_first_then_between_the_configured_time_and_its_double) {
  for (const double jitter : {0.0, 0.5, 0.999}) {
    Play p;
    p.jitter = jitter;
    p.give(event::Start{});
    std::vector<double> waits;
    for (int i = 0; i < 10; ++i) {
      p.give(event::ConnectFailed{DownReason::Kind::connect_failed, "connection refused"});
      const auto* timer = find<action::SetTimer>(p.actions);
      ASSERT_TRUE(timer);
      waits.push_back(std::chrono::duration<double>(timer->after).count());
      p.now += timer->after;
      p.give(event::TimerFired{timer->timer});
      ASSERT_TRUE(p.did("connect"));
    }
    double base = 1;
    for (const double w : waits) {
      EXPECT_NEAR(w, base * (1 + jitter), 0.01) << "jitter " << jitter;
      base = std::min(base * 2, 120.0);
    }
    EXPECT_GE(waits.back(), 120);
    EXPECT_LT(waits.back(), 240);
  }
}

TEST(Retry, can_go_without_the_quick_series) {
  SessionConfig c = ours();
  c.connect_retry = 5s;
  c.first_retry = 5s;
  Play p(c);
  p.reach(SessionState::active).expect({"attempt failed: connect_failed", "set connect_retry to 5s"});
}

TEST(Retry, an_attempt_without_an_answer_is_given_up_and_says_what_it_may_be) {
  Play p;
  p.give(event::Start{});
  p.pass(9s);
  EXPECT_EQ(p.session.state(), SessionState::connect);
  EXPECT_THAT(p.pass(2s), testing::ElementsAre("abandon connect", "attempt failed: connect_failed", "connect",
                                               "set connect_retry to 10s"));
  EXPECT_THAT(p.session.down().words, HasSubstr("password (TCP MD5)"));
  EXPECT_THAT(p.session.down().words, HasSubstr("in 10 s"));
}

TEST(Retry, happens_at_once_when_the_peer_becomes_reachable) {
  Play p;
  p.give(event::Start{});
  p.give(event::ConnectFailed{DownReason::Kind::no_address, "no router advertises itself on eth1"})
      .expect({"attempt failed: no_address", "set connect_retry to 1s"});
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::no_address);
  EXPECT_EQ(p.session.down().words, "no router advertises itself on eth1");
  p.give(event::Reachable{}).expect({"clear connect_retry", "connect", "set connect_retry to 10s"});
  p.give(event::Reachable{}).expect(std::vector<std::string>{});
}

TEST(Damping, forgives_the_first_fall_of_a_session_that_stood) {
  Play p;
  p.reach();
  for (int i = 0; i < 4; ++i) {  // the peer keeps it up
    p.pass(30s);
    p.give(event::Received{1, Keepalive{}});
  }
  p.give(event::Closed{1, "connection reset by peer"})
      .expect({"clear hold 1", "clear keepalive 1", "down: connection_lost", "connect", "set connect_retry to 10s"})
      .expect(SessionState::connect);
}

TEST(Damping, grows_to_its_bound_while_the_session_keeps_falling) {
  for (const double jitter : {0.0, 0.999}) {
    Play p;
    p.jitter = jitter;
    p.give(event::Start{});
    double base = 1;
    for (ConnectionId c = 1; c < 12; ++c) {
      ASSERT_EQ(p.session.state(), SessionState::connect);
      p.give(event::Connected{c, true});
      p.give(event::Received{c, theirs(64999)});  // a wrong AS, every time
      ASSERT_EQ(p.session.state(), SessionState::idle);
      const auto began = p.now;
      while (p.session.state() != SessionState::connect) {
        const auto next = p.session.timers().begin()->second;
        p.now = next;
        p.give(event::TimerFired{p.session.timers().begin()->first});
        if (p.session.state() == SessionState::active) {
          EXPECT_NEAR((p.now - began) / 1.0s, 10, 0.01);
        }
      }
      EXPECT_NEAR((p.now - began) / 1.0s, base * (0.75 + 0.25 * jitter), 0.01) << "fall " << c;
      base = std::min(base * 2, 120.0);
    }
  }
}

TEST(Damping, refuses_connections_while_idle_and_listens_for_the_rest_of_a_long_wait) {
  Play p;
  p.give(event::Start{});
  for (ConnectionId c = 1; c < 8; ++c) {
    p.give(event::Connected{c, true});
    p.give(event::Received{c, theirs(64999)});
    if (c == 7) break;
    p.pass(130s);
    ASSERT_EQ(p.session.state(), SessionState::connect);
  }
  p.expect(SessionState::idle);
  p.give(event::Connected{20, false}).expect({"send NOTIFICATION 6/5 on 20", "close 20"});
  p.pass(10s);
  p.expect(SessionState::active);
  p.give(event::Connected{21, false}).expect(SessionState::open_sent);
  p.give(event::Received{21, theirs()});
  p.give(event::Received{21, Keepalive{}}).expect({"established on 21"});
}

TEST(Damping, ends_when_the_session_is_started_by_hand) {
  Play p;
  p.reach(SessionState::open_sent);
  p.give(event::Received{1, theirs(64999)});
  p.expect(SessionState::idle);
  p.give(event::Start{}).expect({"clear idle_hold", "connect", "set connect_retry to 10s"});
}

TEST(Damping, and_retrying_begin_anew_after_a_start_or_a_reset_by_hand) {
  for (const bool start : {true, false}) {
    Play p;
    p.give(event::Start{});
    for (ConnectionId c = 1; c < 6; ++c) {
      p.give(event::Connected{c, true});
      p.give(event::Received{c, theirs(64999)});
      p.pass(c < 5 ? 17s : 0s);
    }
    p.expect(SessionState::idle);
    p.give(start ? Event(event::Start{}) : Event(event::Reset{cease_of(cease::kAdminReset), "by hand", {}}));
    p.expect({"clear idle_hold", "connect", "set connect_retry to 10s"});
    p.give(event::ConnectFailed{}).expect({"attempt failed: connect_failed", "set connect_retry to 1s"});
    p.give(event::Reachable{});
    p.give(event::Connected{9, true});
    p.give(event::Received{9, theirs(64999)});
    EXPECT_TRUE(p.did("set idle_hold to 0.75s")) << testing::PrintToString(p.lines());
  }
}

TEST(Reset, waits_as_long_as_it_is_told_after_too_many_prefixes) {
  Play p;
  p.reach();
  p.give(event::Reset{cease_of(cease::kMaxPrefixes), "1001 prefixes, 1000 are allowed: raise the limit", 300s})
      .expect({"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/1 on 1", "close 1", "down: notification_sent",
               "set idle_hold to 300s"})
      .expect(SessionState::idle);
  EXPECT_EQ(p.session.down().words, "1001 prefixes, 1000 are allowed: raise the limit");
  p.give(event::Connected{2, false}).expect({"send NOTIFICATION 6/5 on 2", "close 2"});
  EXPECT_TRUE(p.pass(299s).empty());
  EXPECT_THAT(p.pass(1s), testing::ElementsAre("connect", "set connect_retry to 10s"));
}

TEST(Reset, tries_again_at_once_when_no_wait_is_given) {
  Play p;
  p.reach();
  p.give(event::Reset{Notification::shutdown(cease::kAdminReset, "by hand"), "reset by hand", {}})
      .expect({"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/4 on 1", "close 1", "down: admin", "connect",
               "set connect_retry to 10s"});
}

TEST(Stop, tells_the_peer_why_in_words) {
  Play p;
  p.reach();
  p.give(event::Stop{Notification::shutdown(cease::kAdminShutdown, "maintenance until noon"), "stopped by hand"});
  p.expect({"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/2 on 1", "close 1", "down: admin"});
  const auto* sent = find<action::Send>(p.actions);
  EXPECT_EQ(std::get<Notification>(sent->message).shutdown_text(), "maintenance until noon");
  EXPECT_TRUE(p.pass(24h).empty()) << "and stays down";
  p.give(event::Start{}).expect(SessionState::connect);
}

TEST(Config, a_new_retry_time_leaves_the_session_up) {
  Play p;
  p.reach();
  SessionConfig c = ours();
  c.connect_retry = 5s;
  c.passive = true;
  p.give(event::ConfigChanged{c, false, ""}).expect(std::vector<std::string>{}).expect(SessionState::established);
}

TEST(Config, a_new_hold_time_resets_the_session_and_is_offered_then) {
  Play p;
  p.reach();
  SessionConfig c = ours();
  c.hold_time = 9s;
  p.give(event::ConfigChanged{c, false, "holdTimeSeconds is 9 now"});
  EXPECT_TRUE(p.did("send NOTIFICATION 6/6 on 1") && p.did("down: admin") && p.did("connect"));
  EXPECT_EQ(p.session.down().words, "holdTimeSeconds is 9 now");
  p.give(event::Connected{2, true});
  EXPECT_TRUE(p.did("send OPEN as 65001 hold 9 on 2"));
}

TEST(Config, a_new_password_resets_although_open_is_the_same) {
  Play p;
  p.reach();
  p.give(event::ConfigChanged{ours(), true, "the password changed"});
  EXPECT_TRUE(p.did("send NOTIFICATION 6/6 on 1") && p.did("connect"));
}

TEST(Config, becoming_passive_gives_up_the_attempt_and_becoming_active_begins_one) {
  Play p;
  p.reach(SessionState::connect);
  SessionConfig c = ours();
  c.passive = true;
  p.give(event::ConfigChanged{c, false, ""})
      .expect({"clear connect_retry", "abandon connect"})
      .expect(SessionState::active);
  p.give(event::ConfigChanged{ours(), false, ""}).expect({"connect", "set connect_retry to 10s"});
}

TEST(HeldDown, never_comes_up_and_says_why) {
  SessionConfig c = ours();
  c.held_down = "Secret kube-system/bgp-auth is missing";
  Play p(c);
  p.give(event::Start{}).expect(std::vector<std::string>{}).expect(SessionState::idle);
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::held_down);
  EXPECT_EQ(p.session.down().words, "Secret kube-system/bgp-auth is missing");
  p.give(event::Connected{1, false}).expect({"send NOTIFICATION 6/5 on 1", "close 1"});
  EXPECT_TRUE(p.pass(24h).empty());
  p.give(event::ConfigChanged{ours(), false, ""}).expect({"connect", "set connect_retry to 10s"});
}

TEST(HeldDown, takes_a_running_session_down_until_it_is_lifted) {
  Play p;
  p.reach();
  SessionConfig c = ours();
  c.held_down = "Secret kube-system/bgp-auth is missing";
  p.give(event::ConfigChanged{c, false, ""});
  EXPECT_TRUE(p.did("send NOTIFICATION 6/6 on 1") && p.did("down: held_down"));
  EXPECT_TRUE(p.pass(24h).empty());
  p.give(event::ConfigChanged{ours(), false, ""}).expect(SessionState::connect);
}

TEST(HeldDown, lifted_after_a_stop_the_session_stays_stopped) {
  SessionConfig c = ours();
  c.held_down = "Secret kube-system/bgp-auth is missing";
  Play p(c);
  p.give(event::Start{});
  p.give(event::Stop{});
  p.give(event::ConfigChanged{ours(), false, ""}).expect(std::vector<std::string>{}).expect(SessionState::idle);
}

}  // namespace
}  // namespace weft::bgp::fsm
