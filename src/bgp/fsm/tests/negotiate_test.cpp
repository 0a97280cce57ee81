// OPEN against OPEN.
#include "bgp/fsm/negotiate.h"

#include "play.h"

namespace weft::bgp::fsm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

auto meet(const SessionConfig& config, const Open& open) { return negotiate(config, make_open(config, true), open); }

TEST(Open, offers_what_is_configured) {
  SessionConfig c = ours();
  c.local_as = 4200000001;
  c.extended_next_hop = true;
  c.host_name = "node-1";
  const Open o = make_open(c, true);
  EXPECT_EQ(o.asn, 4200000001);
  EXPECT_EQ(o.hold_time, 90);
  EXPECT_EQ(o.router_id, id(1));
  EXPECT_THAT(o.capabilities.families, ElementsAre(kIpv4Unicast, kIpv6Unicast));
  EXPECT_TRUE(o.capabilities.route_refresh && o.capabilities.enhanced_route_refresh && o.capabilities.extended_message);
  EXPECT_EQ(o.capabilities.four_octet_asn, 4200000001);
  EXPECT_THAT(o.capabilities.extended_next_hop, ElementsAre(ExtendedNextHop{kIpv4Unicast, 2}));
  EXPECT_EQ(o.capabilities.host_name, "node-1");
  EXPECT_FALSE(o.capabilities.graceful_restart);
}

TEST(Open, leaves_out_families_that_do_nothing_here) {
  SessionConfig c = ours();
  c.families = {{25, 70}, kIpv6Unicast};  // l2vpn/evpn
  EXPECT_THAT(make_open(c, true).capabilities.families, ElementsAre(kIpv6Unicast));
}

TEST(Open, has_the_restart_bit_only_until_the_session_was_up_once) {
  SessionConfig c = ours_with_restart();
  c.restarting = true;
  c.preserved = {kIpv4Unicast};
  const auto before = make_open(c, true).capabilities.graceful_restart.value();
  EXPECT_TRUE(before.restarting);
  EXPECT_TRUE(before.notification);
  EXPECT_EQ(before.restart_time, 120);
  EXPECT_THAT(before.families,
              ElementsAre(GracefulRestart::Tuple{kIpv4Unicast, true}, GracefulRestart::Tuple{kIpv6Unicast, false}));
  const auto later = make_open(c, false).capabilities.graceful_restart.value();
  EXPECT_FALSE(later.restarting);
  EXPECT_THAT(later.families,
              ElementsAre(GracefulRestart::Tuple{kIpv4Unicast, true}, GracefulRestart::Tuple{kIpv6Unicast, true}));
}

struct AsCase {
  PeerAs wanted;
  Asn got;
  std::string refused;  // empty: accepted
};

TEST(Negotiate, judges_the_peer_as) {
  const PeerAs exact{PeerAs::Kind::exact, 65000}, any{}, external{PeerAs::Kind::external, 0},
      internal{PeerAs::Kind::internal, 0};
  const std::vector<AsCase> cases{
      {exact, 65000, ""},
      {exact, 64999, "their AS is 64999, 65000 is configured: set peerASN to 64999 or fix the router"},
      {any, 64999, ""},
      {any, 65001, ""},
      {any, 4200000000, ""},
      {any, 0, "their AS is 0"},
      {any, 23456, "their AS is 23456"},
      {external, 64999, ""},
      {external, 65001, "their AS is 65001 like ours"},
      {internal, 65001, ""},
      {internal, 64999, "their AS is 64999, but an internal peer has ours, 65001"},
  };
  for (const AsCase& c : cases) {
    SessionConfig config = ours();
    config.remote_as = c.wanted;
    const auto n = meet(config, theirs(c.got));
    if (c.refused.empty()) {
      ASSERT_TRUE(n) << c.got;
      EXPECT_EQ(n->peer_as, c.got);
      EXPECT_EQ(n->ibgp, c.got == 65001);
      EXPECT_EQ(n->receive.ibgp, n->ibgp);
    } else {
      ASSERT_FALSE(n) << c.got;
      EXPECT_EQ(n.error().notification.code, ErrorCode::open_message);
      EXPECT_EQ(n.error().notification.subcode, open_error::kBadPeerAs);
      EXPECT_THAT(n.error().words, HasSubstr(c.refused));
    }
  }
}

TEST(Negotiate, refuses_router_id_zero) {
  const auto n = meet(ours(), [] {
    Open o = theirs();
    o.router_id = {};
    return o;
  }());
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().notification.subcode, open_error::kBadIdentifier);
}

TEST(Negotiate, refuses_our_own_router_id_inside_the_as_only) {
  SessionConfig c = ours();
  c.remote_as = {};
  const auto internal = meet(c, theirs(65001, 1));
  ASSERT_FALSE(internal);
  EXPECT_EQ(internal.error().notification.subcode, open_error::kBadIdentifier);
  EXPECT_THAT(internal.error().words, HasSubstr("10.0.0.1"));
  EXPECT_TRUE(meet(c, theirs(65000, 1))) << "RFC 6286 §2.1: unique within an AS is enough";
}

TEST(Negotiate, takes_the_smaller_hold_time_and_a_third_of_it) {
  struct Case {
    int ours, keepalive, theirs, hold, every;
  };
  for (const Case& t : {Case{90, 30, 90, 90, 30}, Case{90, 30, 9, 9, 3}, Case{9, 3, 90, 9, 3}, Case{90, 30, 3, 3, 1},
                        Case{180, 5, 90, 90, 5}, Case{90, 30, 0, 0, 0}, Case{0, 30, 90, 0, 0},
                        Case{65535, 60, 65535, 65535, 60}, Case{90, 90, 90, 90, 30}}) {
    SessionConfig c = ours();
    c.hold_time = std::chrono::seconds{t.ours};
    c.keepalive = std::chrono::seconds{t.keepalive};
    Open o = theirs();
    o.hold_time = static_cast<std::uint16_t>(t.theirs);
    const auto n = meet(c, o);
    ASSERT_TRUE(n);
    EXPECT_EQ(n->hold.count(), t.hold) << t.ours << " and " << t.theirs;
    EXPECT_EQ(n->keepalive.count(), t.every) << t.ours << " and " << t.theirs;
  }
}

TEST(Negotiate, refuses_a_hold_time_of_one_or_two_seconds) {
  for (const std::uint16_t hold : {1, 2}) {
    Open o = theirs();
    o.hold_time = hold;
    const auto n = meet(ours(), o);
    ASSERT_FALSE(n);
    EXPECT_EQ(n.error().notification.subcode, open_error::kUnacceptableHoldTime);
  }
}

TEST(Negotiate, keeps_the_families_of_both_in_our_order) {
  Open o = theirs();
  o.capabilities.families = {{1, 2}, kIpv6Unicast, kIpv4Unicast};
  const auto n = meet(ours(), o);
  ASSERT_TRUE(n);
  EXPECT_THAT(n->families, ElementsAre(kIpv4Unicast, kIpv6Unicast));
  EXPECT_EQ(n->receive.families, n->families);
  EXPECT_EQ(n->send.families, n->families);
}

TEST(Negotiate, takes_a_peer_without_capabilities_for_ipv4) {
  Open o = theirs();
  o.capabilities = {};
  const auto n = meet(ours(), o);
  ASSERT_TRUE(n);
  EXPECT_THAT(n->families, ElementsAre(kIpv4Unicast));
  EXPECT_FALSE(n->receive.four_octet_asn || n->send.four_octet_asn);
  EXPECT_FALSE(n->route_refresh || n->enhanced_route_refresh || n->peer_restart);
}

TEST(Negotiate, refuses_a_peer_without_a_common_family_and_names_ours) {
  SessionConfig c = ours();
  c.families = {kIpv6Unicast};
  Open o = theirs();
  o.capabilities.families = {kIpv4Unicast};
  const auto n = meet(c, o);
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().notification.subcode, open_error::kUnsupportedCapability);
  EXPECT_THAT(n.error().notification.data, ElementsAre(1, 4, 0, 2, 0, 1)) << "the capability as OPEN has it";
  EXPECT_THAT(n.error().words, HasSubstr("they offer ipv4/unicast, we offer ipv6/unicast"));
}

TEST(Negotiate, sends_what_the_peer_offered_and_receives_what_we_did) {
  SessionConfig c = ours();
  c.extended_next_hop = true;
  Open o = theirs();
  auto n = meet(c, o);
  ASSERT_TRUE(n);
  EXPECT_TRUE(n->receive.extended_message && n->receive.four_octet_asn && n->send.four_octet_asn);
  EXPECT_FALSE(n->send.extended_message);
  EXPECT_THAT(n->receive.extended_next_hop, ElementsAre(ExtendedNextHop{kIpv4Unicast, 2}));
  EXPECT_THAT(n->send.extended_next_hop, IsEmpty());
  o.capabilities.extended_message = o.capabilities.enhanced_route_refresh = true;
  o.capabilities.extended_next_hop = {{kIpv4Unicast, 2}};
  n = meet(c, o);
  ASSERT_TRUE(n);
  EXPECT_TRUE(n->send.extended_message && n->enhanced_route_refresh);
  EXPECT_THAT(n->send.extended_next_hop, ElementsAre(ExtendedNextHop{kIpv4Unicast, 2}));
}

TEST(Negotiate, gives_subtypes_of_route_refresh_a_meaning_only_when_both_offer_it) {
  const auto heard = [](const Negotiated& n) {
    const auto bytes = encode(RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::begin}, n.send);
    return std::get<RouteRefresh>(decode(bytes, n.receive)->message).subtype;
  };
  const SessionConfig c = ours();
  Open plain = make_open(c, true), offer = theirs();
  plain.capabilities.enhanced_route_refresh = false;
  offer.capabilities.enhanced_route_refresh = true;
  const auto with = negotiate(c, make_open(c, true), offer),
             without_theirs = negotiate(c, make_open(c, true), theirs()), without_ours = negotiate(c, plain, offer);
  ASSERT_TRUE(with && without_theirs && without_ours);
  EXPECT_TRUE(with->enhanced_route_refresh);
  EXPECT_EQ(heard(*with), RouteRefresh::Subtype::begin);
  EXPECT_FALSE(without_theirs->enhanced_route_refresh || without_ours->enhanced_route_refresh);
  EXPECT_EQ(heard(*without_theirs), RouteRefresh::Subtype::request) << "a reserved octet, RFC 2918 §3";
  EXPECT_EQ(heard(*without_ours), RouteRefresh::Subtype::request);
}

TEST(Negotiate, agrees_on_graceful_restart_only_when_both_offer_it) {
  EXPECT_FALSE(meet(ours(), theirs_with_restart())->peer_restart);
  EXPECT_FALSE(meet(ours_with_restart(), theirs())->peer_restart);
  const auto with = meet(ours_with_restart(), theirs_with_restart());
  EXPECT_TRUE(with->peer_restart && with->notification_restart);
  EXPECT_THAT(with->kept(), ElementsAre(kIpv4Unicast, kIpv6Unicast));
  EXPECT_FALSE(meet(ours_with_restart(), theirs_with_restart(false))->notification_restart);
  SessionConfig c = ours_with_restart();
  c.graceful_restart->notification = false;
  EXPECT_FALSE(meet(c, theirs_with_restart())->notification_restart);
}

TEST(Negotiate, keeps_no_routes_of_a_peer_that_promises_no_time) {
  Open o = theirs_with_restart();
  o.capabilities.graceful_restart->restart_time = 0;
  EXPECT_THAT(meet(ours_with_restart(), o)->kept(), IsEmpty());
}

TEST(Reset, is_needed_for_what_open_says_or_judges) {
  const SessionConfig c = ours_with_restart();
  const auto after = [&](auto change) {
    SessionConfig to = c;
    change(to);
    return needs_reset(c, to);
  };
  EXPECT_TRUE(after([](auto& x) { x.local_as = 1; }));
  EXPECT_TRUE(after([](auto& x) { x.router_id = id(2); }));
  EXPECT_TRUE(after([](auto& x) { x.remote_as = {}; }));
  EXPECT_TRUE(after([](auto& x) { x.hold_time = 9s; }));
  EXPECT_TRUE(after([](auto& x) { x.keepalive = 9s; }));
  EXPECT_TRUE(after([](auto& x) { x.families = {kIpv4Unicast}; }));
  EXPECT_TRUE(after([](auto& x) { x.graceful_restart.reset(); }));
  EXPECT_TRUE(after([](auto& x) { x.extended_next_hop = true; }));
  EXPECT_FALSE(after([](auto& x) { x.connect_retry = 9s; }));
  EXPECT_FALSE(after([](auto& x) { x.passive = true; }));
  EXPECT_FALSE(after([](auto& x) { x.damping.max = 9s; }));
  EXPECT_FALSE(after([](auto& x) { x.stale_time = 9s; }));
  EXPECT_FALSE(after([](auto& x) { x.restarting = true; }));
}

}  // namespace
}  // namespace weft::bgp::fsm
