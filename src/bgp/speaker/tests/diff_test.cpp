#include "bgp/speaker/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

PeerConfig peer(const std::string& name, const std::string& address) {
  PeerConfig p;
  p.name = name;
  p.address = *Address::parse(address);
  p.remote_as = {PeerAs::Kind::exact, 65000};
  return p;
}

InstanceConfig instance() {
  InstanceConfig i;
  i.name = "main";
  i.local_as = 65001;
  i.router_id = RouterId{0x0a000001};
  i.listen_port = 179;
  i.peers = {peer("a", "10.0.0.1"), peer("b", "10.0.0.2")};
  return i;
}

PeerDifference after(const std::function<void(PeerConfig&)>& change) {
  const InstanceConfig i = instance();
  PeerConfig p = i.peers[0];
  change(p);
  return difference(i, i.peers[0], i, p);
}

TEST(ReceivedLimit, a_peer_without_a_limit_has_one_all_the_same_and_says_which) {
  PeerConfig p;
  EXPECT_EQ(received_limit(p), 4'000'000u);
  p.max_received = 5;
  EXPECT_EQ(received_limit(p), 5u);
}

TEST(Difference, OfEqualPeersIsNone) {
  const auto d = after([](PeerConfig&) {});
  EXPECT_EQ(d.change, PeerChange::none);
  EXPECT_THAT(d.fields, IsEmpty());
}

TEST(Difference, RoutesImportLimitsAndBfdAreAdjustedOnTheRunningSession) {
  EXPECT_EQ(after([](PeerConfig& p) { p.routes[kIpv4Unicast] = "services"; }).change, PeerChange::adjust);
  EXPECT_EQ(after([](PeerConfig& p) { p.import = ImportPolicy{}; }).change, PeerChange::adjust);
  EXPECT_EQ(after([](PeerConfig& p) { p.max_received = 10; }).change, PeerChange::adjust);
  EXPECT_EQ(after([](PeerConfig& p) { p.bfd = PeerBfd{}; }).change, PeerChange::adjust);
  EXPECT_EQ(after([](PeerConfig& p) { p.connect_retry = std::chrono::seconds(5); }).change, PeerChange::adjust);
  EXPECT_EQ(after([](PeerConfig& p) { p.passive = true; }).change, PeerChange::adjust);
}

TEST(Difference, WhatOpenOrTcpCarriesResetsTheSession) {
  EXPECT_EQ(after([](PeerConfig& p) { p.password = "secret"; }).change, PeerChange::reset);
  EXPECT_EQ(after([](PeerConfig& p) { p.hold_time = std::chrono::seconds(9); }).change, PeerChange::reset);
  EXPECT_EQ(after([](PeerConfig& p) { p.families = {kIpv4Unicast}; }).change, PeerChange::reset);
  EXPECT_EQ(after([](PeerConfig& p) { p.graceful_restart.emplace(); }).change, PeerChange::reset);
  EXPECT_EQ(after([](PeerConfig& p) { p.ttl_security = 1; }).change, PeerChange::reset);
  EXPECT_EQ(after([](PeerConfig& p) { p.port = 1790; }).change, PeerChange::reset);
}

TEST(Difference, APeerThatIsMetElsewhereIsAnotherOne) {
  const std::vector<std::pair<std::string, std::function<void(PeerConfig&)>>> moves{
      {"address", [](PeerConfig& p) { p.address = *Address::parse("10.0.0.9"); }},
      {"address", [](PeerConfig& p) { p.address.reset(); }},
      {"interface", [](PeerConfig& p) { p.interface = "eth2"; }},
      {"local address", [](PeerConfig& p) { p.local_address = *Address::parse("10.0.0.9"); }},
      {"source interface", [](PeerConfig& p) { p.source_interface = "bgp0"; }},
  };
  for (const auto& [field, move] : moves) {
    const InstanceConfig was = instance();
    InstanceConfig is = was;
    move(is.peers[0]);
    is.peers[0].password = "secret";  // whatever else is new
    is.peers[1].max_received = 5;
    EXPECT_THAT(difference(was, was.peers[0], is, is.peers[0]).fields, ElementsAre(field, "password"));
    const auto d = difference(was, is);
    EXPECT_THAT(d.removed, ElementsAre("a")) << field;
    EXPECT_THAT(d.added, ElementsAre("a")) << field;
    ASSERT_THAT(d.changed, SizeIs(1)) << field;
    EXPECT_EQ(d.changed[0].first, "b");
  }
}

TEST(Difference, NamesEveryFieldAndTakesTheGreatestCost) {
  const auto d = after([](PeerConfig& p) {
    p.password = "secret";
    p.max_received = 5;
  });
  EXPECT_EQ(d.change, PeerChange::reset);
  EXPECT_THAT(d.fields, ElementsAre("password", "received limit"));
}

TEST(Difference, AnotherAsnOfTheInstanceResetsAllItsPeers) {
  const InstanceConfig was = instance();
  InstanceConfig is = was;
  is.local_as = 65002;
  EXPECT_THAT(difference(was, is).changed, SizeIs(2));
}

TEST(Difference, TellsAddedFromRemovedPeers) {
  const InstanceConfig was = instance();
  InstanceConfig is = was;
  is.peers[1] = peer("c", "10.0.0.3");
  const auto d = difference(was, is);
  EXPECT_THAT(d.removed, ElementsAre("b"));
  EXPECT_THAT(d.added, ElementsAre("c"));
  EXPECT_THAT(d.changed, IsEmpty());
}

TEST(Listeners, OfBothFamiliesWhenNoAddressIsNamed) {
  Wanted w;
  w.instances["main"].config = instance();
  EXPECT_THAT(wanted_listeners(w),
              ElementsAre(SocketAddress{Address::any(Family::v4), 179}, SocketAddress{Address::any(Family::v6), 179}));
}

TEST(Listeners, AreSharedByInstancesAndSwallowedByTheWildcard) {
  Wanted w;
  w.instances["main"].config = instance();
  w.instances["other"].config = instance();
  w.instances["other"].config.listen_addresses = {*Address::parse("10.0.0.9")};
  EXPECT_THAT(wanted_listeners(w), SizeIs(2));
  w.instances["main"].config.listen_port.reset();
  EXPECT_THAT(wanted_listeners(w), ElementsAre(SocketAddress{*Address::parse("10.0.0.9"), 179}));
}

TEST(Faults, NoneInASoundConfiguration) {
  Wanted w;
  w.instances["main"].config = instance();
  EXPECT_THAT(faults(w), IsEmpty());
}

TEST(Faults, NameThePeerTheFieldTheValueAndTheMend) {
  Wanted w;
  w.instances["main"].config = instance();
  w.instances["main"].config.peers[0].hold_time = std::chrono::seconds(2);
  w.instances["main"].config.peers[1].address.reset();
  const auto f = faults(w);
  ASSERT_THAT(f, SizeIs(2));
  EXPECT_EQ(f[0].why, "BGP peer main/a: hold time 2 s; it is 0 or 3 to 65535 s");
  EXPECT_EQ(f[1].peer, "b");
  EXPECT_THAT(f[1].why, HasSubstr("neither address nor interface"));
}

TEST(Faults, TwoPeersOfOneAddressAreOneTooMany) {
  Wanted w;
  w.instances["main"].config = instance();
  w.instances["main"].config.peers[1].address = w.instances["main"].config.peers[0].address;
  EXPECT_THAT(faults(w), SizeIs(1));
}

TEST(Faults, TwoPasswordsOfOneAddressAtOneListenerNameBothPeers) {
  Wanted w;
  w.instances["blue"].config = w.instances["red"].config = instance();
  for (auto& [name, i] : w.instances) i.config.name = name;
  PeerConfig& blue = w.instances["blue"].config.peers[0];
  PeerConfig& red = w.instances["red"].config.peers[0];
  InstanceConfig& reds = w.instances["red"].config;
  blue.password = red.password = "s3cret-1";
  EXPECT_THAT(faults(w), IsEmpty());
  red.password = "s3cret-2";
  auto f = faults(w);
  ASSERT_THAT(f, SizeIs(1));
  EXPECT_EQ(f[0].instance, "red");
  EXPECT_EQ(f[0].peer, "a");
  EXPECT_THAT(f[0].why, AllOf(HasSubstr("BGP peer red/a: "), HasSubstr("peer blue/a"), HasSubstr("another localPort")));
  EXPECT_THAT(f[0].why, Not(HasSubstr("s3cret"))) << "passwords are not for logs";
  red.password.reset();  // it would have to come unsigned where the other must not
  EXPECT_THAT(faults(w), SizeIs(1));
  red.held_down = "Secret kube-system/red is missing";
  EXPECT_THAT(faults(w), IsEmpty()) << "nobody meets there";
  red.held_down.clear();
  for (const std::optional<Port>& port : {std::optional<Port>(1790), std::optional<Port>()}) {
    reds.listen_port = port;
    EXPECT_THAT(faults(w), IsEmpty()) << "each has its own socket";
  }
  reds.listen_port = 179;
  reds.listen_addresses = {*Address::parse("10.0.0.9")};
  EXPECT_THAT(faults(w), SizeIs(1)) << "the wildcard of the other takes both";
  w.instances["blue"].config.listen_addresses = {*Address::parse("10.0.0.8")};
  EXPECT_THAT(faults(w), IsEmpty());
}

TEST(Faults, TwoPasswordsOfOneLinkLocalAddressOnTwoLinksNameBothPeers) {
  Wanted w;
  InstanceConfig& i = w.instances["main"].config = instance();
  i.peers = {peer("left", "fe80::1"), peer("right", "fe80::1")};
  i.peers[0].interface = "eth1";
  i.peers[1].interface = "eth2";
  EXPECT_THAT(faults(w), IsEmpty());
  i.peers[0].password = i.peers[1].password = "s3cret-1";
  EXPECT_THAT(faults(w), IsEmpty());
  for (const auto& other : {std::optional<std::string>("s3cret-2"), std::optional<std::string>()}) {
    i.peers[1].password = other;
    const auto f = faults(w);
    ASSERT_THAT(f, SizeIs(1));
    EXPECT_EQ(f[0].peer, "right");
    EXPECT_THAT(f[0].why, AllOf(HasSubstr("BGP peer main/right: address fe80::1 "), HasSubstr("peer main/left"),
                                HasSubstr("whatever the link"), Not(HasSubstr("localPort"))));
  }
  i.listen_port.reset();
  EXPECT_THAT(faults(w), IsEmpty()) << "nobody arrives";
  i.listen_port = 179;
  i.peers[1].interface = "eth1";
  EXPECT_THAT(faults(w), SizeIs(1)) << "one peer too many, said once";
}

TEST(Faults, TheOneThatYieldsIsRefusedOfTwoPasswordsOfOneAddress) {
  Wanted w;
  w.instances["blue"].config = w.instances["red"].config = instance();
  for (auto& [name, i] : w.instances) i.config.name = name;
  w.instances["red"].config.peers[0].password = "s3cret-2";
  EXPECT_EQ(faults(w).at(0).instance, "red");
  const auto f = faults(w, {{"blue", "a"}});
  ASSERT_THAT(f, SizeIs(1));
  EXPECT_EQ(f[0].instance, "blue");
}

}  // namespace
}  // namespace weft::bgp
