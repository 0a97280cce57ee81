#include "bgp/speaker/bfd_edge.h"

#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

BfdEdge::Session session(const std::string& remote) {
  BfdEdge::Session s;
  s.remote = *Address::parse(remote);
  s.interface = "eth0";
  return s;
}

TEST(BfdEdge, SessionsBecomeConfigurationsWithTheirTimersAndKeys) {
  BfdEdge::Session s = session("10.0.0.1");
  s.parameters = {std::chrono::milliseconds(50), std::chrono::milliseconds(60), 5, "key", 7};
  const auto c = bfd_configs({{"main/a", s}}).sessions.at("main/a");
  EXPECT_EQ(c.key.interface, "eth0");
  EXPECT_EQ(c.key.hops, bfd::Hops::single);
  EXPECT_EQ(c.min_tx, std::chrono::milliseconds(50));
  EXPECT_EQ(c.min_rx, std::chrono::milliseconds(60));
  EXPECT_EQ(c.multiplier, 5);
  EXPECT_EQ(c.auth, (bfd::AuthKey{.id = 7, .secret = "key", .meticulous = true}));
}

TEST(BfdEdge, TheLeastTtlReachesTheDaemon) {
  BfdEdge::Session s = session("10.0.0.1");
  s.multihop = true;
  s.local = *Address::parse("10.0.1.1");
  s.min_ttl = 254;
  EXPECT_EQ(bfd_configs({{"main/a", s}}).sessions.at("main/a").min_ttl, 254);
}

TEST(BfdEdge, TwoPeersAtOneAddressShareASession) {
  using std::chrono::milliseconds;
  BfdEdge::Session a = session("10.0.0.1"), b = a;
  a.parameters = {.transmit = milliseconds(50), .receive = milliseconds(400), .multiplier = 9};
  b.parameters = {.transmit = milliseconds(300), .receive = milliseconds(60), .multiplier = 4};
  a.min_ttl = 1;
  b.min_ttl = 254;
  const BfdConfigs c = bfd_configs({{"one/a", a}, {"two/b", b}});
  EXPECT_EQ(c.sessions.at("one/a"), c.sessions.at("two/b"));
  const bfd::SessionConfig& both = c.sessions.at("one/a");
  EXPECT_EQ(both.min_tx, milliseconds(50)) << "as quick as the more demanding of them asks";
  EXPECT_EQ(both.min_rx, milliseconds(60));
  EXPECT_EQ(both.multiplier, 4);
  EXPECT_EQ(both.min_ttl, 254) << "and as strict";
  EXPECT_TRUE(c.refused.empty());
}

TEST(BfdEdge, ASessionHasOneKeyAndThePeerWithAnotherIsToldWhoseItIs) {
  BfdEdge::Session a = session("10.0.0.1"), b = a, c = a, other = session("10.0.0.2");
  a.parameters.sha1_key = "s3cret-1";
  b.parameters.sha1_key = "s3cret-2";
  b.parameters.transmit = std::chrono::milliseconds(50);
  const BfdConfigs configs = bfd_configs({{"one/a", a}, {"three/c", c}, {"two/b", b}, {"two/other", other}});
  EXPECT_EQ(configs.sessions.size(), 2u);
  EXPECT_EQ(configs.sessions.at("one/a").auth->secret, "s3cret-1");
  EXPECT_EQ(configs.sessions.at("one/a").min_tx, std::chrono::milliseconds(300)) << "who is refused wishes nothing";
  EXPECT_EQ(configs.refused,
            (std::map<std::string, std::string>{
                {"three/c",
                 "BFD session 10.0.0.1%eth0: peer one/a uses it with an authentication key: use the same for both"},
                {"two/b",
                 "BFD session 10.0.0.1%eth0: peer one/a uses it with another authentication key: use the same "
                 "for both"}}));
}

TEST(BfdEdge, WhoIsRefusedHearsWhyAndWhoIsTakenAfterAllHearsOfTheSession) {
  asio::io_context io;
  bfd::Client client(io, {});
  BfdClientEdge edge(io, client);
  std::map<std::string, BfdEdge::Status> told;
  edge.on_change([&](const std::string& name, const BfdEdge::Status& status) { told[name] = status; });
  const auto want = [&](const std::map<std::string, BfdEdge::Session>& sessions) {
    told.clear();
    edge.want(sessions);
    EXPECT_TRUE(told.empty()) << "never from within want()";
    io.restart();
    io.poll();
  };
  BfdEdge::Session a = session("10.0.0.1"), b = a;
  b.parameters.sha1_key = "s3cret";
  want({{"one/a", a}, {"two/b", b}});
  EXPECT_EQ(told["two/b"].state, BfdEdge::Status::State::waiting);
  EXPECT_EQ(told["two/b"].words,
            "BFD session 10.0.0.1%eth0: peer one/a uses it with no authentication key: use the same for both");
  EXPECT_EQ(client.sessions().size(), 1u);
  want({{"one/a", a}, {"two/b", b}});
  EXPECT_FALSE(told.contains("two/b")) << "it is said once";
  want({{"one/a", a}, {"two/b", a}});
  EXPECT_EQ(told["two/b"].words, bfd_status(*client.find({a.remote, {}, "eth0"})).words);
}

TEST(BfdEdge, OnlyASessionThatWasUpAndLostItsPathHasFailed) {
  using State = BfdEdge::Status::State;
  bfd::SessionStatus row;
  EXPECT_EQ(bfd_status(row).state, State::waiting) << "never up";
  row.state = bfd::State::up;
  row.down_reason = bfd::DownReason::none;
  EXPECT_EQ(bfd_status(row).state, State::up);
  row.known = false;
  EXPECT_EQ(bfd_status(row).state, State::waiting) << "the daemon cannot be asked";
  row.known = true;
  row.state = bfd::State::down;
  row.down_reason = bfd::DownReason::detection_expired;
  row.counters.times_down = 1;
  EXPECT_EQ(bfd_status(row).state, State::failed);
  row.down_reason = bfd::DownReason::peer_admin_down;
  EXPECT_EQ(bfd_status(row).state, State::waiting) << "administratively down is no failure";
}

}  // namespace
}  // namespace weft::bgp
