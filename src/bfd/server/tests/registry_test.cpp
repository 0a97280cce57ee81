#include "bfd/server/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

SessionConfig to(const char* peer, std::chrono::milliseconds interval = 300ms) {
  SessionConfig c;
  c.key.peer = *Address::parse(peer);
  c.min_tx = c.min_rx = interval;
  return c;
}

SessionConfig from(const char* local, SessionConfig c) {
  c.key.local = *Address::parse(local);
  return c;
}

class RegistryTest : public testing::Test {
 protected:
  Registry registry{4};
  std::vector<std::string> clients_of(const SessionKey& key) {
    std::vector<std::string> out;
    for (const auto& i : registry.interested_in(key)) out.push_back(i.client);
    return out;
  }
};

TEST_F(RegistryTest, two_users_of_one_peer_share_a_session_as_quick_as_the_quicker_asks) {
  registry.want("agent", {to("10.0.0.2", 300ms)});
  auto quick = to("10.0.0.2", 50ms);
  quick.multiplier = 5;
  registry.want("l2", {quick});
  ASSERT_EQ(registry.merged().size(), 1u);
  EXPECT_EQ(registry.merged()[0].min_tx, 50ms);
  EXPECT_EQ(registry.merged()[0].multiplier, 3);
  EXPECT_THAT(clients_of(to("10.0.0.2").key), testing::ElementsAre("agent", "l2"));
  registry.forget("l2");
  EXPECT_EQ(registry.merged()[0].min_tx, 300ms);
  registry.forget("agent");
  EXPECT_TRUE(registry.merged().empty());
}

TEST_F(RegistryTest, who_leaves_something_open_joins_who_does_not_and_is_told_under_its_own_key) {
  registry.want("agent", {from("10.0.0.1", to("10.0.0.2"))});
  registry.want("l2", {to("10.0.0.2")});
  ASSERT_EQ(registry.merged().size(), 1u);
  const auto key = registry.merged()[0].key;
  const auto interested = registry.interested_in(key);
  ASSERT_EQ(interested.size(), 2u);
  EXPECT_EQ(interested[1].key, to("10.0.0.2").key);
}

TEST_F(RegistryTest, a_running_session_keeps_its_key_when_a_more_exact_user_comes) {
  registry.want("l2", {to("10.0.0.2")});
  registry.learn_source(to("10.0.0.2").key, *Address::parse("10.0.0.1"));
  registry.want("agent", {from("10.0.0.1", to("10.0.0.2"))});
  ASSERT_EQ(registry.merged().size(), 1u);
  EXPECT_EQ(registry.merged()[0].key, to("10.0.0.2").key);
  registry.want("agent", {from("10.0.0.9", to("10.0.0.2"))});
  EXPECT_EQ(registry.merged().size(), 2u) << "another address of ours is another session";
}

TEST_F(RegistryTest, who_named_another_address_of_ours_gets_its_own_session_once_the_source_is_known) {
  const auto any = to("10.0.0.2"), exact = from("10.0.0.9", to("10.0.0.2")), right = from("10.0.0.1", to("10.0.0.2"));
  registry.want("agent", {any, exact});
  registry.want("l2", {right});
  ASSERT_EQ(registry.merged().size(), 1u) << "nobody knows the source yet";
  EXPECT_TRUE(registry.learn_source(any.key, *Address::parse("10.0.0.1")));
  ASSERT_EQ(registry.merged().size(), 2u);
  EXPECT_THAT(clients_of(any.key), testing::ElementsAre("agent", "l2"));
  EXPECT_THAT(clients_of(exact.key), testing::ElementsAre("agent"));
  EXPECT_FALSE(registry.learn_source(any.key, *Address::parse("10.0.0.1"))) << "no news";
  EXPECT_FALSE(registry.learn_source(exact.key, *Address::parse("10.0.0.9"))) << "it was asked for";
}

TEST_F(RegistryTest, another_key_is_no_conflict_once_the_source_shows_that_it_is_another_session) {
  auto keyed = from("10.0.0.9", to("10.0.0.2"));
  keyed.auth = AuthKey{1, "secret"};
  registry.want("agent", {to("10.0.0.2"), keyed});
  ASSERT_EQ(registry.refused("agent").size(), 1u);
  EXPECT_TRUE(registry.learn_source(to("10.0.0.2").key, *Address::parse("10.0.0.1")));
  EXPECT_TRUE(registry.refused("agent").empty());
  EXPECT_EQ(registry.merged().size(), 2u);
}

TEST_F(RegistryTest, other_links_and_other_distances_are_other_sessions) {
  auto a = to("fe80::1"), b = to("fe80::1");
  a.key.interface = "eth0", b.key.interface = "eth1";
  auto far = from("10.0.0.1", to("10.0.0.2"));
  far.key.hops = Hops::multi;
  registry.want("agent", {a, b, far, from("10.0.0.1", to("10.0.0.2"))});
  EXPECT_EQ(registry.merged().size(), 4u);
}

TEST_F(RegistryTest, a_session_is_admin_down_only_if_all_its_users_say_so) {
  auto down = to("10.0.0.2");
  down.admin_down = true;
  registry.want("agent", {down});
  EXPECT_TRUE(registry.merged()[0].admin_down);
  registry.want("l2", {to("10.0.0.2")});
  EXPECT_FALSE(registry.merged()[0].admin_down);
}

TEST_F(RegistryTest, two_keys_for_one_session_are_refused_to_the_second) {
  auto keyed = to("10.0.0.2");
  keyed.auth = AuthKey{1, "secret"};
  registry.want("agent", {to("10.0.0.2")});
  registry.want("l2", {keyed});
  EXPECT_FALSE(registry.merged()[0].auth);
  const auto refused = registry.refused("l2");
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].down_reason, DownReason::refused);
  EXPECT_THAT(refused[0].why, testing::HasSubstr("agent uses this session with no authentication key"));
  registry.forget("agent");
  EXPECT_TRUE(registry.merged()[0].auth);
  EXPECT_TRUE(registry.refused("l2").empty());
}

TEST_F(RegistryTest, an_impossible_session_is_refused_and_the_others_run) {
  registry.want("agent", {to("10.0.0.2", 1ms), to("10.0.0.3")});
  EXPECT_EQ(registry.merged().size(), 1u);
  ASSERT_EQ(registry.refused("agent").size(), 1u);
  EXPECT_THAT(registry.refused("agent")[0].why, testing::HasSubstr("min_tx 1000 us is out of range"));
  EXPECT_EQ(registry.refused("agent"), registry.refused("agent")) << "asking again is no news";
}

TEST_F(RegistryTest, what_is_too_much_is_refused_and_what_ran_goes_on) {
  registry.want("l2", {to("10.0.0.2"), to("10.0.0.3"), to("10.0.0.4"), to("10.0.0.5")});
  registry.want("z", {to("10.0.0.6"), to("10.0.0.2")});
  EXPECT_EQ(registry.merged().size(), 4u);
  ASSERT_EQ(registry.refused("z").size(), 1u);
  EXPECT_THAT(registry.refused("z")[0].why, testing::HasSubstr("there are 4 sessions already"));
  EXPECT_EQ(registry.sessions_of("z").size(), 1u);
}

TEST_F(RegistryTest, the_same_session_said_twice_is_one) {
  registry.want("agent", {to("10.0.0.2"), to("10.0.0.2")});
  EXPECT_EQ(registry.merged().size(), 1u);
  EXPECT_EQ(registry.sessions_of("agent").size(), 1u);
}

}  // namespace
}  // namespace weft::bfd
