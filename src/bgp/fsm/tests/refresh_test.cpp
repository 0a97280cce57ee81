// The peer sends its routes again, and says where that begins and ends (RFC 7313).
#include <malloc.h>

#include "play.h"

namespace weft::bgp::fsm {
namespace {

using enum SessionState;
using testing::Contains;
using testing::Not;
using Subtype = RouteRefresh::Subtype;
using Lines = std::vector<std::string>;

Open enhanced(Open open) {
  open.capabilities.enhanced_route_refresh = true;
  return open;
}
Event says(Subtype what, AfiSafi family = kIpv4Unicast) { return event::Received{1, RouteRefresh{family, what}}; }

/// Silence without keepalives would end the session by its hold timer.
std::vector<std::string> pass(Play& p, Duration span) {
  std::vector<std::string> all;
  for (; span > 0s; span -= 20s) {
    for (auto& l : p.pass(std::min<Duration>(span, 20s))) all.push_back(std::move(l));
    p.give(event::Received{1, Keepalive{}});
  }
  return all;
}

TEST(Refresh, that_the_peer_ends_sweeps_what_it_did_not_send_again) {
  Play p;
  p.reach(established, enhanced(theirs()));
  p.give(says(Subtype::begin)).expect({"set refresh 1 to 360s", "refresh ipv4/unicast 1"});
  p.give(event::Received{1, some_update()}).expect({"deliver"});
  p.give(says(Subtype::end)).expect({"clear refresh 1", "refresh ipv4/unicast 2"});
}

TEST(Refresh, that_the_peer_never_ends_is_over_after_a_bounded_time) {
  Play p;
  p.reach(established, enhanced(theirs()));
  p.give(says(Subtype::begin));
  EXPECT_THAT(pass(p, 340s), Not(Contains("flush unrefreshed ipv4/unicast")));
  EXPECT_THAT(pass(p, 20s), Contains("flush unrefreshed ipv4/unicast"));
  p.expect(established);
  p.give(says(Subtype::end)).expect(Lines{});  // it is over already
}

TEST(Refresh, of_each_family_has_its_own_time) {
  Play p;
  p.reach(established, enhanced(theirs()));
  p.give(says(Subtype::begin, kIpv4Unicast));
  pass(p, 100s);
  p.give(says(Subtype::begin, kIpv6Unicast)).expect({"refresh ipv6/unicast 1"});
  pass(p, 100s);
  p.give(says(Subtype::begin, kIpv4Unicast));  // again, from the start
  EXPECT_TRUE(p.did("set refresh 1 to 260s")) << "now IPv6 is the first to be due";
  EXPECT_THAT(pass(p, 260s), Contains("flush unrefreshed ipv6/unicast"));
  EXPECT_THAT(pass(p, 100s), Contains("flush unrefreshed ipv4/unicast"));
  EXPECT_FALSE(p.session.timers().contains({Timer::Kind::refresh, 1}));
}

TEST(Refresh, ends_with_the_session) {
  Play p;
  p.reach(established, enhanced(theirs()));
  p.give(says(Subtype::begin));
  p.give(event::Closed{1, ""});
  EXPECT_TRUE(p.did("clear refresh 1"));
}

TEST(Refresh, of_a_peer_with_graceful_restart_begins_after_its_end_of_rib) {
  Play p(ours_with_restart());
  p.reach(established, enhanced(theirs_with_restart()));
  p.give(says(Subtype::begin)).expect({"ignored"});
  p.give(says(Subtype::end)).expect(Lines{});
  p.give(event::Received{1, end_of_rib(kIpv4Unicast)});
  p.give(says(Subtype::begin)).expect({"set refresh 1 to 360s", "refresh ipv4/unicast 1"});
  p.give(says(Subtype::begin, kIpv6Unicast)).expect({"ignored"});
}

TEST(EndOfRib, said_a_million_times_costs_no_memory) {
  Session session(ours(), [] { return 0.0; });
  const auto give = [&](Event e) { return session.on(std::move(e), Steady::time_point{1h}); };
  for (Event e : std::vector<Event>{event::Start{}, event::Connected{1, true}, event::Received{1, theirs()},
                                    event::Received{1, Keepalive{}}})
    (void)give(std::move(e));
  ASSERT_EQ(session.state(), established);
  const auto in_use = [] {
    const auto now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  const std::size_t before = in_use();
  for (int i = 0; i < 1'000'000; ++i) ASSERT_EQ(give(event::Received{1, end_of_rib(kIpv4Unicast)}).size(), 1u);
  EXPECT_LT(in_use(), before + std::size_t{256} * 1024);
}

}  // namespace
}  // namespace weft::bgp::fsm
