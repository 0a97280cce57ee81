#include "bgp/speaker/session_config.h"

#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

const Address kV4 = *Address::parse("10.0.0.1"), kV6 = *Address::parse("2001:db8::1"),
              kLinkLocal = *Address::parse("fe80::1");

InstanceConfig main_instance() {
  InstanceConfig i;
  i.name = "main";
  i.local_as = 65001;
  i.router_id = RouterId{1};
  return i;
}

PeerConfig peer(PeerAs as) {
  PeerConfig p;
  p.address = *Address::parse("10.0.0.2");
  p.remote_as = as;
  return p;
}
const Steady::time_point kStarted{std::chrono::hours(1)};
const PeerAs kExternal{PeerAs::Kind::exact, 65000}, kInternal{PeerAs::Kind::exact, 65001};

TEST(TcpOptions, ExternalPeersAreOneHopAwayUnlessSaidOtherwise) {
  EXPECT_EQ(tcp_options(main_instance(), peer(kExternal)).ttl, 1);
  PeerConfig far = peer(kExternal);
  far.ebgp_multihop = 4;
  EXPECT_EQ(tcp_options(main_instance(), far).ttl, 4);
  EXPECT_EQ(tcp_options(main_instance(), peer(kInternal)).ttl, 255);
  EXPECT_EQ(tcp_options(main_instance(), peer({})).ttl, 1) << "any ASN counts as external";
}

TEST(TcpOptions, TtlSecurityAcceptsOnlyWhatCameOverSoManyHops) {
  PeerConfig p = peer(kExternal);
  p.ttl_security = 1;
  EXPECT_EQ(tcp_options(main_instance(), p).ttl, 255);
  EXPECT_EQ(tcp_options(main_instance(), p).min_ttl, 255);
  p.ttl_security = 3;
  EXPECT_EQ(tcp_options(main_instance(), p).min_ttl, 253);
}

TEST(TcpOptions, APeerThatTakesNothingForLongIsGone) {
  PeerConfig p = peer(kExternal);
  EXPECT_EQ(tcp_options(main_instance(), p).user_timeout, std::chrono::minutes(8));
  p.hold_time = std::chrono::seconds(600);
  EXPECT_EQ(tcp_options(main_instance(), p).user_timeout, std::chrono::minutes(20));
  p.hold_time = std::chrono::seconds(0);
  EXPECT_EQ(tcp_options(main_instance(), p).user_timeout, std::chrono::minutes(0)) << "no hold time, no timers";
}

TEST(SessionConfig, OnlyARestartedSpeakerSaysSo) {
  PeerConfig p = peer(kExternal);
  p.graceful_restart.emplace();
  EXPECT_FALSE(session_config(main_instance(), p, {}, {}).restarting);
  EXPECT_TRUE(session_config(main_instance(), p, {}, {}).preserved.empty());
  const auto c = session_config(main_instance(), p, {.restarting = true}, kStarted);
  EXPECT_TRUE(c.restarting);
  EXPECT_EQ(c.preserved, p.families);
  EXPECT_EQ(c.restart_over, kStarted + p.graceful_restart->restart_time);
}

TEST(SessionConfig, AnUnnumberedPeerAlwaysOffersIpv6NextHopsForIpv4) {
  PeerConfig p = peer(kExternal);
  EXPECT_FALSE(session_config(main_instance(), p, {}, {}).extended_next_hop);
  p.address.reset();
  p.interface = "eth0";
  EXPECT_TRUE(session_config(main_instance(), p, {}, {}).extended_next_hop);
}

class ExportRulesTest : public ::testing::Test {
 protected:
  std::optional<NextHop> next_hop(Family family, const OwnAddresses& own) {
    return export_rules(family, main_instance(), peer(kExternal), agreed, own).next_hop;
  }
  fsm::Negotiated agreed;
};

TEST_F(ExportRulesTest, TheSessionsOwnAddressIsTheNextHopOfItsFamily) {
  EXPECT_EQ(next_hop(Family::v4, {.session = kV4}), (NextHop{kV4, {}}));
  EXPECT_EQ(next_hop(Family::v6, {.session = kV6}), (NextHop{kV6, {}}));
}

TEST_F(ExportRulesTest, TheOtherFamilyTakesAnAddressOfTheSameInterfaceOrNone) {
  EXPECT_EQ(next_hop(Family::v6, {.session = kV4, .other = kV6}), (NextHop{kV6, {}}));
  EXPECT_EQ(next_hop(Family::v4, {.session = kV6, .other = kV4}), (NextHop{kV4, {}}));
  EXPECT_EQ(next_hop(Family::v6, {.session = kV4}), std::nullopt);
}

TEST_F(ExportRulesTest, Ipv4GoesOverIpv6WhereBothSidesOfferIt) {
  agreed.send.extended_next_hop = agreed.ours.capabilities.extended_next_hop = {{kIpv4Unicast, 2}};
  EXPECT_EQ(next_hop(Family::v4, {.session = kV6, .other = kV4}), (NextHop{kV6, {}}));
  EXPECT_EQ(next_hop(Family::v4, {.session = kV4}), (NextHop{kV4, {}})) << "an IPv4 session has no need of it";
}

TEST_F(ExportRulesTest, Ipv4StaysOnIpv4WhereOneSideAloneOffersIpv6NextHops) {
  for (const bool theirs : {false, true}) {
    agreed.send.extended_next_hop.clear();
    agreed.ours.capabilities.extended_next_hop.clear();
    (theirs ? agreed.send.extended_next_hop : agreed.ours.capabilities.extended_next_hop) = {{kIpv4Unicast, 2}};
    EXPECT_EQ(next_hop(Family::v4, {.session = kV6, .other = kV4}), (NextHop{kV4, {}})) << theirs;
    EXPECT_EQ(next_hop(Family::v4, {.session = kV6}), std::nullopt) << theirs;
    EXPECT_FALSE(
        export_rules(Family::v4, main_instance(), peer(kExternal), agreed, {.session = kV6}).v6_next_hop_for_v4)
        << theirs << ": nor where a route names its next hop";
  }
}

TEST_F(ExportRulesTest, ALinkLocalSessionSendsItsGlobalAddressAlongIfThereIsOne) {
  agreed.send.extended_next_hop = agreed.ours.capabilities.extended_next_hop = {{kIpv4Unicast, 2}};
  for (const Family f : {Family::v4, Family::v6}) {
    EXPECT_EQ(next_hop(f, {.session = kLinkLocal}), (NextHop{kLinkLocal, {}}));
    EXPECT_EQ(next_hop(f, {.session = kLinkLocal, .global_v6 = kV6}), (NextHop{kV6, kLinkLocal}));
  }
}

class BfdSession : public testing::Test {
 protected:
  BfdSession() { p.bfd.emplace(); }
  std::optional<BfdEdge::Session> session() const { return bfd_session(main_instance(), p, path); }

  PeerConfig p = peer(kExternal);
  PeerPath path{.remote = p.address, .local = kV4};
};

TEST_F(BfdSession, IsOnlyThereWhenItIsWantedAndThePeersAddressIsKnown) {
  EXPECT_TRUE(session());
  path.remote.reset();
  EXPECT_FALSE(session()) << "nobody knows the peer's address";
  path.remote = p.address;
  p.held_down = "no password";
  EXPECT_FALSE(session()) << "held down";
  p.held_down.clear();
  p.bfd.reset();
  EXPECT_FALSE(session()) << "not wanted";
}

TEST_F(BfdSession, OfAnExternalPeerIsSingleHopUnlessItIsSaidToBeFarAway) {
  EXPECT_FALSE(session()->multihop);
  p.ebgp_multihop = 3;
  EXPECT_TRUE(session()->multihop);
  EXPECT_EQ(session()->local, kV4);
  path.local.reset();
  EXPECT_FALSE(session()) << "multihop needs our address";
}

TEST_F(BfdSession, OfAnInternalPeerIsSingleHopInANetworkWithUsAndMultihopBeyondIt) {
  p.remote_as = kInternal;
  EXPECT_TRUE(session()->multihop);
  path.on_link = true;
  EXPECT_FALSE(session()->multihop);
}

TEST_F(BfdSession, ComesFromTheAddressOfTheSourceInterfaceLikeBgp) {
  for (const auto& [remote, local] :
       {std::pair(*Address::parse("10.0.0.2"), kV4), std::pair(*Address::parse("2001:db8::2"), kV6)}) {
    for (const bool multihop : {false, true}) {
      p = peer(kExternal);
      p.bfd.emplace().multihop = multihop;
      p.address = remote;
      path = {.remote = remote, .local = local};
      ASSERT_TRUE(session());
      if (!multihop) {
        EXPECT_EQ(session()->local, std::nullopt) << "without one routes say it";
      }
      p.source_interface = "bgp0";
      ASSERT_TRUE(session());
      EXPECT_EQ(session()->local, local);
      EXPECT_EQ(session()->multihop, multihop);
      path.local.reset();
      EXPECT_FALSE(session()) << "not known yet, and any other would be wrong";
      p.local_address = local;
      ASSERT_TRUE(session());
      EXPECT_EQ(session()->local, local) << "what is named goes before the interface";
    }
  }
}

TEST_F(BfdSession, TakesTheHopsThatTheConfigurationNames) {
  p.bfd->multihop = true;
  path.on_link = true;
  EXPECT_TRUE(session()->multihop);
  p.bfd->multihop = false;
  p.ebgp_multihop = 3;
  EXPECT_FALSE(session()->multihop);
}

TEST_F(BfdSession, BeyondTheLinkTakesAsFewHopsAsTtlSecurityLeavesToBgp) {
  p.bfd->multihop = true;
  EXPECT_EQ(session()->min_ttl, 1) << "RFC 5883 leaves it open";
  p.ttl_security = 2;
  EXPECT_EQ(session()->min_ttl, 254);
  EXPECT_EQ(session()->min_ttl, tcp_options(main_instance(), p).min_ttl);
  p.bfd->minimum_ttl = 60;
  EXPECT_EQ(session()->min_ttl, 60) << "a peer that sends BFD with a TTL of its own";
}

TEST_F(BfdSession, OfALinkLocalPeerIsSingleHopWhateverElseIsSaid) {
  path.remote = kLinkLocal;
  p.bfd->multihop = true;
  EXPECT_FALSE(session()->multihop);
}

}  // namespace
}  // namespace weft::bgp
