// Two daemons of ours, and the processes that use them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bfd/loop/loop.h"
#include "bfd/world.h"
#include "netlink/netns.h"

namespace weft::bfdtest {
namespace {

using bfd::State;

class PairTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(enter_sandbox()) << "needs root"; }
  World world{{"a", "b"}};
  Daemon left{world, "a"}, right{world, "b"};
  bfd::SessionConfig to_b = session("10.0.0.2"), to_a = session("10.0.0.1");
  std::unique_ptr<User> a = std::make_unique<User>(left, "agent");
  std::unique_ptr<User> b = std::make_unique<User>(right, "agent", 5s);

  void bring_up() {
    a->want({to_b});
    b->want({to_a});
    ASSERT_TRUE(a->until_state(to_b.key, State::up)) << a->describe(to_b.key) << left.log();
    ASSERT_TRUE(b->until_state(to_a.key, State::up)) << b->describe(to_a.key) << right.log();
    ASSERT_TRUE(until([&] { return a->status(to_b.key).detection_time == 150ms; })) << a->describe(to_b.key);
  }
};

TEST_F(PairTest, the_daemon_says_how_it_runs_and_sends_a_truthful_c_bit) {
  bring_up();
  EXPECT_TRUE(a->status(to_b.key).remote_control_plane_independent);
  const auto overview = left.overview();
  EXPECT_TRUE(overview.daemon.control_plane_independent);
  EXPECT_THAT(overview.daemon.scheduling, testing::AnyOf(testing::HasSubstr("SCHED_FIFO"), testing::HasSubstr("nice")));
  ASSERT_EQ(overview.rows.size(), 1u);
  EXPECT_THAT(overview.rows[0].clients, testing::ElementsAre("agent"));
  ASSERT_TRUE(a->client().presence().daemon);
  EXPECT_EQ(*a->client().presence().daemon, overview.daemon);
}

TEST_F(PairTest, sha1_sessions_come_up_and_go_on) {
  to_a.auth = to_b.auth = bfd::AuthKey{1, "a shared secret"};
  bring_up();
  EXPECT_TRUE(until([&] { return a->status(to_b.key).counters.received > 50; })) << a->describe(to_b.key);
  EXPECT_EQ(a->status(to_b.key).counters.discarded.total(), 0u) << a->describe(to_b.key);
}

TEST_F(PairTest, a_wrong_key_a_missing_key_and_a_needless_key_keep_the_session_down_and_are_named) {
  const auto expect = [&](bfd::Discard reason) {
    a->want({to_b});
    b->want({to_a});
    const bool counted = until([&] { return a->status(to_b.key).counters.discarded[reason] > 0; });
    EXPECT_TRUE(counted) << to_string(reason) << " " << a->describe(to_b.key);
    EXPECT_NE(a->status(to_b.key).state, State::up);
  };
  to_a.auth = bfd::AuthKey{1, "wrong"};
  to_b.auth = bfd::AuthKey{1, "right"};
  expect(bfd::Discard::auth_digest);
  to_a.auth.reset();
  expect(bfd::Discard::auth_missing);
  to_a.auth = bfd::AuthKey{2, "right"};
  expect(bfd::Discard::auth_key_id);
  to_b.auth.reset();
  expect(bfd::Discard::auth_unexpected);
  to_b.auth = to_a.auth;
  bring_up();
}

TEST_F(PairTest, a_client_that_crashes_and_comes_back_leaves_its_sessions_up) {
  bring_up();
  b->vanish();
  work_for(1s);
  EXPECT_EQ(a->status(to_b.key).state, State::up) << a->describe(to_b.key);
  b = std::make_unique<User>(right, "agent", 5s);
  b->want({to_a});
  EXPECT_TRUE(b->until_state(to_a.key, State::up)) << b->describe(to_a.key);
  EXPECT_EQ(b->status(to_a.key).counters.times_up, 1u) << "it is the session of before";
  EXPECT_EQ(a->status(to_b.key).counters.times_down, 0u) << a->describe(to_b.key);
}

TEST_F(PairTest, a_client_that_does_not_come_back_is_forgotten_and_its_peer_is_told_admin_down) {
  b = std::make_unique<User>(right, "agent", 300ms);
  bring_up();
  b->vanish();
  ASSERT_TRUE(a->until_state(to_b.key, State::down)) << a->describe(to_b.key) << right.log();
  EXPECT_EQ(a->status(to_b.key).down_reason, bfd::DownReason::peer_admin_down) << a->describe(to_b.key);
  EXPECT_TRUE(until([&] { return right.overview().rows.empty(); }));
}

TEST_F(PairTest, a_client_may_ask_for_another_linger_while_it_is_connected) {
  b = std::make_unique<User>(right, "agent", 300ms);
  bring_up();
  const auto since = b->client().presence().since;
  b->client().set_linger(20s);
  ASSERT_TRUE(until([&] { return right.log().find("20000") != std::string::npos; })) << right.log();
  EXPECT_EQ(b->client().presence().since, since) << "it is the connection of before";
  b->vanish();
  work_for(1s);
  EXPECT_EQ(a->status(to_b.key).state, State::up) << a->describe(to_b.key) << right.log();
}

TEST_F(PairTest, two_sessions_to_one_peer_from_two_addresses_of_ours_are_two) {
  world.run("a", "ip addr add 10.0.0.11/24 dev eth0");
  auto second = to_b;
  second.key.local = *Address::parse("10.0.0.11");
  const auto to_second = session("10.0.0.11");
  a->want({to_b, second});
  b->want({to_a, to_second});
  const auto up_from_its_own = [&] {
    const auto s = a->status(second.key);
    return s.state == State::up && s.source.address == *second.key.local;
  };
  EXPECT_TRUE(until(up_from_its_own, 10s)) << a->describe(second.key) << left.log();
  EXPECT_TRUE(a->until_state(to_b.key, State::up)) << a->describe(to_b.key);
  EXPECT_TRUE(b->until_state(to_second.key, State::up)) << b->describe(to_second.key);
  EXPECT_TRUE(b->until_state(to_a.key, State::up)) << b->describe(to_a.key);
  EXPECT_NE(a->status(second.key).local_discriminator, a->status(to_b.key).local_discriminator);
}

TEST_F(PairTest, a_clean_bye_is_admin_down_at_once_whatever_the_linger) {
  bring_up();
  b->bye();
  ASSERT_TRUE(a->until_state(to_b.key, State::down)) << a->describe(to_b.key);
  EXPECT_EQ(a->status(to_b.key).down_reason, bfd::DownReason::peer_admin_down);
  EXPECT_TRUE(until([&] { return right.overview().rows.empty(); }));
}

TEST_F(PairTest, two_clients_share_a_session_and_the_last_one_ends_it) {
  bring_up();
  User l2(left, "l2");
  auto slow = session("10.0.0.2", 300ms);
  l2.want({slow});
  ASSERT_TRUE(l2.until_state(slow.key, State::up)) << l2.describe(slow.key);
  EXPECT_EQ(l2.status(slow.key).local_discriminator, a->status(to_b.key).local_discriminator);
  EXPECT_EQ(l2.status(slow.key).detection_time, 150ms) << "as quick as the quicker asks";
  a->bye();
  ASSERT_TRUE(until([&] { return l2.status(slow.key).detection_time == 900ms; })) << l2.describe(slow.key);
  EXPECT_EQ(l2.status(slow.key).state, State::up);
  EXPECT_EQ(l2.status(slow.key).counters.times_down, 0u) << l2.describe(slow.key);
  l2.bye();
  EXPECT_TRUE(b->until_state(to_a.key, State::down)) << b->describe(to_a.key);
}

TEST_F(PairTest, a_stopped_daemon_says_admin_down_and_its_clients_know_only_that_it_is_gone) {
  bring_up();
  right.stop();
  ASSERT_TRUE(a->until_state(to_b.key, State::down)) << a->describe(to_b.key);
  EXPECT_EQ(a->status(to_b.key).down_reason, bfd::DownReason::peer_admin_down) << a->describe(to_b.key);
  ASSERT_TRUE(until([&] { return !b->client().presence().connected; }));
  EXPECT_FALSE(b->status(to_a.key).known);
  EXPECT_FALSE(bfd::path_failed(b->status(to_a.key))) << b->describe(to_a.key);
  EXPECT_THAT(b->status(to_a.key).why, testing::HasSubstr("weft-bfd"));
  right.start();
  EXPECT_TRUE(b->until_state(to_a.key, State::up)) << b->describe(to_a.key) << right.log();
  EXPECT_TRUE(a->until_state(to_b.key, State::up)) << a->describe(to_b.key);
}

TEST_F(PairTest, a_killed_daemon_is_a_failure_to_the_peer) {
  bring_up();
  right.kill();
  ASSERT_TRUE(a->until_state(to_b.key, State::down)) << a->describe(to_b.key);
  EXPECT_EQ(a->status(to_b.key).down_reason, bfd::DownReason::detection_expired);
  EXPECT_TRUE(bfd::path_failed(a->status(to_b.key)));
}

TEST_F(PairTest, a_second_daemon_in_the_same_namespace_says_what_is_wrong) {
  Process second({WEFT_BFD, "--socket", world.dir() + "/other.sock"}, world.netns("a"), world.dir() + "/second.log");
  EXPECT_TRUE(until([&] { return !second.alive(); }));
  EXPECT_THAT(second.log(), testing::HasSubstr("another BFD daemon runs in this network namespace"));
}

TEST_F(PairTest, a_session_that_cannot_send_says_why_and_recovers) {
  auto c = to_b;
  c.key.interface = "eth9";
  a->want({c});
  const bool said =
      until([&] { return a->status(c.key).why.find("interface eth9 does not exist") != std::string::npos; });
  EXPECT_TRUE(said) << a->describe(c.key);
  b->want({to_a});
  world.run("a", "ip link set eth0 down && ip link set eth0 name eth9 && ip link set eth9 up");
  EXPECT_TRUE(a->until_state(c.key, State::up)) << a->describe(c.key);
}

TEST_F(PairTest, an_impossible_wish_is_refused_and_the_rest_runs) {
  auto impossible = session("10.0.0.77", 1ms);
  a->want({to_b, impossible});
  b->want({to_a});
  ASSERT_TRUE(a->until_state(to_b.key, State::up)) << a->describe(to_b.key);
  EXPECT_EQ(a->status(impossible.key).down_reason, bfd::DownReason::refused);
  EXPECT_THAT(a->status(impossible.key).why, testing::HasSubstr("use 10 ms to 60 s"));
}

TEST_F(PairTest, a_thousand_sessions_do_not_disturb_one_another) {
  // Most of them to nobody: the worst that a user can ask for by mistake.
  bring_up();
  std::vector<bfd::SessionConfig> many{to_b};
  for (unsigned i = 0; i < 1000; ++i) {
    many.push_back(to_b);
    many.back().key.peer = Address::v4(0x0a000000u + 1024 + i);
  }
  world.run("a", "ip route add 10.0.4.0/22 dev lo");
  a->want(many);
  ASSERT_TRUE(until([&] { return left.overview().rows.size() == 1001; }));
  work_for(2s);
  a->want({to_b});
  ASSERT_TRUE(until([&] { return left.overview().rows.size() == 1; }));
  EXPECT_EQ(a->status(to_b.key).counters.times_down, 0u) << a->describe(to_b.key);
  EXPECT_EQ(b->status(to_a.key).counters.times_down, 0u) << b->describe(to_a.key);
}

// The library without the daemon.
TEST_F(PairTest, a_loop_in_process_does_the_same) {
  left.stop();
  auto ns = netlink::open_netns(world.netns("a"));
  ASSERT_TRUE(ns);
  auto loop = bfd::Loop::start({.realtime = false, .netns = ns->get()});
  ASSERT_TRUE(loop) << loop.error().message;
  (*loop)->set_sessions({to_b});
  b->want({to_a});
  ASSERT_TRUE(b->until_state(to_a.key, State::up)) << b->describe(to_a.key);
  EXPECT_FALSE(b->status(to_a.key).remote_control_plane_independent) << "it dies with its process and says so";
  State last = State::down;
  EXPECT_TRUE(until([&] {
    for (const auto& s : (*loop)->take()) last = s.state;
    return last == State::up;
  }));
  ASSERT_EQ((*loop)->snapshot().size(), 1u);
  EXPECT_GT((*loop)->snapshot()[0].counters.received, 0u);
  (*loop)->stop();
  ASSERT_TRUE(b->until_state(to_a.key, State::down)) << b->describe(to_a.key);
  EXPECT_EQ(b->status(to_a.key).down_reason, bfd::DownReason::peer_admin_down);
}

}  // namespace
}  // namespace weft::bfdtest
