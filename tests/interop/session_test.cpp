// Sessions of every sort with every foreign speaker, and what travels on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "tests/interop/subject.h"

namespace weft::interop {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class Session : public ::testing::TestWithParam<Kind> {
 protected:
  // The subject is a, the foreign one b.
  PairOptions options() const { return {.a = subject(), .b = GetParam()}; }

  void expect_rich(Speaker& s, const std::string& prefix, const std::vector<std::uint32_t>& path, std::string hop) {
    ASSERT_TRUE(learned(s, prefix));
    const auto r = s.routes().at(prefix);
    // Of the two next hops that some send, ExaBGP shows the link-local one.
    if (s.kind() == Kind::exabgp && is_v6(prefix)) hop = "f";
    EXPECT_EQ(r.as_path, path) << r.to_string();
    EXPECT_THAT(r.next_hops, Contains(StartsWith(hop))) << r.to_string();
    EXPECT_EQ(r.origin, "igp") << r.to_string();
    EXPECT_EQ(r.med, 77u) << r.to_string();
    EXPECT_THAT(r.communities, UnorderedElementsAre("65000:7", "65000:8")) << r.to_string();
    EXPECT_THAT(r.large_communities, UnorderedElementsAre("1:2:3", "4200000000:0:9")) << r.to_string();
    EXPECT_THAT(r.ext_communities, ElementsAre("rt:65000:9")) << r.to_string();
  }
};

TEST_P(Session, over_ipv4_with_a_four_byte_number_carries_both_families_and_all_attributes) {
  auto o = options();
  o.asn_a = 4200000001;
  o.routes_a = {rich("192.0.2.0/24"), rich("2001:db8:1::/48")};
  o.routes_b = {rich("198.51.100.0/24"), rich("2001:db8:2::/48")};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  expect_rich(*pair.b, "192.0.2.0/24", {4200000001}, "10.0.0.1");
  expect_rich(*pair.b, "2001:db8:1::/48", {4200000001}, "fd00::1");
  expect_rich(*pair.a, "198.51.100.0/24", {65002}, "10.0.0.2");
  expect_rich(*pair.a, "2001:db8:2::/48", {65002}, "fd00::2");
  EXPECT_EQ(pair.b->peer().received, 2u) << pair.b->peer().raw;
}

TEST_P(Session, over_ipv6_between_four_byte_numbers) {
  auto o = options();
  o.transport = Family::v6;
  o.asn_a = 4200000001;
  o.asn_b = 4200000002;
  o.tune = [](PeerSpec& a, PeerSpec& b) { a.families = b.families = {Family::v6}; };
  o.routes_a = {rich("2001:db8:1::/48")};
  o.routes_b = {rich("2001:db8:2::/48")};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  expect_rich(*pair.b, "2001:db8:1::/48", {4200000001}, "fd00::1");
  expect_rich(*pair.a, "2001:db8:2::/48", {4200000002}, "fd00::2");
}

TEST_P(Session, within_one_system_over_either_family_carries_local_preference_and_med) {
  for (const Family transport : {Family::v4, Family::v6}) {
    SCOPED_TRACE(to_string(transport));
    auto o = options();
    o.transport = transport;
    o.asn_a = o.asn_b = 4200000001;
    const std::string ours = transport == Family::v4 ? "192.0.2.0/24" : "2001:db8:1::/48";
    const std::string theirs = transport == Family::v4 ? "198.51.100.0/24" : "2001:db8:2::/48";
    o.tune = [&](PeerSpec& a, PeerSpec& b) { a.families = b.families = {transport}; };
    o.routes_a = {{.prefix = ours, .med = 5, .local_pref = 250}};
    o.routes_b = {{.prefix = theirs, .med = 6, .local_pref = 251}};
    Pair pair(o);
    pair.start();
    ASSERT_TRUE(both_established(pair));
    ASSERT_TRUE(learned(*pair.b, ours)) << logs(pair);
    auto r = pair.b->routes().at(ours);
    EXPECT_EQ(r.local_pref, 250u) << r.to_string();
    EXPECT_EQ(r.med, 5u) << r.to_string();
    EXPECT_TRUE(r.as_path.empty()) << r.to_string();
    ASSERT_TRUE(learned(*pair.a, theirs)) << logs(pair);
    r = pair.a->routes().at(theirs);
    EXPECT_EQ(r.local_pref, 251u) << r.to_string();
    EXPECT_EQ(r.med, 6u) << r.to_string();
    EXPECT_TRUE(r.as_path.empty()) << r.to_string();
  }
}

TEST_P(Session, routes_come_change_and_go_without_a_reset) {
  Pair pair(options());
  pair.start();
  ASSERT_TRUE(both_established(pair));
  RouteSpec route{.prefix = "203.0.113.0/24", .communities = {"65000:1"}};
  for (Speaker* from : {pair.a.get(), pair.b.get()}) {
    Speaker& to = from == pair.a.get() ? *pair.b : *pair.a;
    for (const char* community : {"65000:1", "65000:2"}) {
      route.communities = {community};
      from->announce(route);
      EXPECT_TRUE(learned(to, route.prefix, [&](const RouteView& r) { return r.communities == route.communities; }))
          << logs(pair);
    }
    from->withdraw(route.prefix);
    EXPECT_TRUE(gone(to, route.prefix)) << logs(pair);
  }
  EXPECT_EQ(pair.a->peer().flaps, 0u) << logs(pair);
}

TEST_P(Session, with_a_password_comes_up_when_both_have_the_same_and_never_otherwise) {
  struct Case {
    Family transport;
    const char *a, *b;
    bool up;
  };
  for (const Case& c : {Case{Family::v4, "red", "red", true},
                        {Family::v6, "red", "red", true},
                        {Family::v4, "red", "blue", false},
                        {Family::v6, "red", "blue", false},
                        {Family::v4, "red", "", false},
                        {Family::v4, "", "blue", false}}) {
    // Its listener asks nobody for a signature, whatever the peer behind the connection is to have.
    if (GetParam() == Kind::openbgpd && *c.a == 0) continue;
    SCOPED_TRACE(std::string(to_string(c.transport)) + ", ours \"" + c.a + "\", theirs \"" + c.b + "\"");
    auto o = options();
    o.transport = c.transport;
    o.tune = [&](PeerSpec& a, PeerSpec& b) {
      a.families = b.families = {c.transport};
      a.password = c.a, b.password = c.b;
    };
    Pair pair(o);
    pair.start();
    if (c.up) {
      EXPECT_TRUE(both_established(pair));
    } else {
      EXPECT_TRUE(e2e::always(4s, "no session", [&] {
        return Seen{!pair.a->peer().established() && !pair.b->peer().established(), logs(pair)};
      }));
    }
  }
}

TEST_P(Session, refresh_sends_everything_again_and_loses_nothing) {
  auto o = options();
  o.routes_a = {{.prefix = "192.0.2.0/24"}};
  o.routes_b = {{.prefix = "198.51.100.0/24"}};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24"));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24"));
  // FRR counts the End-of-RIBs, too, which may come after the routes.
  auto counted = pair.b->peer().updates_in;
  auto since = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually(kPatience, "the foreign speaker hears nothing more for a second", [&] {
    const auto now = pair.b->peer();
    if (std::exchange(counted, now.updates_in) != now.updates_in) since = std::chrono::steady_clock::now();
    return Seen{std::chrono::steady_clock::now() - since >= std::chrono::seconds(1), now.raw};
  }));
  const auto before = pair.a->peer(), theirs = pair.b->peer();
  if (GetParam() != Kind::gobgp) {  // it never asks
    pair.b->refresh("peer");
    EXPECT_TRUE(eventually(kPatience, "the foreign speaker gets the subject's route again", [&] {
      const auto now = pair.b->peer();
      return Seen{theirs.updates_in > 0 && now.updates_in > theirs.updates_in, now.raw};
    })) << logs(pair);
  }
  // OpenBGPD answers nobody ("AID IPv4 unicast not negotiated"), ExaBGP ends the session over it.
  if (GetParam() != Kind::openbgpd && GetParam() != Kind::exabgp) {
    pair.a->refresh("peer");
    EXPECT_TRUE(eventually(kPatience, "the foreign speaker sends its route again", [&] {
      return Seen{pair.a->peer().updates_in > before.updates_in, pair.a->peer().raw};
    })) << logs(pair);
  }
  EXPECT_TRUE(learned(*pair.b, "192.0.2.0/24"));
  EXPECT_TRUE(learned(*pair.a, "198.51.100.0/24"));
  EXPECT_EQ(pair.a->peer().flaps, 0u) << logs(pair);
}

TEST_P(Session, with_ttl_security_comes_up_when_both_sides_send_the_highest_ttl) {
  for (const auto& [transport, both] : {std::pair{Family::v4, true}, {Family::v6, true}, {Family::v4, false}}) {
    SCOPED_TRACE(to_string(transport));
    auto o = options();
    o.transport = transport;
    o.tune = [family = transport, theirs = both](PeerSpec& a, PeerSpec& b) {
      a.families = b.families = {family};
      a.ttl_security = true, b.ttl_security = theirs;
    };
    Pair pair(o);
    pair.start();
    if (both) {
      EXPECT_TRUE(both_established(pair));
    } else {
      EXPECT_TRUE(e2e::always(4s, "no session with a peer whose packets could come from afar", [&] {
        const auto ours = pair.a->peer(), theirs = pair.b->peer();
        return Seen{!ours.established() && !theirs.established(), ours.raw + theirs.raw};
      }));
    }
  }
}

TEST_P(Session, over_a_router_in_between_comes_up_with_multihop) {
  Host a("a"), b("b"), middle("middle");
  wire({a, "wire", {"10.0.1.1/24", "fd00:1::1/64"}}, {middle, "left", {"10.0.1.254/24", "fd00:1::fe/64"}});
  wire({b, "wire", {"10.0.2.2/24", "fd00:2::2/64"}}, {middle, "right", {"10.0.2.254/24", "fd00:2::fe/64"}});
  for (const char* route : {"route add default via 10.0.1.254", "-6 route add default via fd00:1::fe"}) a.ip(route);
  for (const char* route : {"route add default via 10.0.2.254", "-6 route add default via fd00:2::fe"}) b.ip(route);
  struct Case {
    Family transport;
    const char *ours, *theirs, *prefix;
  };
  for (const Case& c : {Case{Family::v4, "10.0.1.1", "10.0.2.2", "192.0.2.0/24"},
                        {Family::v6, "fd00:1::1", "fd00:2::2", "2001:db8:1::/48"}}) {
    SCOPED_TRACE(to_string(c.transport));
    const auto spec = [&](std::uint32_t asn, const std::string& id, const std::string& mine, const std::string& other) {
      SpeakerSpec s{.asn = asn, .router_id = id, .peers = {}, .routes = {}, .extra = {}};
      s.peers.resize(1);
      auto& p = s.peers.front();
      p.address = other;
      p.local_address = mine;
      p.asn = asn == 65001 ? 65002 : 65001;
      p.families = {c.transport};
      p.multihop = 4;
      return s;
    };
    auto ours = spec(65001, "192.0.2.1", c.ours, c.theirs);
    ours.routes = {{.prefix = c.prefix}};
    const auto one = make_speaker(subject(), a, ours);
    const auto two = make_speaker(GetParam(), b, spec(65002, "192.0.2.2", c.theirs, c.ours));
    one->start();
    two->start();
    EXPECT_TRUE(established(*one)) << one->log() << two->log();
    EXPECT_TRUE(established(*two));
    EXPECT_TRUE(learned(*two, c.prefix));
  }
}

INSTANTIATE_TEST_SUITE_P(With, Session, ::testing::ValuesIn(kForeign), kind_name);

}  // namespace
}  // namespace weft::interop
