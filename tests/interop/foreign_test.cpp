// The harness tried on pairs of foreign speakers: what it says of them is known good before ours is judged by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/interop/harness/pair.h"

namespace weft::interop {
namespace {

using ::testing::Combine;
using ::testing::ElementsAre;
using ::testing::Values;

std::string kinds(Kind a, Kind b) { return std::string(to_string(a)) + "_to_" + std::string(to_string(b)); }

struct PairOf {
  Kind a, b;
};
void PrintTo(const PairOf& p, std::ostream* out) { *out << kinds(p.a, p.b); }

class Foreign : public ::testing::TestWithParam<PairOf> {};

RouteSpec rich(const std::string& prefix) {
  return {.prefix = prefix,
          .med = 77,
          .communities = {"65000:7", "65000:8"},
          .large_communities = {"1:2:3"},
          .ext_communities = {"rt:65000:9"}};
}

TEST_P(Foreign, both_families_travel_on_one_session_with_all_attributes) {
  const auto [ka, kb] = GetParam();
  Pair pair({.a = ka,
             .b = kb,
             .routes_a = {rich("192.0.2.0/24"), rich("2001:db8:1::/48")},
             .routes_b = {rich("198.51.100.0/24"), rich("2001:db8:2::/48")}});
  pair.start();
  ASSERT_TRUE(both_established(pair));
  const auto check = [&](Speaker& s, const std::string& prefix, std::uint32_t asn, std::string hop) {
    ASSERT_TRUE(learned(s, prefix)) << logs(pair);
    const auto r = s.routes().at(prefix);
    EXPECT_THAT(r.as_path, ElementsAre(asn)) << r.to_string();
    // Of the two next hops that FRR sends, ExaBGP shows the link-local one.
    if (s.kind() == Kind::exabgp && is_v6(prefix)) hop = "fe80:";
    EXPECT_THAT(r.next_hops, ::testing::Contains(::testing::StartsWith(hop))) << r.to_string();
    EXPECT_EQ(r.origin, "igp");
    EXPECT_EQ(r.med, 77u) << r.to_string();
    EXPECT_THAT(r.communities, ElementsAre("65000:7", "65000:8"));
    EXPECT_THAT(r.large_communities, ElementsAre("1:2:3"));
    EXPECT_THAT(r.ext_communities, ElementsAre("rt:65000:9"));
  };
  check(*pair.b, "192.0.2.0/24", 65001, "10.0.0.1");
  check(*pair.b, "2001:db8:1::/48", 65001, "fd00::1");
  check(*pair.a, "198.51.100.0/24", 65002, "10.0.0.2");
  check(*pair.a, "2001:db8:2::/48", 65002, "fd00::2");
  EXPECT_EQ(pair.a->peer().received, 2u) << pair.a->peer().raw;
  EXPECT_EQ(pair.b->peer().received, 2u) << pair.b->peer().raw;
}

TEST_P(Foreign, routes_come_change_and_go_while_the_session_stays) {
  const auto [ka, kb] = GetParam();
  Pair pair({.a = ka, .b = kb});
  pair.start();
  ASSERT_TRUE(both_established(pair));
  RouteSpec route{.prefix = "203.0.113.0/24", .communities = {"65000:1"}};
  pair.a->announce(route);
  ASSERT_TRUE(learned(*pair.b, route.prefix)) << logs(pair);
  route.communities = {"65000:2"};
  pair.a->announce(route);
  EXPECT_TRUE(learned(*pair.b, route.prefix, [](const RouteView& r) {
    return r.communities == std::vector<std::string>{"65000:2"};
  })) << logs(pair);
  pair.a->withdraw(route.prefix);
  EXPECT_TRUE(gone(*pair.b, route.prefix)) << logs(pair);
  EXPECT_TRUE(pair.b->peer().established());
}

TEST_P(Foreign, an_internal_session_over_ipv6_carries_local_preference) {
  const auto [ka, kb] = GetParam();
  RouteSpec route{.prefix = "2001:db8:7::/48", .local_pref = 250};
  Pair pair({.a = ka, .b = kb, .asn_a = 4200000001, .asn_b = 4200000001, .transport = Family::v6, .routes_a = {route}});
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, route.prefix)) << logs(pair);
  const auto r = pair.b->routes().at(route.prefix);
  EXPECT_EQ(r.local_pref, 250u) << r.to_string();
  EXPECT_TRUE(r.as_path.empty()) << r.to_string();
}

TEST_P(Foreign, a_wrong_password_keeps_the_session_down_and_the_right_one_brings_it_up) {
  const auto [ka, kb] = GetParam();
  for (const bool right : {false, true}) {
    Pair pair({.a = ka, .b = kb, .tune = [&](PeerSpec& a, PeerSpec& b) {
                 a.password = "red";
                 b.password = right ? "red" : "blue";
               }});
    pair.start();
    if (right) {
      EXPECT_TRUE(both_established(pair));
    } else {
      EXPECT_TRUE(e2e::always(std::chrono::seconds(5), "no session", [&] {
        return Seen{!pair.a->peer().established() && !pair.b->peer().established(), logs(pair)};
      }));
    }
  }
}

TEST_P(Foreign, a_killed_speaker_is_missed) {
  const auto [ka, kb] = GetParam();
  Pair pair({.a = ka, .b = kb, .routes_a = {{.prefix = "192.0.2.0/24"}}});
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
  pair.a->kill();
  EXPECT_TRUE(not_established(*pair.b)) << logs(pair);
  EXPECT_TRUE(gone(*pair.b, "192.0.2.0/24")) << logs(pair);
  pair.a->start();
  EXPECT_TRUE(both_established(pair));
  EXPECT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
}

// Every speaker in both roles.
INSTANTIATE_TEST_SUITE_P(Pairs, Foreign,
                         Values(PairOf{Kind::frr, Kind::bird}, PairOf{Kind::bird, Kind::frr},
                                PairOf{Kind::gobgp, Kind::openbgpd}, PairOf{Kind::openbgpd, Kind::gobgp},
                                PairOf{Kind::exabgp, Kind::frr}, PairOf{Kind::frr, Kind::exabgp}),
                         [](const auto& info) { return kinds(info.param.a, info.param.b); });

}  // namespace
}  // namespace weft::interop
