// A session whose path BFD watches (RFC 5882 §4), with and without graceful restart.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using enum SessionState;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Kind = DownReason::Kind;

const event::BfdDown kDead{true, "control detection time expired"}, kPerhaps{false, "control detection time expired"};

TEST(Path, that_is_back_brings_the_session_back_at_once_however_often_it_failed) {
  Play p;
  p.reach();
  for (ConnectionId c = 2; c < 20; ++c) {
    p.pass(100ms);
    p.give(kDead).expect(idle);
    EXPECT_TRUE(p.did("down: bfd_down"));
    EXPECT_FALSE(p.did("set idle_hold to 0.75s")) << "nothing to damp: BFD says when to try again";
    p.pass(1s);
    p.give(event::BfdClear{}).expect({"clear path", "connect", "set connect_retry to 10s"});
    back(p, c, theirs());
  }
  // Nor has it made other falls dearer.
  p.give(event::Closed{19, ""});
  EXPECT_TRUE(p.did("set idle_hold to 0.75s"));
}

TEST(Path, that_is_dead_is_neither_tried_nor_accepted) {
  Play p;
  p.reach();
  p.give(kDead).expect(idle);
  EXPECT_THAT(p.session.down().words, HasSubstr("control detection time expired"));
  p.give(event::Reachable{}).expect(std::vector<std::string>{});
  p.give(event::Connected{2, false}).expect({"send NOTIFICATION 6/5 on 2", "close 2"}).expect(idle);
  EXPECT_THAT(p.pass(1s), IsEmpty());
  EXPECT_EQ(p.session.down().kind, Kind::bfd_down);
}

TEST(Path, of_a_peer_that_begins_bfd_only_when_bgp_is_up_is_tried_after_a_moment) {
  Play p;
  p.reach();
  p.give(kDead);
  EXPECT_THAT(p.pass(2s), ElementsAre("connect", "set connect_retry to 10s"));
  back(p, 2, theirs());
  p.give(event::BfdClear{}).expect(std::vector<std::string>{}).expect(established);
  p.give(kDead).expect(idle);
  EXPECT_TRUE(p.did("set path to 4s")) << "a failure counts as much when BFD came later";
}

TEST(Path, that_fails_again_and_again_is_left_alone_for_longer_until_a_session_stood) {
  Play p;
  p.reach();
  ConnectionId c = 2;
  for (const char* held : {"2s", "4s", "8s", "16s", "30s", "30s"}) {
    p.give(kDead);
    EXPECT_TRUE(p.did(std::string("set path to ") + held)) << held;
    p.give(event::BfdClear{});
    back(p, c++, theirs());
  }
  for (int i = 0; i < 6; ++i) {
    p.pass(10s);
    p.give(event::Received{c - 1, Keepalive{}});
  }
  p.give(kDead);
  EXPECT_TRUE(p.did("set path to 2s"));
}

TEST(Path, of_a_passive_session_lets_the_peer_in_when_it_is_back) {
  SessionConfig c = ours();
  c.passive = true;
  Play p(c);
  p.give(event::Start{});
  p.give(kDead).expect({"set path to 2s"});
  p.give(event::Connected{1, false}).expect({"send NOTIFICATION 6/5 on 1", "close 1"});
  p.give(event::BfdClear{}).expect({"clear path"}).expect(active);
  p.give(event::Connected{2, false}).expect(open_sent);
}

TEST(Path, that_is_dead_already_when_the_session_starts_holds_it_back) {
  Play p;
  p.give(kDead).expect(std::vector<std::string>{});
  p.give(event::Start{}).expect({"set path to 2s"}).expect(idle);
  p.give(event::BfdClear{}).expect({"clear path", "connect", "set connect_retry to 10s"});
}

TEST(Path, that_is_back_does_not_shorten_a_wait_that_has_another_reason) {
  Play p;
  p.reach();
  p.give(event::Reset{cease_of(1), "too many prefixes", 60s});
  p.give(kDead).expect(std::vector<std::string>{});
  p.give(event::BfdClear{}).expect(std::vector<std::string>{});
  EXPECT_THAT(p.pass(59s), IsEmpty());
  EXPECT_THAT(p.pass(1s), Contains("connect"));
}

TEST(Path, an_attempt_that_hangs_in_the_back_off_of_the_kernel_begins_anew_when_it_is_back) {
  Play p;
  p.reach();
  p.give(kDead);
  p.pass(2s);
  p.pass(4s);  // SYNs go nowhere
  p.expect(connect);
  p.give(event::BfdClear{}).expect({"clear connect_retry", "abandon connect", "connect", "set connect_retry to 10s"});
}

TEST(PathInRestart, that_is_dead_ends_the_wait_for_the_peer) {
  // A node that dies closes its connections first: TCP says "perhaps a restart", then BFD falls silent.
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.pass(1s);
  p.give(event::Closed{1, "connection reset"});
  EXPECT_TRUE(p.did("down: connection_lost" + kRetained));
  p.give(kDead);
  EXPECT_TRUE(p.did("flush stale ipv4/unicast") && p.did("flush stale ipv6/unicast") && p.did("clear restart"));
  EXPECT_THAT(p.session.stale(), IsEmpty());
}

TEST(PathInRestart, that_is_dead_before_tcp_ends_leaves_nothing_either) {
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.give(kDead);
  EXPECT_TRUE(p.did("down: bfd_down") && p.did("send NOTIFICATION 6/9(6/10) on 1"));
  EXPECT_THAT(p.session.stale(), IsEmpty());
  p.give(event::Closed{1, ""}).expect(std::vector<std::string>{});
}

TEST(PathInRestart, with_the_c_bit_clear_is_taken_for_a_restart_of_the_control_plane) {
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.give(kPerhaps).expect({"clear hold 1", "clear keepalive 1", "close 1", "set restart to 120s",
                           "down: bfd_down" + kRetained, "connect", "set connect_retry to 10s"});
  EXPECT_THAT(p.session.down().words, HasSubstr("control detection time expired"));
  back(p, 2, theirs_with_restart());
  p.give(event::Received{2, end_of_rib(kIpv4Unicast)});
  p.give(event::Received{2, end_of_rib(kIpv6Unicast)});
  EXPECT_THAT(p.session.stale(), IsEmpty());
}

TEST(PathInRestart, with_the_c_bit_clear_does_not_disturb_a_restart_that_is_under_way) {
  // The peer is back before our detection time is over, and its new BFD session takes the old one down.
  Play p(ours_with_restart());
  p.reach(established, theirs_with_restart());
  p.pass(1s);
  p.give(event::Closed{1, "connection reset"});
  p.give(kPerhaps).expect(std::vector<std::string>{});
  p.pass(1s);
  back(p, 2, theirs_with_restart());
  p.give(kPerhaps).expect(std::vector<std::string>{}).expect(established);
  EXPECT_THAT(p.session.stale(), Not(IsEmpty()));
  p.give(event::Received{2, end_of_rib(kIpv4Unicast)});
  p.give(event::Received{2, end_of_rib(kIpv6Unicast)});
  p.give(kPerhaps);  // over: this is another one
  EXPECT_TRUE(p.did("down: bfd_down" + kRetained));
}

}  // namespace
}  // namespace weft::bgp::fsm
