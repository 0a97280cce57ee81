// Graceful restart in both roles (RFC 4724, 8538). With BFD: path_test.cpp.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using enum SessionState;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using Kind = DownReason::Kind;

/// Up with graceful restart on both sides, and forgiven when it falls.
Play& up(Play& p, const Open& open = theirs_with_restart()) {
  p.reach(established, open);
  for (int i = 0; i < 3; ++i) {
    p.pass(30s);
    p.give(event::Received{1, Keepalive{}});
  }
  return p;
}

TEST(Helper, keeps_the_routes_of_a_peer_that_restarts_until_it_has_sent_them_again) {
  Play p(ours_with_restart());
  up(p)
      .give(event::Closed{1, "connection reset"})
      .expect({"clear hold 1", "clear keepalive 1", "set restart to 120s", "down: connection_lost" + kRetained,
               "connect", "set connect_retry to 10s"});
  EXPECT_EQ(find<action::Down>(p.actions)->restart_time, 120s);
  EXPECT_THAT(p.session.stale(), ElementsAre(kIpv4Unicast, kIpv6Unicast));
  Open again = theirs_with_restart();
  again.capabilities.graceful_restart->restarting = true;
  p.give(event::Connected{2, true});
  p.give(event::Received{2, again});
  p.give(event::Received{2, Keepalive{}}).expect({"clear restart", "set stale to 360s", "established on 2"});
  EXPECT_TRUE(p.session.negotiated()->peer_restart->restarting) << "it waits for our End-of-RIB";
  p.give(event::Received{2, some_update()}).expect({"deliver"});
  p.give(event::Received{2, end_of_rib(kIpv4Unicast)}).expect({"end of rib ipv4/unicast", "flush stale ipv4/unicast"});
  p.give(event::Received{2, end_of_rib(kIpv6Unicast)})
      .expect({"end of rib ipv6/unicast", "flush stale ipv6/unicast", "clear stale"});
  p.give(event::Received{2, end_of_rib(kIpv6Unicast)}).expect({"end of rib ipv6/unicast"});
}

TEST(Helper, drops_them_when_the_peer_does_not_come_back) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  p.pass(119s);
  EXPECT_THAT(p.session.stale(), Not(IsEmpty()));
  const auto done = p.pass(1s);
  EXPECT_THAT(done, Contains("flush stale ipv4/unicast"));
  EXPECT_THAT(done, Contains("flush stale ipv6/unicast"));
  EXPECT_THAT(p.session.stale(), IsEmpty());
}

TEST(Helper, drops_them_when_the_peer_comes_back_and_never_says_end_of_rib) {
  SessionConfig c = ours_with_restart();
  c.stale_time = 80s;
  Play p(c);
  up(p).give(event::Closed{1, ""});
  back(p, 2, theirs_with_restart());
  p.give(event::Received{2, end_of_rib(kIpv6Unicast)});
  EXPECT_THAT(p.pass(79s), Not(Contains("flush stale ipv4/unicast")));
  EXPECT_THAT(p.pass(1s), Contains("flush stale ipv4/unicast"));
  p.expect(established);
}

TEST(Helper, drops_a_family_at_once_when_the_peer_lost_its_forwarding_state) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  Open again = theirs_with_restart();
  again.capabilities.graceful_restart->families[1].forwarding = false;
  p.give(event::Connected{2, true});
  p.give(event::Received{2, again});
  p.give(event::Received{2, Keepalive{}})
      .expect({"clear restart", "flush stale ipv6/unicast", "set stale to 360s", "established on 2"});
}

TEST(Helper, drops_all_when_the_peer_comes_back_without_graceful_restart) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  p.give(event::Connected{2, true});
  p.give(event::Received{2, theirs()});
  p.give(event::Received{2, Keepalive{}})
      .expect({"clear restart", "flush stale ipv4/unicast", "flush stale ipv6/unicast", "established on 2"});
}

TEST(Helper, drops_a_family_that_is_no_longer_negotiated) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  Open again = theirs_with_restart();
  again.capabilities.families = {kIpv4Unicast};
  p.give(event::Connected{2, true});
  p.give(event::Received{2, again});
  p.give(event::Received{2, Keepalive{}});
  EXPECT_TRUE(p.did("flush stale ipv6/unicast"));
  EXPECT_FALSE(p.did("flush stale ipv4/unicast"));
}

TEST(Helper, of_rfc_8538_keeps_what_was_stale_already_when_the_peer_restarts_again_but_not_for_ever) {
  SessionConfig c = ours_with_restart();
  c.stale_time = 180s;
  Play p(c);
  up(p).give(event::Closed{1, ""});
  p.give(event::Connected{2, true});
  ConnectionId id = 2;
  Duration spent{};
  // It crashes again and again before it has sent its routes.
  for (; spent < 179s; spent += 30s) {
    p.give(event::Received{id, theirs_with_restart()});
    p.give(event::Received{id, Keepalive{}}).expect(established);
    EXPECT_EQ(p.did("set stale to 180s"), spent == 0s) << "one bound for all its restarts";
    ASSERT_THAT(p.session.stale(), ElementsAre(kIpv4Unicast, kIpv6Unicast)) << spent.count();
    p.pass(20s);
    p.give(event::Closed{id, ""});
    EXPECT_FALSE(p.did("flush stale ipv6/unicast"));
    p.pass(10s);
    p.give(event::Start{});
    if (p.session.state() != connect) p.give(event::Reachable{});
    p.give(event::Connected{++id, true});
  }
  EXPECT_THAT(p.session.stale(), IsEmpty());
}

TEST(Helper, of_rfc_8538_bounds_each_family_from_its_own_return) {
  SessionConfig c = ours_with_restart();
  c.stale_time = 100s;
  Play p(c);
  up(p).give(event::Closed{1, ""});
  back(p, 2, theirs_with_restart());
  p.give(event::Received{2, end_of_rib(kIpv4Unicast)});
  p.pass(60s);
  p.give(event::Received{2, Keepalive{}});
  p.give(event::Closed{2, ""});  // IPv4 was fresh, IPv6 was stale already
  const auto away = p.pass(40s);
  EXPECT_THAT(away, Contains("flush stale ipv6/unicast"));
  EXPECT_THAT(p.session.stale(), ElementsAre(kIpv4Unicast)) << "its restart time is not over";
  EXPECT_THAT(p.pass(80s), Contains("flush stale ipv4/unicast"));
  EXPECT_THAT(p.session.stale(), IsEmpty());
}

TEST(Helper, of_rfc_4724_drops_what_was_stale_already_when_the_peer_restarts_again) {
  Play p(ours_with_restart());
  up(p, theirs_with_restart(false)).give(event::Closed{1, ""});
  back(p, 2, theirs_with_restart(false));
  p.give(event::Received{2, end_of_rib(kIpv4Unicast)});
  p.give(event::Closed{2, ""})
      .expect({"clear hold 2", "clear keepalive 2", "flush stale ipv6/unicast", "clear stale", "set restart to 120s",
               "down: connection_lost" + kRetained, "set idle_hold to 0.75s"});
}

TEST(Helper, keeps_nothing_for_a_peer_that_only_helps) {
  Play p(ours_with_restart());
  Open helper = theirs_with_restart();
  helper.capabilities.graceful_restart->families.clear();
  up(p, helper).give(event::Closed{1, ""});
  EXPECT_TRUE(p.did("down: connection_lost"));
}

TEST(Helper, keeps_nothing_when_graceful_restart_is_off_here) {
  Play p;
  up(p).give(event::Closed{1, ""});
  EXPECT_TRUE(p.did("down: connection_lost"));
}

TEST(Helper, meets_the_peer_on_a_new_connection_while_the_old_one_still_looks_alive) {
  Play p(ours_with_restart());
  up(p).give(event::Connected{2, false}).expect({"set hold 2 to 240s"});
  p.give(event::Received{2, theirs_with_restart()})
      .expect({"clear hold 1", "clear keepalive 1", "close 1", "set restart to 120s",
               "down: connection_lost" + kRetained, "send OPEN as 65001 hold 90 on 2", "set hold 2 to 90s",
               "send KEEPALIVE on 2", "set keepalive 2 to 22.5s"})
      .expect(open_confirm);
  p.give(event::Received{2, Keepalive{}}).expect({"clear restart", "set stale to 360s", "established on 2"});
}

TEST(Helper, keeps_routes_through_failed_attempts_in_between) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  p.give(event::ConnectFailed{DownReason::Kind::connect_failed, "refused"});
  p.pass(2s);
  p.give(event::Connected{2, true});
  p.give(event::Closed{2, ""});
  EXPECT_THAT(p.session.stale(), Not(IsEmpty()));
  p.give(event::Start{});
  back(p, 3, theirs_with_restart());
  EXPECT_THAT(p.session.stale(), ElementsAre(kIpv4Unicast, kIpv6Unicast));
}

struct Ending {
  std::string what;
  Event event;
  bool kept_with_8538;
  bool kept_without;
  std::string sent;  // with RFC 8538; empty: nothing
  Duration after{};
};

TEST(Helper, what_each_ending_does_to_the_routes_of_the_peer) {
  const auto in = [](Message m) { return event::Received{1, std::move(m)}; };
  const Notification bad_update{ErrorCode::update_message, update_error::kMalformedAttributes, {}};
  const std::vector<Ending> endings{
      {"TCP lost", event::Closed{1, ""}, true, true, ""},
      {"hold timer", event::TimerFired{{Timer::Kind::hold, 1}}, true, false, "4/0", 100s},
      {"Cease/2 received", in(cease_of(2)), true, false, ""},
      {"Hard Reset received", in(Notification::hard_reset(cease_of(2))), false, false, ""},
      {"UPDATE error received", in(bad_update), true, false, ""},
      {"UPDATE error sent", event::ReceiveError{1, bad_update}, true, false, "3/1"},
      {"OPEN in established", in(theirs()), true, false, "5/3"},
      {"operator's reset", event::Reset{cease_of(4), "", {}}, true, false, "6/4"},
      {"configuration", event::Reset{cease_of(6), "", {}}, true, false, "6/6"},
      {"out of resources", event::Reset{cease_of(8), "", {}}, false, false, "6/9(6/8)"},
      {"too many prefixes", event::Reset{cease_of(1), "", 60s}, false, false, "6/9(6/1)"},
      {"shutdown", event::Stop{cease_of(2), ""}, false, false, "6/9(6/2)"},
      {"deconfigured", event::Stop{cease_of(3), ""}, false, false, "6/9(6/3)"},
      {"BFD, C set", event::BfdDown{true, ""}, false, false, "6/9(6/10)"},
      {"BFD, C clear", event::BfdDown{false, ""}, true, true, ""},
  };
  for (const Ending& e : endings)
    for (const bool notification : {true, false}) {
      SCOPED_TRACE(e.what + (notification ? " with" : " without") + std::string(" RFC 8538"));
      Play p(ours_with_restart());
      p.reach(established, theirs_with_restart(notification));
      p.now += e.after;
      p.give(e.event);
      const auto* down = find<action::Down>(p.actions);
      ASSERT_TRUE(down);
      EXPECT_EQ(!down->retain.empty(), notification ? e.kept_with_8538 : e.kept_without);
      EXPECT_EQ(p.session.stale(), down->retain);
      const auto* sent = find<action::Send>(p.actions);
      ASSERT_EQ(sent != nullptr, !e.sent.empty());
      if (!sent) continue;
      if (notification) {
        EXPECT_EQ(describe(sent->message), "NOTIFICATION " + e.sent);
      } else {
        EXPECT_EQ(describe(sent->message).find("6/9"), std::string::npos) << "a Hard Reset that nobody agreed on";
      }
    }
}

TEST(Restarting, says_so_until_it_was_up_once_and_leaves_without_a_word) {
  SessionConfig c = ours_with_restart();
  c.restarting = true;
  c.preserved = {kIpv4Unicast, kIpv6Unicast};
  Play p(c);
  p.give(event::Start{});
  const auto restart_of_open = [&] {
    const auto* sent = find<action::Send>(p.actions);
    return sent ? std::get<Open>(sent->message).capabilities.graceful_restart.value() : GracefulRestart{};
  };
  p.give(event::Connected{1, true});
  EXPECT_TRUE(restart_of_open().restarting);
  p.give(event::Closed{1, ""});  // not up yet: the next OPEN still says it
  p.pass(1s);
  p.give(event::Connected{2, true});
  EXPECT_TRUE(restart_of_open().restarting);
  p.give(event::Received{2, theirs_with_restart()});
  p.give(event::Received{2, Keepalive{}}).expect({"established on 2"});
  p.give(event::Closed{2, ""});
  p.pass(2s);
  p.give(event::Connected{3, true});
  EXPECT_FALSE(restart_of_open().restarting);
  EXPECT_THAT(restart_of_open().families,
              ElementsAre(GracefulRestart::Tuple{kIpv4Unicast, true}, GracefulRestart::Tuple{kIpv6Unicast, true}));
  p.give(event::Received{3, theirs_with_restart()});
  p.give(event::Received{3, Keepalive{}});
  p.give(event::Stop{std::nullopt, "the agent restarts"});
  EXPECT_TRUE(p.did("close 3") && p.did("down: admin" + kRetained));
  for (const auto& l : p.lines()) EXPECT_EQ(l.find("send"), std::string::npos) << l;
  EXPECT_TRUE(p.session.timers().empty());
}

TEST(Restarting, says_so_only_as_long_as_somebody_may_have_waited_for_it) {
  for (const bool late : {false, true}) {
    SessionConfig c = ours_with_restart();
    c.restarting = true;
    c.preserved = {kIpv4Unicast, kIpv6Unicast};
    c.restart_over = Steady::time_point(1h) + 120s;  // from when Play begins
    Play p(c);
    p.give(event::Start{});
    p.pass(late ? 121s : 119s);
    p.give(event::Connected{1, false});
    const auto* sent = find<action::Send>(p.actions);
    ASSERT_NE(sent, nullptr);
    const auto& offer = std::get<Open>(sent->message).capabilities.graceful_restart.value();
    EXPECT_EQ(offer.restarting, !late);
    for (const auto& family : offer.families) EXPECT_EQ(family.forwarding, !late);
  }
}

TEST(Helper, shutting_down_in_the_middle_of_the_peers_restart_drops_its_routes) {
  Play p(ours_with_restart());
  up(p).give(event::Closed{1, ""});
  p.give(event::Stop{cease_of(3), "removed"})
      .expect({"clear connect_retry", "abandon connect", "flush stale ipv4/unicast", "flush stale ipv6/unicast",
               "clear restart"});
}

TEST(Helper, a_day_of_restarts_loses_nothing_and_leaves_nothing_behind) {
  Play p(ours_with_restart());
  p.give(event::Start{});
  for (ConnectionId c = 1; c <= 24 * 12; ++c) {  // one every five minutes
    for (int tries = 0; p.session.state() != connect && tries < 10; ++tries) p.pass(1s);
    back(p, c, theirs_with_restart());
    p.give(event::Received{c, end_of_rib(kIpv4Unicast)});
    p.give(event::Received{c, end_of_rib(kIpv6Unicast)});
    ASSERT_THAT(p.session.stale(), IsEmpty());
    for (int i = 0; i < 9; ++i) {
      p.pass(30s);
      p.give(event::Received{c, Keepalive{}});
    }
    p.give(event::Closed{c, "restart"});
    ASSERT_TRUE(p.did("down: connection_lost" + kRetained));
    p.give(event::ConnectFailed{Kind::connect_failed, "refused"});
    const auto done = p.pass(3s);
    ASSERT_THAT(done, Not(Contains("flush stale ipv4/unicast")));
  }
}

}  // namespace
}  // namespace weft::bgp::fsm
