// Two connections of one session (RFC 4271 §6.8, 6286): connection 1 is ours, 2 is the peer's, 3 its next one. The one
// that stays was opened by the side with the larger router id; the orders of arrival are all here.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using enum SessionState;
using Lines = std::vector<std::string>;

const std::uint8_t kLarger = 9, kSmaller = 0;  // than ours, 10.0.0.1
Open peer(std::uint8_t last) { return theirs(65000, last == 0 ? 0 : last); }

/// Both connections in open_sent.
void both_open(Play& p) {
  p.reach(connect);
  p.give(event::Connected{2, false}).expect({"send OPEN as 65001 hold 90 on 2", "set hold 2 to 240s"});
  p.give(event::Connected{1, true})
      .expect({"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"});
}

TEST(Collision, the_peers_connection_stays_when_its_id_is_larger_whichever_open_comes_first) {
  Play on_theirs;
  both_open(on_theirs);
  on_theirs.give(event::Received{2, peer(kLarger)})
      .expect({"clear hold 1", "send NOTIFICATION 6/7 on 1", "close 1", "set hold 2 to 90s", "send KEEPALIVE on 2",
               "set keepalive 2 to 22.5s"})
      .expect(open_confirm);
  on_theirs.give(event::Received{2, Keepalive{}}).expect({"established on 2"});

  Play on_ours;
  both_open(on_ours);
  on_ours.give(event::Received{1, peer(kLarger)})
      .expect({"set hold 2 to 10s", "clear hold 1", "send NOTIFICATION 6/7 on 1", "close 1"})
      .expect(open_sent);
  on_ours.give(event::Received{2, peer(kLarger)}).expect(open_confirm);
  on_ours.give(event::Received{2, Keepalive{}}).expect({"established on 2"});
}

TEST(Collision, our_connection_stays_when_our_id_is_larger_whichever_open_comes_first) {
  SessionConfig c = ours();
  c.router_id = id(20);
  Play on_ours(c);
  both_open(on_ours);
  on_ours.give(event::Received{1, peer(kLarger)})
      .expect({"clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2", "set hold 1 to 90s", "send KEEPALIVE on 1",
               "set keepalive 1 to 22.5s"});
  Play on_theirs(c);
  both_open(on_theirs);
  on_theirs.give(event::Received{2, peer(kLarger)})
      .expect({"set hold 1 to 10s", "clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2"})
      .expect(open_sent);
}

TEST(Collision, equal_ids_are_decided_by_the_larger_as) {
  for (const Asn asn : {65000u, 65002u}) {
    SessionConfig c = ours();
    c.remote_as = {};
    Play p(c);
    both_open(p);
    p.give(event::Received{2, theirs(asn, 1)});
    EXPECT_EQ(p.did("close 1"), asn == 65002) << "we are AS 65001";
    EXPECT_EQ(p.did("close 2"), asn == 65000);
  }
}

TEST(Collision, a_winner_that_stays_silent_does_not_block_the_session) {
  Play p;
  both_open(p);
  p.give(event::Received{1, peer(kLarger)});
  p.pass(10s);
  p.expect(idle);
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::hold_timer_expired);
  p.pass(1s);
  p.expect(connect);
}

TEST(Collision, the_loser_learns_it_from_the_peer_and_the_session_goes_on) {
  Play p;
  both_open(p);
  p.give(event::Received{1, cease_of(cease::kCollision)}).expect({"clear hold 1", "close 1"}).expect(open_sent);
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::never_up);
  p.give(event::Received{2, peer(kLarger)});
  p.give(event::Received{2, Keepalive{}}).expect({"established on 2"});
}

TEST(Collision, when_theirs_got_far_and_wins_our_attempt_is_given_up) {
  Play p;
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::Received{2, peer(kLarger)})
      .expect({"set hold 2 to 90s", "send KEEPALIVE on 2", "set keepalive 2 to 22.5s", "clear connect_retry",
               "abandon connect"});
  p.give(event::Connected{1, true}).expect({"close 1"}).expect(open_confirm);
}

TEST(Collision, when_theirs_got_far_and_ours_would_win_our_attempt_goes_on) {
  SessionConfig c = ours();
  c.router_id = id(20);
  Play p(c);
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::Received{2, peer(kLarger)}).expect(open_confirm);
  EXPECT_FALSE(p.did("abandon connect"));
  p.give(event::Connected{1, true})
      .expect({"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"});
  p.give(event::Received{1, peer(kLarger)})
      .expect({"clear hold 2", "clear keepalive 2", "send NOTIFICATION 6/7 on 2", "close 2", "set hold 1 to 90s",
               "send KEEPALIVE on 1", "set keepalive 1 to 22.5s"});
}

TEST(Collision, whoever_is_established_first_stays) {
  SessionConfig c = ours();
  c.router_id = id(20);
  Play p(c);
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::Received{2, peer(kLarger)});
  p.give(event::Connected{1, true});
  p.give(event::Received{2, Keepalive{}})
      .expect({"clear hold 1", "send NOTIFICATION 6/7 on 1", "close 1", "established on 2"});
}

TEST(Collision, an_attempt_ends_when_the_other_connection_is_established) {
  SessionConfig c = ours();
  c.router_id = id(20);
  Play p(c);
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::Received{2, peer(kLarger)});
  p.give(event::Received{2, Keepalive{}}).expect({"clear connect_retry", "abandon connect", "established on 2"});
}

TEST(Collision, a_second_connection_gets_our_open_only_after_its_own_when_the_first_got_far) {
  Play p;
  p.reach(open_confirm);
  p.give(event::Connected{2, false}).expect({"set hold 2 to 240s"}).expect(open_confirm);
  p.give(event::Received{2, peer(kLarger)})
      .expect({"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/7 on 1", "close 1",
               "send OPEN as 65001 hold 90 on 2", "set hold 2 to 90s", "send KEEPALIVE on 2",
               "set keepalive 2 to 22.5s"});

  SessionConfig c = ours();
  c.router_id = id(20);
  Play q(c);
  q.reach(open_confirm);
  q.give(event::Connected{2, false});
  q.give(event::Received{2, peer(kLarger)})
      .expect({"clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2"})
      .expect(open_confirm);
}

TEST(Collision, with_an_established_session_the_new_connection_is_closed) {
  for (const std::uint8_t last : {kLarger, kSmaller}) {
    SessionConfig c = ours();
    if (last == kSmaller) c.router_id = id(20);
    Play p(c);
    p.reach(established);
    p.now += 60s;
    p.give(event::Connected{2, false}).expect({"set hold 2 to 240s"});
    p.give(event::Received{2, theirs()})
        .expect({"clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2"})
        .expect(established);
  }
}

TEST(Collision, a_new_connection_with_a_bad_open_leaves_the_established_one_alone) {
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.now += 60s;
  p.give(event::Connected{2, false});
  p.give(event::Received{2, theirs(64999)}).expect({"clear hold 2", "send NOTIFICATION 2/2 on 2", "close 2"});
  p.give(event::Connected{3, false});
  p.give(event::Received{3, some_update()}).expect({"clear hold 3", "send NOTIFICATION 5/1 on 3", "close 3"});
  p.give(event::Connected{4, false});
  p.give(event::Closed{4, ""}).expect({"clear hold 4"}).expect(established);
}

TEST(Collision, the_peers_next_connection_replaces_one_on_which_it_said_nothing) {
  Play p;
  p.reach(active);
  p.give(event::Connected{2, false});
  p.give(event::Connected{3, false})
      .expect({"clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2", "send OPEN as 65001 hold 90 on 3",
               "set hold 3 to 240s"})
      .expect(open_sent);
}

TEST(Collision, of_two_that_the_peer_opened_the_later_one_counts) {
  Play p;
  p.reach(active);
  p.give(event::Connected{2, false});
  p.give(event::Received{2, theirs()}).expect(open_confirm);
  p.give(event::Connected{3, false});
  p.give(event::Received{3, theirs()});
  EXPECT_TRUE(p.did("close 2") && p.did("send KEEPALIVE on 3"));
}

TEST(Collision, when_the_first_one_dies_the_second_takes_over) {
  for (const SessionState first : {open_confirm, established}) {
    Play p;
    p.reach(first);
    p.give(event::Connected{2, false});
    p.give(event::Closed{1, "connection reset"});
    EXPECT_TRUE(p.did("send OPEN as 65001 hold 90 on 2"));
    p.expect(open_sent);
    EXPECT_EQ(p.session.down().kind, DownReason::Kind::connection_lost);
    p.give(event::Received{2, theirs()});
    p.give(event::Received{2, Keepalive{}}).expect({"established on 2"});
  }
}

TEST(Collision, our_failed_attempt_does_not_disturb_the_peers_connection) {
  Play p;
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::ConnectFailed{}).expect({"clear connect_retry"}).expect(open_sent);

  Play q;
  q.reach(connect);
  q.give(event::Connected{2, false});
  q.now += 10s;
  q.give(event::TimerFired{{Timer::Kind::connect_retry, 0}}).expect({"abandon connect"}).expect(open_sent);
}

TEST(Collision, the_peers_connection_dies_while_ours_is_still_on_its_way) {
  Play p;
  p.reach(connect);
  p.give(event::Connected{2, false});
  p.give(event::Closed{2, ""}).expect({"clear hold 2", "attempt failed: connection_lost"}).expect(connect);
}

TEST(Collision, a_connection_that_was_opened_before_the_first_came_up_is_no_restart) {
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.now += 1s;
  p.give(event::Connected{2, false});
  p.give(event::Received{2, theirs_with_restart()})
      .expect({"clear hold 2", "send NOTIFICATION 6/7 on 2", "close 2"})
      .expect(established);
}

}  // namespace
}  // namespace weft::bgp::fsm
