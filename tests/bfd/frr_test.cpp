// Against FRR's bfdd. It has no authentication, so that is tested between two of ours (pair_test.cpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bfd/world.h"

namespace weft::bfdtest {
namespace {

using bfd::State;

std::string peer_block(const std::string& peer, int interval_ms = 50) {
  const auto n = std::to_string(interval_ms);
  return " peer " + peer + "\n  detect-multiplier 3\n  receive-interval " + n + "\n  transmit-interval " + n +
         "\n exit\n";
}

class FrrTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(enter_sandbox()) << "needs root"; }
};

TEST_F(FrrTest, single_hop_sessions_come_up_over_both_families_and_agree_on_the_intervals) {
  World world({"a", "r"});
  Frr frr(world, "r",
          "bfd\n" + peer_block("10.0.0.1 local-address 10.0.0.2 interface eth0") +
              peer_block("fd00::1 local-address fd00::2 interface eth0", 100));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  const auto v4 = session("10.0.0.2"), v6 = session("fd00::2");
  user.want({v4, v6});
  for (const auto& s : {v4, v6}) {
    ASSERT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key) << daemon.log();
    const bool agreed = until([&] { return user.status(s.key).detection_time < 1s; });
    EXPECT_TRUE(agreed) << user.describe(s.key);
  }
  EXPECT_EQ(user.status(v4.key).detection_time, 150ms);
  EXPECT_EQ(user.status(v6.key).detection_time, 300ms) << "FRR sends every 100 ms";
  EXPECT_FALSE(user.status(v4.key).remote_control_plane_independent) << "bfdd says 0 unless it offloads";
  EXPECT_TRUE(user.status(v4.key).control_plane_independent);
  EXPECT_TRUE(frr.until_status("10.0.0.1", "up"));
  EXPECT_TRUE(frr.until_status("fd00::1", "up"));
  EXPECT_TRUE(until([&] { return frr.number("10.0.0.1", "remote-transmit-interval") == 50; }))
      << frr.number("10.0.0.1", "remote-transmit-interval");
  EXPECT_GE(user.status(v4.key).source.port, 49152);
  EXPECT_NE(user.status(v4.key).source.port, user.status(v6.key).source.port);
}

TEST_F(FrrTest, a_link_local_session_belongs_to_its_link) {
  World world({"a", "r"});
  const auto ours = world.link_local("a").to_string(), theirs = world.link_local("r").to_string();
  Frr frr(world, "r", "bfd\n" + peer_block(ours + " local-address " + theirs + " interface eth0"));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  auto s = session(theirs);
  s.key.interface = "eth0";
  user.want({s});
  ASSERT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key) << daemon.log();
  EXPECT_EQ(user.status(s.key).source.address.to_string(), ours);
}

TEST_F(FrrTest, a_multihop_session_crosses_a_router) {
  World world({"a", "middle", "r"});
  // a and r do not see each other's addresses on the link: "middle" routes between their loopbacks.
  world.run("a",
            "ip addr add 10.8.0.1/32 dev lo && ip addr add fd08::1/128 dev lo && ip route add 10.9.0.1 via 10.0.0.2 && "
            "ip route add fd09::1 via fd00::2");
  world.run("r",
            "ip addr add 10.9.0.1/32 dev lo && ip addr add fd09::1/128 dev lo && ip route add 10.8.0.1 via 10.0.0.2 && "
            "ip route add fd08::1 via fd00::2");
  world.run("middle",
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0 "
            "net.ipv4.conf.eth0.send_redirects=0 && ip route add 10.8.0.1 via 10.0.0.1 && ip route add 10.9.0.1 via "
            "10.0.0.3 && "
            "ip route add fd08::1 via fd00::1 && ip route add fd09::1 via fd00::3");
  Frr frr(world, "r",
          "bfd\n" + peer_block("10.8.0.1 multihop local-address 10.9.0.1") +
              peer_block("fd08::1 multihop local-address fd09::1"));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  auto v4 = session("10.9.0.1"), v6 = session("fd09::1");
  v4.key.hops = v6.key.hops = bfd::Hops::multi;
  v4.key.local = *Address::parse("10.8.0.1");
  v6.key.local = *Address::parse("fd08::1");
  user.want({v4, v6});
  ASSERT_TRUE(user.until_state(v4.key, State::up)) << user.describe(v4.key) << daemon.log();
  ASSERT_TRUE(user.until_state(v6.key, State::up)) << user.describe(v6.key) << daemon.log();
  // A router more than allowed, and the session falls silent.
  v4.min_ttl = 255;
  user.want({v4, v6});
  ASSERT_TRUE(user.until_state(v4.key, State::down)) << user.describe(v4.key);
  const bool counted = until([&] { return user.status(v4.key).counters.discarded[bfd::Discard::ttl] > 0; });
  EXPECT_TRUE(counted) << user.describe(v4.key);
  EXPECT_EQ(user.status(v6.key).state, State::up);
}

TEST_F(FrrTest, a_packet_from_behind_a_router_is_no_neighbour) {
  World world({"a", "middle", "r"});
  world.run("a", "ip addr add 10.8.0.1/32 dev lo && ip route add 10.9.0.1 via 10.0.0.2");
  world.run("r", "ip addr add 10.9.0.1/32 dev lo && ip route add 10.8.0.1 via 10.0.0.2");
  world.run(
      "middle",
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 && "
      "ip route add 10.8.0.1 via 10.0.0.1 && ip route add 10.9.0.1 via 10.0.0.3");
  Daemon near(world, "a"), far(world, "r");
  User one(near, "test"), other(far, "test");
  auto to_far = session("10.9.0.1"), to_near = session("10.8.0.1");
  to_far.key.local = to_near.key.peer;
  to_near.key.local = to_far.key.peer;
  one.want({to_far});
  other.want({to_near});
  const bool seen = until([&] { return one.status(to_far.key).counters.discarded[bfd::Discard::ttl] >= 3; });
  EXPECT_TRUE(seen) << one.describe(to_far.key);
  EXPECT_EQ(one.status(to_far.key).state, State::down);
  EXPECT_THAT(one.status(to_far.key).why, testing::HasSubstr("came from further away"));
}

TEST_F(FrrTest, a_cut_link_is_seen_within_the_detection_time_by_both) {
  World world({"a", "r"});
  Frr frr(world, "r", "bfd\n" + peer_block("10.0.0.1 local-address 10.0.0.2 interface eth0"));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  const auto s = session("10.0.0.2");
  user.want({s});
  ASSERT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key) << daemon.log();
  ASSERT_TRUE(until([&] { return user.status(s.key).detection_time == 150ms; })) << user.describe(s.key);
  ASSERT_TRUE(until([&] { return frr.number("10.0.0.1", "remote-transmit-interval") == 50; }));
  const auto cut = Steady::now();
  world.cut("r");
  ASSERT_TRUE(user.until_state(s.key, State::down)) << user.describe(s.key);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(user.told().back().first - cut);
  RecordProperty("detected_after_ms", static_cast<int>(took.count()));
  std::printf("detected after %lld ms\n", static_cast<long long>(took.count()));
  EXPECT_GE(took, 90ms) << "packets arrived until just before";
  EXPECT_LE(took, 1000ms) << "150 ms, and what a loaded machine adds to this test's own process";
  const auto status = user.status(s.key);
  EXPECT_EQ(status.down_reason, bfd::DownReason::detection_expired);
  EXPECT_TRUE(bfd::path_failed(status));
  EXPECT_EQ(status.why, "10.0.0.2 was silent for 150 ms (3 x 50 ms): the path or the peer is dead");
  EXPECT_TRUE(frr.until_status("10.0.0.1", "down"));
  EXPECT_EQ(frr.text("10.0.0.1", "diagnostic"), "control detection time expired");
  world.mend("r");
  EXPECT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key);
  EXPECT_TRUE(frr.until_status("10.0.0.1", "up"));
}

TEST_F(FrrTest, admin_down_of_either_side_is_told_and_is_no_failure) {
  World world({"a", "r"});
  Frr frr(world, "r", "bfd\n" + peer_block("10.0.0.1 local-address 10.0.0.2 interface eth0"));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  auto s = session("10.0.0.2");
  user.want({s});
  ASSERT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key);
  const std::vector<std::string> peer{"bfd", "peer 10.0.0.1 local-address 10.0.0.2 interface eth0"};
  auto shut = peer, open = peer;
  shut.push_back("shutdown");
  open.push_back("no shutdown");

  frr.configure(shut);
  ASSERT_TRUE(user.until_state(s.key, State::down)) << user.describe(s.key);
  EXPECT_EQ(user.status(s.key).down_reason, bfd::DownReason::peer_admin_down);
  EXPECT_FALSE(bfd::path_failed(user.status(s.key)));
  frr.configure(open);
  ASSERT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key);

  s.admin_down = true;
  user.want({s});
  ASSERT_TRUE(user.until_state(s.key, State::admin_down)) << user.describe(s.key);
  EXPECT_TRUE(frr.until_status("10.0.0.1", "down"));
  EXPECT_TRUE(until([&] { return frr.text("10.0.0.1", "remote-diagnostic") == "administratively down"; }))
      << frr.text("10.0.0.1", "remote-diagnostic");
  s.admin_down = false;
  user.want({s});
  EXPECT_TRUE(user.until_state(s.key, State::up)) << user.describe(s.key);
}

TEST_F(FrrTest, timers_change_on_both_sides_without_a_flap) {
  World world({"a", "r"});
  Frr frr(world, "r", "bfd\n" + peer_block("10.0.0.1 local-address 10.0.0.2 interface eth0", 100));
  Daemon daemon(world, "a");
  User user(daemon, "test");
  auto s = session("10.0.0.2", 100ms);
  user.want({s});
  ASSERT_TRUE(until([&] { return user.status(s.key).detection_time == 300ms; })) << user.describe(s.key);
  // Ours.
  for (const auto interval : {300ms, 60ms}) {
    s.min_tx = s.min_rx = interval;
    user.want({s});
    EXPECT_TRUE(until([&] { return frr.number("10.0.0.1", "remote-transmit-interval") == interval.count(); }))
        << frr.number("10.0.0.1", "remote-transmit-interval");
    const auto expected = 3 * std::max<std::chrono::milliseconds>(interval, 100ms);
    EXPECT_TRUE(until([&] { return user.status(s.key).detection_time == expected; })) << user.describe(s.key);
  }
  // Theirs, by FRR's poll.
  frr.configure(
      {"bfd", "peer 10.0.0.1 local-address 10.0.0.2 interface eth0", "transmit-interval 200", "receive-interval 200"});
  EXPECT_TRUE(until([&] { return user.status(s.key).remote_min_rx == 200ms; })) << user.describe(s.key);
  EXPECT_TRUE(until([&] { return user.status(s.key).detection_time == 600ms; })) << user.describe(s.key);
  EXPECT_TRUE(until([&] { return user.status(s.key).tx_interval == 200ms; })) << user.describe(s.key);
  EXPECT_EQ(user.status(s.key).counters.times_down, 0u) << user.describe(s.key);
  EXPECT_EQ(frr.text("10.0.0.1", "status"), "up");
}

}  // namespace
}  // namespace weft::bfdtest
