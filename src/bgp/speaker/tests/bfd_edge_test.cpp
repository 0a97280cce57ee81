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
  const auto c = bfd_configs({{"main/a", s}}).at("main/a");
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
  EXPECT_EQ(bfd_configs({{"main/a", s}}).at("main/a").min_ttl, 254);
}

TEST(BfdEdge, TwoPeersAtOneAddressShareASession) {
  BfdEdge::Session a = session("10.0.0.1"), b = a;
  b.parameters.multiplier = 9;
  const auto c = bfd_configs({{"one/a", a}, {"two/b", b}});
  EXPECT_EQ(c.at("one/a"), c.at("two/b"));
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
