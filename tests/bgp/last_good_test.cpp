// What is wrong is refused in words, and whoever was well before stays as it was; its routes are those of now.
#include <gmock/gmock.h>

#include <algorithm>

#include "bgp/bench.h"

namespace weft::bgp::test {
namespace {

using ::testing::HasSubstr;

class LastGoodTest : public NetTest {};

TEST_F(LastGoodTest, a_faulty_peer_keeps_its_last_good_configuration_and_its_neighbours_run) {
  Pair p;
  p.start();
  ASSERT_TRUE(p.meet());
  p.a.peer().hold_time = 1s;
  p.a.config().peers.push_back(peer("c", "10.99.0.3", "10.99.0.1", 65003));
  const auto faults = p.a.speaker->apply(p.a.wanted);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_THAT(faults[0].why, HasSubstr("hold time 1 s"));
  EXPECT_TRUE(p.a.up()) << p.seen()();
  EXPECT_EQ(p.a.status().flaps, 0u);
  EXPECT_EQ(p.a.speaker->peers().size(), 2u);
}

TEST_F(LastGoodTest, a_faulty_peer_keeps_its_routes_when_their_set_has_another_name) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 20);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 20; }, p.seen()));
  // A set is called after the first peer that has it; that peer went, and one route came.
  p.a.peer().hold_time = 1s;
  p.a.wanted.instances["main"].route_sets.clear();
  p.a.set("renamed") = routes("10.1.0.0", 21);
  p.a.peer().routes = {{kIpv4Unicast, "renamed"}, {kIpv6Unicast, "renamed"}};
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 1u);
  ASSERT_TRUE(p.loop.until("the new route too", [&] { return p.b.received("a") == 21; }, p.seen()));
  // Nor does a drain pass it by.
  p.a.peer().graceful_shutdown = true;
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 1u);
  ASSERT_TRUE(p.loop.until(
      "the mark",
      [&] {
        const auto all = p.b.speaker->routes_received();
        return !all.empty() && all[0].attributes.has_community(kGracefulShutdown);
      },
      p.seen()));
  // Nor does its end: without a mark, and without routes, which a set of the old name has still.
  p.a.peer().graceful_shutdown = false;
  p.a.peer().routes.clear();
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 1u);
  ASSERT_TRUE(p.loop.until("no route", [&] { return p.b.received("a") == 0; }, p.seen()));
  EXPECT_EQ(p.a.status().flaps, 0u);
}

TEST_F(LastGoodTest, a_faulty_instance_keeps_its_last_good_configuration_and_announces_what_is_wanted_now) {
  Pair p;
  p.a.config().peers.push_back(peer("c", "10.99.0.3", "10.99.0.1", 65003));
  p.a.set() = routes("10.1.0.0", 20);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 20; }, p.seen()));
  p.a.config().local_as = 23456;
  p.a.config().router_id = {};
  p.a.set() = routes("10.1.0.0", 19);
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 2u);
  ASSERT_TRUE(p.loop.until("one route less", [&] { return p.b.received("a") == 19; }, p.seen()));
  p.a.wanted.instances["main"].route_sets.clear();
  p.a.set("renamed") = routes("10.1.0.0", 18);
  p.a.peer().routes = {{kIpv4Unicast, "renamed"}};
  p.a.peer().graceful_shutdown = true;
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 2u);
  ASSERT_TRUE(p.loop.until(
      "the mark on what is left",
      [&] {
        const auto all = p.b.speaker->routes_received();
        return all.size() == 18 && std::all_of(all.begin(), all.end(), [](const RouteView& r) {
                 return r.attributes.has_community(kGracefulShutdown);
               });
      },
      p.seen()));
  EXPECT_EQ(p.a.speaker->peers().size(), 2u);
  p.a.config().peers.pop_back();
  EXPECT_EQ(p.a.speaker->apply(p.a.wanted).size(), 2u);
  EXPECT_EQ(p.a.speaker->peers().size(), 1u) << "nobody wants the other";
  EXPECT_EQ(p.a.status().flaps, 0u);
  EXPECT_EQ(p.a.status().local_as, kAsA);
}

TEST_F(LastGoodTest, a_last_good_configuration_yields_to_a_sound_one_that_it_cannot_be_beside) {
  Loop loop;
  Node n(loop);
  n.wanted.instances.clear();
  for (const char* name : {"blue", "red"}) {
    InstanceConfig& c = n.wanted.instances[name].config = instance(kAsA, "10.99.0.1");
    c.peers = {peer("a", "10.99.0.2", "10.99.0.1", kAsB)};
    c.peers[0].password = "s3cret-1";
    c.peers[0].passive = true;
  }
  n.apply();
  // The password is another one, and something else of blue's peer is wrong: back on the old one it cannot be met at
  // the address where red's has the new one.
  for (auto& [name, i] : n.wanted.instances) i.config.peers[0].password = "s3cret-2";
  n.wanted.instances["blue"].config.peers[0].hold_time = 2s;
  const auto faults = n.speaker->apply(n.wanted);
  EXPECT_TRUE(n.speaker->peer("red", "a")) << "it is as it shall be";
  EXPECT_FALSE(n.speaker->peer("blue", "a"));
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_THAT(faults[0].why, HasSubstr("BGP peer blue/a: hold time 2 s"));
  EXPECT_THAT(faults[1].why, HasSubstr("peer red/a too, which has another password"));
  EXPECT_THAT(faults[1].why, HasSubstr("its last good configuration ends too"));
}

TEST_F(LastGoodTest, of_two_instances_with_two_passwords_for_one_peer_the_second_is_refused_and_the_first_runs) {
  Pair p;
  p.a.peer().password = p.b.peer().password = "one";
  p.a.wanted.instances["other"].config = instance(65009, "10.99.0.1");
  p.a.wanted.instances["other"].config.peers = {peer("b2", "10.99.0.2", "10.99.0.1", kAsB)};
  PeerConfig& second = p.a.wanted.instances["other"].config.peers[0];
  second.password = "one";
  EXPECT_TRUE(p.a.speaker->apply(p.a.wanted).empty());
  EXPECT_EQ(p.a.speaker->peers().size(), 2u);
  // What the second had before is no way out either: it is not what the kernel may have now.
  p.a.peer().password = p.b.peer().password = "two";
  const auto faults = p.a.speaker->apply(p.a.wanted);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_THAT(faults[0].why,
              HasSubstr("BGP peer other/b2: address 10.99.0.2 and port 179 are those of peer main/b too"));
  EXPECT_EQ(p.a.speaker->peers().size(), 1u);
  p.b.apply();
  EXPECT_TRUE(p.meet());
}

}  // namespace
}  // namespace weft::bgp::test
