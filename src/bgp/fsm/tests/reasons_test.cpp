// Why a session is not up, in words that name the mend.
#include "bgp/fsm/words.h"
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string received(ErrorCode code, std::uint8_t subcode) {
  return explain_received({code, subcode, {}}, make_open(ours(), true));
}

TEST(Words, of_a_notification_from_the_peer_name_the_mend_here_or_there) {
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kBadPeerAs),
              HasSubstr("it does not expect our AS 65001: set its remote-as to 65001, or localASN"));
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kBadIdentifier), HasSubstr("our router id 10.0.0.1"));
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kUnacceptableHoldTime), HasSubstr("holdTimeSeconds"));
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kUnsupportedCapability), HasSubstr("address family"));
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kUnsupportedVersion), HasSubstr("BGP-4"));
  EXPECT_THAT(received(ErrorCode::open_message, open_error::kUnsupportedParameter), HasSubstr("capabilities"));
  EXPECT_THAT(received(ErrorCode::hold_timer_expired, 0), HasSubstr("overloaded"));
  EXPECT_THAT(received(ErrorCode::update_message, 1), HasSubstr("report"));
  EXPECT_THAT(received(ErrorCode::cease, cease::kMaxPrefixes), HasSubstr("raise its limit"));
  EXPECT_THAT(received(ErrorCode::cease, cease::kPeerDeconfigured), HasSubstr("no longer has us"));
  EXPECT_THAT(received(ErrorCode::cease, cease::kConnectionRejected), HasSubstr("is this node's address a neighbor"));
  EXPECT_THAT(received(ErrorCode::cease, cease::kBfdDown), HasSubstr("BFD"));
}

TEST(Words, cover_every_code_and_subcode_there_is_and_those_there_are_not) {
  for (int code = 0; code < 12; ++code)
    for (int subcode = 0; subcode < 14; ++subcode) {
      const Notification n{static_cast<ErrorCode>(code), static_cast<std::uint8_t>(subcode), {}};
      EXPECT_THAT(explain_received(n, make_open(ours(), true)), HasSubstr("the peer sent "));
      EXPECT_THAT(explain_sent(n), HasSubstr("we sent "));
    }
}

TEST(Words, carry_the_text_of_the_operator_over_there) {
  const auto n = Notification::shutdown(cease::kAdminShutdown, "maintenance until noon");
  EXPECT_THAT(explain_received(n, {}), HasSubstr("maintenance until noon"));
  EXPECT_THAT(explain_received(Notification::hard_reset(n), {}), HasSubstr("maintenance until noon"));
}

TEST(Words, of_a_hard_reset_are_about_what_it_carries) {
  EXPECT_THAT(explain_received(Notification::hard_reset(cease_of(cease::kMaxPrefixes)), {}),
              HasSubstr("raise its limit"));
  EXPECT_THAT(explain_received(cease_of(cease::kHardReset), {}), HasSubstr("for good"));
  const auto nested = Notification::hard_reset(Notification::hard_reset(cease_of(2)));
  EXPECT_THAT(explain_received(nested, {}), HasSubstr("for good"));
}

TEST(Words, of_a_refused_open_stay_with_the_session) {
  Play p;
  p.reach(SessionState::open_sent);
  p.give(event::Received{1, theirs(64999)});
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::open_rejected);
  EXPECT_EQ(p.session.down().words, "their AS is 64999, 65000 is configured: set peerASN to 64999 or fix the router");
  EXPECT_EQ(p.session.down().notification->subcode, open_error::kBadPeerAs);
}

TEST(Words, of_an_open_that_cannot_be_read_name_what_is_wrong_with_it) {
  Play p;
  p.reach(SessionState::open_sent);
  p.give(event::ReceiveError{1, {ErrorCode::open_message, open_error::kUnacceptableHoldTime, {}}});
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::open_rejected);
  EXPECT_THAT(p.session.down().words, HasSubstr("0 or at least 3 s"));
}

TEST(Words, of_a_connection_that_the_peer_closes_early_point_at_its_configuration) {
  Play p;
  p.reach(SessionState::open_sent);
  p.give(event::Closed{1, "connection reset by peer"});
  EXPECT_THAT(p.session.down().words, HasSubstr("connection reset by peer: is this node's address a neighbor there?"));
}

TEST(Words, of_the_last_fall_are_there_while_the_session_is_up_again) {
  Play p;
  EXPECT_EQ(p.session.down().words, "not yet tried");
  p.reach();
  p.give(event::Received{1, cease_of(cease::kAdminReset)});
  p.pass(1s);
  p.give(event::Connected{2, true});
  p.give(event::Received{2, theirs()});
  p.give(event::Received{2, Keepalive{}});
  p.expect(SessionState::established);
  EXPECT_EQ(p.session.down().kind, DownReason::Kind::notification_received);
}

TEST(Words, of_a_silent_peer_differ_before_and_after_its_open) {
  Play before;
  before.reach(SessionState::open_sent);
  before.pass(241s);
  EXPECT_THAT(before.session.down().words, HasSubstr("no OPEN from the peer in 240 s"));
  Play after;
  after.reach(SessionState::open_confirm);
  after.now += 90s;
  after.give(event::TimerFired{{Timer::Kind::hold, 1}});
  EXPECT_THAT(after.session.down().words, HasSubstr("nothing heard from the peer for 90 s"));
}

}  // namespace
}  // namespace weft::bgp::fsm
