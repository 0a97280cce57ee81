// BFD with FRR's bfdd, alone and together with graceful restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/interop/subject.h"

namespace weft::interop {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRoute = "192.0.2.0/24";

std::string family_name(const ::testing::TestParamInfo<Family>& info) { return info.param == Family::v4 ? "v4" : "v6"; }

PairOptions watched(std::optional<unsigned> restart, bool check_control_plane_failure) {
  return {.a = subject(),
          .b = Kind::frr,
          .tune =
              [=](PeerSpec& a, PeerSpec& b) {
                for (PeerSpec* p : {&a, &b}) {
                  p->graceful_restart = restart;
                  p->hold_time = 90;
                  p->keepalive = 30;
                }
                // 3 x 300 ms: a machine that is busy with other work must not look like a dead one.
                a.bfd = BfdSpec{.interval_ms = 300, .multiplier = 3};
                b.bfd = BfdSpec{
                    .interval_ms = 300, .multiplier = 3, .check_control_plane_failure = check_control_plane_failure};
              },
          .routes_a = {{.prefix = kRoute}}};
}

std::string frr_bfd(const Pair& pair) { return pair.host_b.run({"vtysh", "-c", "show bfd peers json"}).out; }

::testing::AssertionResult bfd_is(const Pair& pair, const std::string& status) {
  return eventually(kPatience, "FRR's BFD session is " + status, [&] {
    const auto said = frr_bfd(pair);
    return Seen{said.find("\"status\":\"" + status + "\"") != std::string::npos, said};
  });
}

void bring_up(Pair& pair) {
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(bfd_is(pair, "up")) << logs(pair);
  ASSERT_TRUE(learned(*pair.b, kRoute)) << logs(pair);
}

// Without graceful restart, and with it.
class Bfd : public ::testing::TestWithParam<bool> {};
// With graceful restart; FRR without its check-control-plane-failure, and with it.
class BfdAndRestart : public ::testing::TestWithParam<bool> {};

TEST_P(Bfd, a_node_that_dies_is_gone_long_before_the_hold_time) {
  // The hold time is 90 s and the link stays up: only BFD can be this quick.
  const bool graceful = GetParam();
  Pair pair(watched(graceful ? std::optional(120u) : std::nullopt, false));
  bring_up(pair);
  cut({pair.host_b, "wire", {}});
  EXPECT_TRUE(gone(*pair.b, kRoute, 15s)) << frr_bfd(pair) << logs(pair);
  EXPECT_TRUE(says(*pair.b, "BFD")) << pair.b->peer().raw;
}

TEST_P(BfdAndRestart, a_restart_of_the_speaker_loses_nothing_while_bfd_lives_on) {
  Pair pair(watched(120, GetParam()));
  bring_up(pair);
  const auto dropped = [&] { return !pair.b->routes().contains(kRoute); };
  pair.a->kill();
  ASSERT_TRUE(not_established(*pair.b)) << logs(pair);
  EXPECT_TRUE(e2e::always(2s, "the route stays", [&] { return Seen{!dropped(), frr_bfd(pair) + logs(pair)}; }));
  pair.a->start(true);
  ASSERT_TRUE(eventually(kPatience, "the session is back and the route was there all the time", [&] {
    EXPECT_FALSE(dropped()) << frr_bfd(pair) << logs(pair);
    return Seen{pair.b->peer().established(), pair.b->peer().raw};
  }));
  EXPECT_TRUE(e2e::always(2s, "the route stays", [&] { return Seen{!dropped(), frr_bfd(pair) + logs(pair)}; }));
}

// That a dead node does not keep its routes under graceful restart is asked above (Bfd), of an FRR without
// check-control-plane-failure. With it, FRR before its change 15738 (2024) looks for the C bit at the place of the F
// bit, takes every neighbour for one whose BFD shares the fate of its control plane, and does not believe BFD at all.
TEST(BfdAndRestartOfFrr84, a_router_that_reads_the_wrong_bit_hears_of_no_death) {
  Pair pair(watched(120, true));
  bring_up(pair);
  // What the last packet said counts: the Finals that come with the session's intervals are over.
  const auto heard = [&] {
    const auto all = parse_json(pair.host_b.must({"vtysh", "-c", "show bfd peers counters json"}), "BFD counters");
    return all.as_array().empty() ? 0 : number_at(all.as_array().front(), {"control-packet-input"});
  };
  const auto first = heard();
  ASSERT_TRUE(eventually(kPatience, "FRR hears ten more packets", [&] {
    const auto now = heard();
    return Seen{now >= first + 10, std::to_string(now)};
  }));
  cut({pair.host_b, "wire", {}});
  EXPECT_TRUE(bfd_is(pair, "down")) << logs(pair);
  EXPECT_TRUE(e2e::always(3s, "this FRR keeps session and route", [&] {
    return Seen{pair.b->peer().established() && pair.b->routes().contains(kRoute), frr_bfd(pair) + logs(pair)};
  })) << "a newer FRR? Then a dead node is gone with check-control-plane-failure, too: ask for that here";
}

// A session that ended as for a restart is no longer FRR's BFD's concern: hence the advice to drain before a reboot,
// and the Hard Reset of a node that shuts down (docs/bgp.md).
TEST(BfdAndRestartOfFrr84, a_node_that_dies_after_its_sessions_were_closed_leaves_its_routes_behind) {
  Pair pair(watched(120, false));
  bring_up(pair);
  pair.a->kill();
  ASSERT_TRUE(not_established(*pair.b)) << logs(pair);
  cut({pair.host_b, "wire", {}});
  EXPECT_TRUE(bfd_is(pair, "down")) << logs(pair);
  EXPECT_TRUE(e2e::always(3s, "this FRR keeps the route", [&] {
    return Seen{pair.b->routes().contains(kRoute), frr_bfd(pair) + logs(pair)};
  })) << "a newer FRR? Then say so in docs/bgp.md";
}

TEST_P(Bfd, our_side_drops_a_dead_peer_and_its_routes) {
  // FRR's BFD says that it does not depend on bgpd (the C bit) when it is told to check the same of ours. Without that,
  // the end of BFD may be a restart of the peer, and graceful restart keeps its routes (RFC 5882 §4.3).
  auto o = watched(GetParam() ? std::optional(120u) : std::nullopt, GetParam());
  o.routes_b = {{.prefix = "198.51.100.0/24"}};
  Pair pair(o);
  bring_up(pair);
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24"));
  cut({pair.host_a, "wire", {}});
  EXPECT_TRUE(not_established(*pair.a, 15s)) << logs(pair);
  EXPECT_TRUE(gone(*pair.a, "198.51.100.0/24", 15s)) << logs(pair);
  EXPECT_TRUE(says(*pair.a, "BFD")) << pair.a->peer().raw;
}

// BFD that ends in good order: no path failed (RFC 5882 §3.2). Weft is on trial here whoever the subject is.
class Farewell : public ::testing::TestWithParam<bool> {
 protected:
  Farewell() : pair(options()) {}
  static PairOptions options() {
    auto o = watched(GetParam() ? std::optional(120u) : std::nullopt, false);
    o.a = Kind::weft;
    o.routes_b = {{.prefix = "198.51.100.0/24"}};
    return o;
  }
  // Everything as before, and with BFD.
  void expect_back() {
    EXPECT_TRUE(both_established(pair));
    EXPECT_TRUE(bfd_is(pair, "up")) << logs(pair);
    EXPECT_TRUE(learned(*pair.b, kRoute)) << logs(pair);
  }
  // Neither side loses the session or a route.
  ::testing::AssertionResult untouched() {
    return e2e::always(3s, "the session and its routes stay", [&] {
      const auto a = pair.a->peer(), b = pair.b->peer();
      const bool stays = a.established() && b.established() && a.flaps == flaps_a && b.flaps == flaps_b &&
                         pair.b->routes().contains(kRoute) && pair.a->routes().contains("198.51.100.0/24");
      return Seen{stays, a.raw + "\n" + b.raw + "\n" + frr_bfd(pair) + logs(pair)};
    });
  }
  // Up with all routes, and what is counted from now on is news.
  ::testing::AssertionResult settled() {
    if (auto up = both_established(pair); !up) return up;
    if (auto theirs = learned(*pair.b, kRoute); !theirs) return theirs << logs(pair);
    if (auto ours = learned(*pair.a, "198.51.100.0/24"); !ours) return ours << logs(pair);
    flaps_a = pair.a->peer().flaps;
    flaps_b = pair.b->peer().flaps;
    return ::testing::AssertionSuccess();
  }
  void begin() {
    bring_up(pair);
    ASSERT_TRUE(settled());
  }

  Pair pair;
  std::uint64_t flaps_a = 0, flaps_b = 0;
};

TEST_P(Farewell, of_weft_bfd_costs_a_router_that_takes_it_for_a_failure_its_session) {
  begin();
  // The speaker stands still, so that what FRR makes of it stays to be seen.
  pair.a->pause();
  pair.a->stop_bfd();
  EXPECT_TRUE(not_established(*pair.b)) << frr_bfd(pair) << logs(pair);
  EXPECT_TRUE(says(*pair.b, "BFD"));
  EXPECT_TRUE(gone(*pair.b, kRoute)) << logs(pair);
  pair.a->resume();
  pair.a->start_bfd();
  expect_back();
}

TEST_P(Farewell, to_one_peer_costs_a_router_that_takes_it_for_a_failure_its_session) {
  begin();
  pair.a->without_bfd("peer");
  EXPECT_TRUE(eventually(kPatience, "FRR drops the session", [&] {
    const auto v = pair.b->peer();
    return Seen{v.flaps > flaps_b, v.raw};
  })) << logs(pair);
  EXPECT_TRUE(says(*pair.b, "BFD"));
  EXPECT_TRUE(both_established(pair));
  EXPECT_TRUE(learned(*pair.b, kRoute)) << logs(pair);
}

// FRR says Down when it stops or lets go of a session, and not AdminDown: nobody can tell that from a failure.
TEST_P(Farewell, of_the_router_comes_as_down_and_ours_costs_nothing_afterwards) {
  begin();
  pair.b->without_bfd("peer");
  EXPECT_TRUE(eventually(kPatience, "we drop the session", [&] {
    const auto v = pair.a->peer();
    return Seen{v.flaps > flaps_a, v.raw};
  })) << logs(pair);
  // Without graceful restart our side gives BFD half a minute to come back before it does without.
  ASSERT_TRUE(settled());
  pair.a->stop_bfd();
  EXPECT_TRUE(untouched());
  pair.a->start_bfd();
  pair.a->without_bfd("peer");
  EXPECT_TRUE(untouched());
}

TEST_P(Farewell, of_the_router_that_says_admin_down_costs_nothing) {
  begin();
  pair.host_b.must({"vtysh", "-c", "configure terminal", "-c", "bfd", "-c", "profile fast", "-c", "shutdown"});
  EXPECT_TRUE(bfd_is(pair, "shutdown"));
  EXPECT_TRUE(untouched());
}

// A router takes single hop for an internal neighbour in its own network.
class InternalPeer : public ::testing::TestWithParam<Family> {};

TEST_P(InternalPeer, on_the_link_is_watched_and_its_death_noticed) {
  auto o = watched(std::nullopt, false);
  o.asn_b = o.asn_a;
  o.transport = GetParam();
  Pair pair(o);
  bring_up(pair);
  for (Host* end : {&pair.host_a, &pair.host_b}) cut({*end, "wire", {}});
  EXPECT_TRUE(gone(*pair.b, kRoute, 15s)) << frr_bfd(pair) << logs(pair);
  EXPECT_TRUE(not_established(*pair.a, 15s)) << logs(pair);
  EXPECT_TRUE(says(*pair.a, "BFD")) << pair.a->peer().raw;
}

std::string yes_or_no(const ::testing::TestParamInfo<bool>& info) { return info.param ? "yes" : "no"; }
INSTANTIATE_TEST_SUITE_P(Over, InternalPeer, ::testing::Values(Family::v4, Family::v6), family_name);
INSTANTIATE_TEST_SUITE_P(Graceful, Farewell, ::testing::Bool(), yes_or_no);
INSTANTIATE_TEST_SUITE_P(Graceful, Bfd, ::testing::Bool(), yes_or_no);
INSTANTIATE_TEST_SUITE_P(CheckControlPlane, BfdAndRestart, ::testing::Bool(), yes_or_no);

}  // namespace
}  // namespace weft::interop
