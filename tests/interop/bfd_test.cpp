// BFD with FRR's bfdd, alone and together with graceful restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/interop/subject.h"

namespace weft::interop {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

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
  // The hold time is 90 s: only BFD can be this quick.
  const bool graceful = GetParam();
  Pair pair(watched(graceful ? std::optional(120u) : std::nullopt, false));
  bring_up(pair);
  cut({pair.host_a, "wire", {}});
  const auto begin = Clock::now();
  EXPECT_TRUE(gone(*pair.b, kRoute, 15s)) << frr_bfd(pair) << logs(pair);
  EXPECT_LT(Clock::now() - begin, 15s);
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

TEST_P(BfdAndRestart, a_dead_node_does_not_keep_its_routes) {
  Pair pair(watched(120, GetParam()));
  bring_up(pair);
  // Nothing is heard of a dead node any more; FRR would take a connection that is closed for a restart.
  cut({pair.host_a, "wire", {}});
  EXPECT_TRUE(gone(*pair.b, kRoute, 15s)) << frr_bfd(pair) << logs(pair);
}

TEST_P(Bfd, our_side_drops_a_dead_peer_and_its_routes) {
  // FRR's BFD says that it does not depend on bgpd (the C bit) when it is told to check the same of ours. Without that,
  // the end of BFD may be a restart of the peer, and graceful restart keeps its routes (RFC 5882 §4.3).
  auto o = watched(GetParam() ? std::optional(120u) : std::nullopt, GetParam());
  o.routes_b = {{.prefix = "198.51.100.0/24"}};
  Pair pair(o);
  bring_up(pair);
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24"));
  cut({pair.host_b, "wire", {}});
  EXPECT_TRUE(not_established(*pair.a, 15s)) << logs(pair);
  EXPECT_TRUE(gone(*pair.a, "198.51.100.0/24", 15s)) << logs(pair);
  EXPECT_TRUE(says(*pair.a, "BFD")) << pair.a->peer().raw;
  mend({pair.host_b, "wire", {}});
}

// A router takes single hop for an internal neighbour in its own network.
class InternalPeer : public ::testing::TestWithParam<Family> {};

TEST_P(InternalPeer, on_the_link_is_watched_and_its_death_noticed) {
  auto o = watched(std::nullopt, false);
  o.asn_b = o.asn_a;
  o.transport = GetParam();
  Pair pair(o);
  bring_up(pair);
  cut({pair.host_a, "wire", {}});
  EXPECT_TRUE(gone(*pair.b, kRoute, 15s)) << frr_bfd(pair) << logs(pair);
  EXPECT_TRUE(not_established(*pair.a, 15s)) << logs(pair);
  EXPECT_TRUE(says(*pair.a, "BFD")) << pair.a->peer().raw;
}

std::string yes_or_no(const ::testing::TestParamInfo<bool>& info) { return info.param ? "yes" : "no"; }
INSTANTIATE_TEST_SUITE_P(Over, InternalPeer, ::testing::Values(Family::v4, Family::v6), family_name);
INSTANTIATE_TEST_SUITE_P(Graceful, Bfd, ::testing::Bool(), yes_or_no);
INSTANTIATE_TEST_SUITE_P(CheckControlPlane, BfdAndRestart, ::testing::Bool(), yes_or_no);

}  // namespace
}  // namespace weft::interop
