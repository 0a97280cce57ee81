// One session against crafted packets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bfd/core/tests/link.h"

namespace weft::bfd::test {
namespace {

/// A peer made of paper: says what the test wants, when the test wants it.
class Crafted : public testing::Test {
 protected:
  explicit Crafted(SessionConfig c = config(50ms)) : session(c, {7, true, 1}, now) { collect(session.tick(now)); }

  ControlPacket said(State state) {
    ControlPacket p;
    p.state = state;
    p.multiplier = 3;
    p.my_discriminator = 42;
    p.your_discriminator = 7;
    p.desired_min_tx = p.required_min_rx = 50ms;
    return p;
  }
  void hear(const ControlPacket& p) { collect(session.receive(p, encode(p), now)); }
  void hear(State s) { hear(said(s)); }
  void pass(Duration d) {
    const Time end = now + d;
    while (session.next_deadline() <= end) {
      now = std::max(now, session.next_deadline());
      collect(session.tick(now));
    }
    now = end;
  }
  void bring_up() {
    hear(State::down);
    hear(State::up);
    auto final = said(State::up);
    final.final = true;
    hear(final);
    hear(State::up);
    ASSERT_EQ(session.state(), State::up);
    ASSERT_FALSE(session.polling());
    sent.clear();
  }
  void collect(const Actions& actions) {
    for (const auto& a : actions)
      if (const auto* t = std::get_if<Transmit>(&a)) sent.emplace_back(now, *decode(t->datagram));
  }

  Time now{Time(1h)};
  Session session;
  std::vector<std::pair<Time, ControlPacket>> sent;
};

TEST_F(Crafted, the_state_machine_is_that_of_section_6_8_6) {
  struct Row {
    State ours, heard, then;
  };
  const Row rows[] = {
      {State::down, State::admin_down, State::down}, {State::down, State::down, State::init},
      {State::down, State::init, State::up},         {State::down, State::up, State::down},
      {State::init, State::admin_down, State::down}, {State::init, State::down, State::init},
      {State::init, State::init, State::up},         {State::init, State::up, State::up},
      {State::up, State::admin_down, State::down},   {State::up, State::down, State::down},
      {State::up, State::init, State::up},           {State::up, State::up, State::up},
  };
  for (const Row& row : rows) {
    Session s(config(50ms), {7, true, 1}, now);
    const auto give = [&](State state) {
      const auto p = said(state);
      s.receive(p, encode(p), now);
    };
    if (row.ours != State::down) give(State::down);
    if (row.ours == State::up) give(State::init);
    ASSERT_EQ(s.state(), row.ours);
    give(row.heard);
    EXPECT_EQ(s.state(), row.then) << to_string(row.ours) << " hears " << to_string(row.heard);
  }
}

TEST_F(Crafted, a_change_of_state_is_told_at_once) {
  sent.clear();
  hear(State::down);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].second.state, State::init);
  EXPECT_EQ(sent[0].second.your_discriminator, 42u);
  hear(State::init);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].second.state, State::up);
}

TEST_F(Crafted, our_c_bit_is_the_one_we_were_given) {
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent[0].second.control_plane_independent);
  EXPECT_TRUE(session.status().control_plane_independent);
}

TEST_F(Crafted, the_peers_c_bit_is_shown) {
  bring_up();
  EXPECT_FALSE(session.status().remote_control_plane_independent);
  auto p = said(State::up);
  p.control_plane_independent = true;
  const auto before = session.visible();
  hear(p);
  EXPECT_TRUE(session.status().remote_control_plane_independent);
  EXPECT_NE(session.visible(), before);
}

TEST_F(Crafted, a_poll_is_answered_at_once_and_moves_no_timer) {
  bring_up();
  const Time next = session.next_deadline();
  auto p = said(State::up);
  p.poll = true;
  hear(p);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].second.final);
  EXPECT_FALSE(sent[0].second.poll);
  EXPECT_EQ(session.next_deadline(), next);
}

TEST_F(Crafted, an_answer_to_a_poll_never_polls_itself) {
  bring_up();
  session.configure(config(80ms), now);
  ASSERT_TRUE(session.polling());
  auto p = said(State::up);
  p.poll = true;
  hear(p);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].second.final);
  EXPECT_FALSE(sent[0].second.poll);
}

TEST_F(Crafted, slower_sending_waits_for_the_peers_consent) {
  bring_up();
  session.configure(config(200ms), now);
  EXPECT_EQ(session.status().tx_interval, 50ms);
  pass(120ms);
  ASSERT_GE(sent.size(), 2u);
  EXPECT_TRUE(sent[0].second.poll);
  EXPECT_EQ(sent[0].second.desired_min_tx, 200ms);
  auto p = said(State::up);
  p.final = true;
  hear(p);
  EXPECT_EQ(session.status().tx_interval, 200ms);
  sent.clear();
  hear(State::up);
  pass(100ms);
  hear(State::up);
  pass(110ms);
  ASSERT_FALSE(sent.empty());
  EXPECT_FALSE(sent.back().second.poll);
}

TEST_F(Crafted, quicker_detection_waits_for_the_peers_consent) {
  auto slow = config(50ms);
  slow.min_rx = 300ms;
  session.configure(slow, now);
  bring_up();
  EXPECT_EQ(session.status().detection_time, 900ms);
  session.configure(config(50ms), now);
  EXPECT_EQ(session.status().detection_time, 900ms);
  pass(300ms);
  auto p = said(State::up);
  p.final = true;
  hear(p);
  EXPECT_EQ(session.status().detection_time, 150ms);
}

TEST_F(Crafted, quicker_sending_and_slower_detection_begin_at_once) {
  bring_up();
  auto c = config(20ms);
  c.min_rx = 500ms;
  auto p = said(State::up);
  p.required_min_rx = 10ms;
  hear(p);
  session.configure(c, now);
  EXPECT_EQ(session.status().tx_interval, 20ms);
  EXPECT_EQ(session.status().detection_time, 1500ms);
}

TEST_F(Crafted, a_late_final_does_not_end_the_next_poll) {
  bring_up();
  session.configure(config(100ms), now);
  pass(60ms);
  auto final = said(State::up);
  final.final = true;
  hear(final);  // ends the first
  session.configure(config(150ms), now);
  EXPECT_FALSE(session.polling()) << "another Final of the first poll may still come";
  hear(final);
  EXPECT_FALSE(session.polling());
  EXPECT_NE(session.status().tx_interval, 150ms);
  hear(State::up);
  EXPECT_TRUE(session.polling());
  hear(final);
  EXPECT_EQ(session.status().tx_interval, 150ms);
}

TEST_F(Crafted, a_peer_that_demands_gets_no_periodic_packets_while_both_are_up) {
  bring_up();
  auto demanding = said(State::up);
  demanding.demand = true;
  hear(demanding);
  for (int i = 0; i < 20; ++i) {
    pass(100ms);
    hear(demanding);
  }
  EXPECT_EQ(sent.size(), 0u);
  EXPECT_EQ(session.status().tx_interval, 0ms);
  EXPECT_TRUE(session.status().remote_demand);
  // It verifies the path with a poll, and gets its answer.
  demanding.poll = true;
  hear(demanding);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].second.final);
  EXPECT_FALSE(sent[0].second.demand) << "we demand nothing";
  sent.clear();
  hear(State::up);  // demands no more
  pass(1ms);
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(Crafted, our_own_poll_goes_on_while_the_peer_demands) {
  bring_up();
  auto demanding = said(State::up);
  demanding.demand = true;
  hear(demanding);
  session.configure(config(30ms), now);
  pass(100ms);
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent[0].second.poll);
  demanding.final = true;
  hear(demanding);
  sent.clear();
  pass(140ms);
  EXPECT_EQ(sent.size(), 0u);
}

TEST_F(Crafted, a_peer_that_can_receive_nothing_gets_nothing_periodically) {
  auto p = said(State::down);
  p.required_min_rx = 0ms;
  hear(p);
  sent.clear();
  for (int i = 0; i < 10; ++i) {
    pass(100ms);
    hear(p);
  }
  EXPECT_EQ(sent.size(), 0u);
}

TEST_F(Crafted, a_peer_that_wants_less_gets_less_and_one_that_wants_more_gets_it_at_once) {
  bring_up();
  auto p = said(State::up);
  p.required_min_rx = 400ms;
  hear(p);
  EXPECT_EQ(session.status().tx_interval, 400ms);
  pass(140ms);
  hear(p);
  p.required_min_rx = 50ms;
  hear(p);
  sent.clear();
  pass(1ms);
  EXPECT_EQ(sent.size(), 1u) << "the new interval since the last packet has long passed";
}

TEST_F(Crafted, detection_uses_the_peers_multiplier_and_the_slower_of_both_intervals) {
  bring_up();
  auto p = said(State::up);
  p.multiplier = 7;
  p.desired_min_tx = 70ms;
  hear(p);
  EXPECT_EQ(session.status().detection_time, 490ms);
  pass(489ms);
  EXPECT_EQ(session.state(), State::up);
  pass(1ms);
  EXPECT_EQ(session.state(), State::down);
}

TEST_F(Crafted, a_discarded_packet_does_not_keep_the_session_up) {
  bring_up();
  auto p = said(State::up);
  p.auth = AuthSection{5, std::string(26, 'x')};
  for (int i = 0; i < 4; ++i) {
    pass(40ms);
    hear(p);
  }
  EXPECT_EQ(session.state(), State::down);
  EXPECT_EQ(session.status().counters.discarded[Discard::auth_unexpected], 4u);
}

TEST_F(Crafted, the_diagnostic_of_the_last_failure_is_still_sent_after_recovery) {
  bring_up();
  pass(200ms);
  ASSERT_EQ(session.state(), State::down);
  hear(State::down);
  hear(State::init);
  ASSERT_EQ(session.state(), State::up);
  EXPECT_EQ(sent.back().second.diag, Diag::detection_expired);
}

TEST_F(Crafted, a_thread_that_was_late_sends_one_packet_not_all_that_it_missed) {
  bring_up();
  auto p = said(State::up);
  p.desired_min_tx = 10s;
  hear(p);
  now += 5s;
  collect(session.tick(now));
  EXPECT_EQ(sent.size(), 1u);
  EXPECT_GT(session.next_deadline(), now);
}

TEST_F(Crafted, silence_before_up_says_that_nobody_answered) {
  EXPECT_EQ(session.status().why, "no BFD packet of 10.0.0.2 was accepted yet");
  EXPECT_EQ(session.status("Network is unreachable").why,
            "no BFD packet of 10.0.0.2 was accepted yet; our packets do not leave: Network is unreachable");
  hear(State::down);
  EXPECT_EQ(session.status().why, "10.0.0.2 answers; waiting for it to say that it hears us");
  pass(4s);
  ASSERT_EQ(session.state(), State::down);
  EXPECT_EQ(session.status().down_reason, DownReason::no_answer);
  EXPECT_EQ(session.status().why, "10.0.0.2 answered, and fell silent before the session was Up");
}

TEST_F(Crafted, silence_after_an_admin_down_is_no_failure_before_the_session_is_up_again) {
  bring_up();
  hear(State::admin_down);
  ASSERT_EQ(session.status().down_reason, DownReason::peer_admin_down);
  hear(State::down);
  ASSERT_EQ(session.state(), State::init);
  pass(4s);
  ASSERT_EQ(session.state(), State::down);
  EXPECT_EQ(session.status().down_reason, DownReason::peer_admin_down);
  EXPECT_FALSE(path_failed(session.status())) << session.status().why;
}

TEST_F(Crafted, a_failure_stays_one_when_the_peer_answers_and_falls_silent_again) {
  bring_up();
  hear(State::down);
  hear(State::down);
  ASSERT_EQ(session.state(), State::init);
  pass(4s);
  ASSERT_EQ(session.state(), State::down);
  EXPECT_EQ(session.status().down_reason, DownReason::peer_down);
  EXPECT_TRUE(path_failed(session.status()));
}

}  // namespace
}  // namespace weft::bfd::test
