// How sessions end, and what is left of them: messages, timers, graceful restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/interop/subject.h"

namespace weft::interop {
namespace {

using namespace std::chrono_literals;

class End : public ::testing::TestWithParam<Kind> {
 protected:
  PairOptions options() const { return {.a = subject(), .b = GetParam()}; }
};

TEST_P(End, our_shutdown_message_is_read_by_the_peer) {
  Pair pair(options());
  pair.start();
  ASSERT_TRUE(both_established(pair));
  pair.a->shut("peer", "going down for a new kernel");
  EXPECT_TRUE(not_established(*pair.b)) << logs(pair);
  if (GetParam() == Kind::exabgp) return;  // 4.2.21 fails over a message that comes with a shutdown
  EXPECT_TRUE(says(*pair.b, "going down for a new kernel")) << logs(pair);
}

TEST_P(End, the_peers_shutdown_is_told_in_words) {
  Pair pair(options());
  pair.start();
  ASSERT_TRUE(both_established(pair));
  pair.b->shut("peer", "rack 7 moves");
  EXPECT_TRUE(not_established(*pair.a)) << logs(pair);
  // ExaBGP cannot send words with it.
  EXPECT_TRUE(says(*pair.a, GetParam() == Kind::exabgp ? "shut" : "rack 7 moves")) << logs(pair);
}

TEST_P(End, a_peer_that_falls_silent_is_dropped_when_the_hold_time_is_over_and_comes_back) {
  auto o = options();
  o.tune = [](PeerSpec& a, PeerSpec& b) {
    a.hold_time = b.hold_time = 3;
    a.keepalive = b.keepalive = 1;
  };
  o.routes_b = {{.prefix = "198.51.100.0/24"}};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24"));
  pair.b->pause();
  EXPECT_TRUE(not_established(*pair.a)) << logs(pair);
  EXPECT_TRUE(says(*pair.a, "hold")) << logs(pair);
  EXPECT_TRUE(gone(*pair.a, "198.51.100.0/24"));
  pair.b->resume();
  EXPECT_TRUE(established(*pair.a)) << logs(pair);
  EXPECT_TRUE(learned(*pair.a, "198.51.100.0/24"));
}

TEST_P(End, our_silence_is_noticed_by_the_peer) {
  auto o = options();
  o.tune = [](PeerSpec& a, PeerSpec& b) {
    a.hold_time = b.hold_time = 3;
    a.keepalive = b.keepalive = 1;
  };
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  pair.a->pause();
  EXPECT_TRUE(not_established(*pair.b)) << logs(pair);
  pair.a->resume();
  EXPECT_TRUE(both_established(pair));
}

TEST_P(End, a_killed_speaker_without_graceful_restart_takes_its_routes_along) {
  auto o = options();
  o.routes_a = {{.prefix = "192.0.2.0/24"}};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24"));
  pair.a->kill();
  EXPECT_TRUE(gone(*pair.b, "192.0.2.0/24")) << logs(pair);
  pair.a->start();
  EXPECT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
}

INSTANTIATE_TEST_SUITE_P(With, End, ::testing::ValuesIn(kForeign), kind_name);

class Restart : public ::testing::TestWithParam<Kind> {};

PairOptions graceful(Kind foreign) {
  return {.a = subject(),
          .b = foreign,
          .tune = [](PeerSpec& a, PeerSpec& b) { a.graceful_restart = b.graceful_restart = 60; },
          .routes_a = {{.prefix = "192.0.2.0/24"}, {.prefix = "2001:db8:1::/48"}},
          .routes_b = {{.prefix = "198.51.100.0/24"}, {.prefix = "2001:db8:2::/48"}}};
}

// Looks at the routes of `s` until `done`, and says when one of those named was missing.
::testing::AssertionResult kept_until(Speaker& s, const std::vector<std::string>& prefixes,
                                      const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  do {
    const auto routes = s.routes();
    for (const auto& p : prefixes)
      if (!routes.contains(p)) return ::testing::AssertionFailure() << s.name() << " has lost " << p;
    if (done()) return ::testing::AssertionSuccess();
  } while (std::chrono::steady_clock::now() < deadline);
  return ::testing::AssertionFailure() << "the session did not come back: " << s.peer().raw;
}

TEST_P(Restart, the_peer_keeps_our_routes_while_we_are_killed_and_start_again) {
  for (const Family transport : {Family::v4, Family::v6}) {
    SCOPED_TRACE(to_string(transport));
    auto o = graceful(GetParam());
    std::vector<std::string> ours = {"192.0.2.0/24", "2001:db8:1::/48"};
    if (transport == Family::v6) {
      o.transport = transport;
      o.tune = [both = o.tune](PeerSpec& a, PeerSpec& b) {
        both(a, b);
        a.families = b.families = {Family::v6};
      };
      for (auto* routes : {&o.routes_a, &o.routes_b})
        std::erase_if(*routes, [](const RouteSpec& r) { return !is_v6(r.prefix); });
      ours.erase(ours.begin());
    }
    Pair pair(o);
    pair.start();
    ASSERT_TRUE(both_established(pair));
    for (const auto& p : ours) ASSERT_TRUE(learned(*pair.b, p)) << logs(pair);
    pair.a->kill();
    EXPECT_TRUE(kept_until(*pair.b, ours, [&] { return !pair.b->peer().established(); })) << logs(pair);
    pair.a->start(true);
    EXPECT_TRUE(kept_until(*pair.b, ours, [&] { return pair.b->peer().established(); })) << logs(pair);
    EXPECT_TRUE(e2e::always(2s, "the routes stay when the restart is over", [&] {
      const auto routes = pair.b->routes();
      return Seen{std::ranges::all_of(ours, [&](const auto& p) { return routes.contains(p); }), logs(pair)};
    }));
  }
}

TEST_P(Restart, a_route_that_we_no_longer_want_goes_when_the_restart_is_over) {
  Pair pair(graceful(GetParam()));
  pair.start();
  ASSERT_TRUE(both_established(pair));
  for (const char* p : {"192.0.2.0/24", "2001:db8:1::/48"}) ASSERT_TRUE(learned(*pair.b, p)) << logs(pair);
  pair.a->kill();
  ASSERT_TRUE(not_established(*pair.b)) << logs(pair);
  auto spec = pair.a->spec();
  std::erase_if(spec.routes, [](const RouteSpec& r) { return r.prefix == "192.0.2.0/24"; });
  pair.a = make_speaker(subject(), pair.host_a, spec);
  pair.a->start(true);
  EXPECT_TRUE(established(*pair.a)) << logs(pair);
  EXPECT_TRUE(gone(*pair.b, "192.0.2.0/24")) << logs(pair);
  EXPECT_TRUE(learned(*pair.b, "2001:db8:1::/48")) << logs(pair);
}

// Those that keep the routes of a peer that restarts. ExaBGP keeps none: it is no router.
INSTANTIATE_TEST_SUITE_P(With, Restart, ::testing::Values(Kind::frr, Kind::bird, Kind::gobgp, Kind::openbgpd),
                         kind_name);

class Helper : public ::testing::TestWithParam<Kind> {};

TEST_P(Helper, we_keep_the_routes_of_a_peer_that_is_killed_and_starts_again) {
  Pair pair(graceful(GetParam()));
  pair.start();
  ASSERT_TRUE(both_established(pair));
  const std::vector<std::string> theirs = {"198.51.100.0/24", "2001:db8:2::/48"};
  for (const auto& p : theirs) ASSERT_TRUE(learned(*pair.a, p)) << logs(pair);
  pair.b->kill();
  EXPECT_TRUE(kept_until(*pair.a, theirs, [&] {
    const auto routes = pair.a->routes();
    return !pair.a->peer().established() && routes.at(theirs[0]).stale;
  })) << logs(pair);
  pair.b->start(true);
  EXPECT_TRUE(kept_until(*pair.a, theirs, [&] {
    const auto routes = pair.a->routes();
    return pair.a->peer().established() && !routes.at(theirs[0]).stale && !routes.at(theirs[1]).stale;
  })) << logs(pair);
}

// Those that say, when they come back, that they have kept forwarding.
INSTANTIATE_TEST_SUITE_P(With, Helper, ::testing::Values(Kind::frr, Kind::bird, Kind::gobgp), kind_name);

class Forwarding : public ::testing::TestWithParam<Kind> {};

TEST_P(Forwarding, no_packet_is_lost_through_the_router_while_we_are_killed_and_start_again) {
  auto o = graceful(GetParam());
  o.routes_a = {{.prefix = "192.0.2.1/32"}, {.prefix = "2001:db8:1::1/128"}};
  o.routes_b = {};
  if (GetParam() == Kind::bird)
    o.extra_b =
        "protocol kernel { ipv4 { export all; }; persist; }\nprotocol kernel { ipv6 { export all; }; persist; }\n";
  Pair pair(o);
  Host client("client");
  wire({client, "wire", {"10.0.9.9/24", "fd00:9::9/64"}}, {pair.host_b, "client", {"10.0.9.1/24", "fd00:9::1/64"}});
  client.ip("route add default via 10.0.9.1");
  client.ip("-6 route add default via fd00:9::1");
  for (const char* route : {"route add 10.0.9.0/24 via 10.0.0.2", "-6 route add fd00:9::/64 via fd00::2",
                            "address add 192.0.2.1/32 dev lo", "address add 2001:db8:1::1/128 dev lo nodad"})
    pair.host_a.ip(route);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  for (const char* address : {"192.0.2.1", "2001:db8:1::1"})
    ASSERT_TRUE(eventually(kPatience, std::string("the client reaches ") + address, [&] {
      const auto ping = client.run({"ping", "-c1", "-W1", address});
      return Seen{ping.ok(), ping.out + pair.host_b.run({"ip", "route"}).out};
    })) << logs(pair);
  // SIGINT makes ping say what it has counted.
  e2e::Background v4(client.command({"ping", "-i", "0.02", "192.0.2.1"}));
  e2e::Background v6(client.command({"ping", "-i", "0.02", "2001:db8:1::1"}));
  ASSERT_TRUE(eventually(kPatience, "pings are answered",
                         [&] { return Seen{v4.so_far().find("icmp_seq=20 ") != std::string::npos, v4.so_far()}; }));
  pair.a->kill();
  EXPECT_TRUE(not_established(*pair.b)) << logs(pair);
  pair.a->start(true);
  EXPECT_TRUE(both_established(pair));
  EXPECT_TRUE(eventually(kPatience, "the restart is over", [&] {
    const auto routes = pair.b->routes();
    const bool all = routes.contains("192.0.2.1/32") && routes.contains("2001:db8:1::1/128");
    return Seen{all && !routes.at("192.0.2.1/32").stale && !routes.at("2001:db8:1::1/128").stale, pair.b->peer().raw};
  })) << logs(pair);
  for (auto* ping : {&v4, &v6}) {
    const auto said = ping->stop(SIGINT);
    EXPECT_NE(said.out.find(" 0% packet loss"), std::string::npos) << said.describe();
  }
}

// Those that forward packets.
INSTANTIATE_TEST_SUITE_P(Through, Forwarding, ::testing::Values(Kind::frr, Kind::bird), kind_name);

}  // namespace
}  // namespace weft::interop
