#include "bgp/rib/out_group.h"

#include <gtest/gtest.h>

#include "bgp/rib/route_set.h"
#include "bgp/rib/tests/receiver.h"
#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::prefix;
using test::Receiver;
using test::route;
using test::via;
using test::with_med;
using State = OutGroup::State;

ExportRules external_v4() {
  ExportRules rules;
  rules.local_as = 65001;
  rules.four_octet_asn = true;
  rules.next_hop = via("192.0.2.1");
  return rules;
}

RouteTable many(std::uint32_t count, std::uint32_t attribute_sets = 10) {
  RouteTable table(Family::v4);
  std::vector<SharedAttributes> sets;
  for (std::uint32_t i = 0; i < attribute_sets; ++i) sets.emplace_back(with_med(i));
  for (std::uint32_t i = 0; i < count; ++i)
    table.set({Prefix(Address::v4(0x0a000000 + (i << 8)), 24), sets[i % attribute_sets]});
  return table;
}

Prefix nth(std::uint32_t i) { return {Address::v4(0x0a000000 + (i << 8)), 24}; }

RouteTable v4(std::initializer_list<Route> routes) { return RouteSet(routes).table(Family::v4); }

TEST(OutGroup, a_new_peer_gets_all_routes_and_then_end_of_rib) {
  OutGroup group(external_v4());
  group.update(many(1000), true);
  const auto peer = group.join();
  EXPECT_TRUE(group.has_output(peer));
  EXPECT_EQ(group.advertised(peer), 0U);
  EXPECT_EQ(group.pending(peer), 1000U);
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 1000U);
  EXPECT_EQ(receiver.end_of_ribs, 1U);
  EXPECT_EQ(receiver.updates, receiver.updates_said);
  EXPECT_TRUE(group.end_of_rib_sent(peer));
  EXPECT_EQ(group.advertised(peer), 1000U);
  EXPECT_EQ(group.pending(peer), 0U);
}

TEST(OutGroup, routes_of_equal_attributes_travel_together) {
  OutGroup group(external_v4());
  group.update(many(20000), true);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 20000U);
  // About 1000 prefixes of four octets fit into a message of 4096.
  EXPECT_LE(receiver.updates, 10U * 3 + 1);
}

TEST(OutGroup, equal_attributes_travel_together_even_if_they_are_not_one_object) {
  OutGroup group(external_v4());
  RouteTable table(Family::v4);
  for (std::uint32_t i = 0; i < 600; ++i) table.set({nth(i), with_med(7)});
  group.update(table, false);
  Receiver receiver(group.rules());
  receiver.drain(group, group.join());
  EXPECT_EQ(receiver.table.size(), 600U);
  EXPECT_EQ(receiver.updates, 1U);
}

TEST(OutGroup, changing_one_attribute_of_one_route_sends_that_route_only) {
  OutGroup group(external_v4());
  RouteTable table = many(5000);
  group.update(table, true);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  receiver.announced.clear();
  const std::size_t before = receiver.updates;

  RouteAttributes changed = with_med(100);
  changed.path.communities = {kNoExport};
  table.set({nth(77), changed});
  group.update(table, true);
  EXPECT_EQ(group.pending(peer), 1U);
  EXPECT_EQ(group.why(peer, nth(77)).state, State::announcing);
  EXPECT_EQ(group.why(peer, nth(78)).state, State::advertised);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.announced, std::set{nth(77)});
  EXPECT_EQ(receiver.updates, before + 1);
  EXPECT_TRUE(receiver.withdrawn.empty());
  EXPECT_EQ(receiver.table.at(nth(77)).path.communities, std::vector{kNoExport});
  EXPECT_EQ(receiver.end_of_ribs, 1U);
}

TEST(OutGroup, a_change_that_is_taken_back_before_it_was_sent_is_never_sent) {
  OutGroup group(external_v4());
  const RouteTable table = many(100);
  group.update(table, true);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  const std::size_t before = receiver.messages;
  RouteTable other = table;
  other.remove(nth(5));
  other.set({nth(1000), {}});
  group.update(other, true);
  group.update(table, true);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.messages, before);
}

TEST(OutGroup, an_empty_table_withdraws_all) {
  OutGroup group(external_v4());
  group.update(many(3000), true);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  group.update(RouteTable(Family::v4), true);
  EXPECT_EQ(group.why(peer, nth(1)).state, State::withdrawing);
  receiver.drain(group, peer);
  EXPECT_TRUE(receiver.table.empty());
  EXPECT_EQ(receiver.withdrawn.size(), 3000U);
  EXPECT_EQ(group.why(peer, nth(1)).state, State::absent);
}

TEST(OutGroup, end_of_rib_waits_until_the_wanted_set_is_complete) {
  OutGroup group(external_v4());
  group.update(many(10), false);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 10U);
  EXPECT_EQ(receiver.end_of_ribs, 0U);
  group.update(many(20), false);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.end_of_ribs, 0U);
  EXPECT_FALSE(group.end_of_rib_sent(peer));
  group.update(many(25), true);
  EXPECT_TRUE(group.has_output(peer));
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 25U);
  EXPECT_EQ(receiver.end_of_ribs, 1U);
  group.update(many(26), true);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.end_of_ribs, 1U);
}

TEST(OutGroup, end_of_rib_is_sent_even_if_there_is_no_route) {
  OutGroup group(external_v4());
  const auto early = group.join();
  Receiver first(group.rules());
  first.drain(group, early);
  EXPECT_EQ(first.end_of_ribs, 0U);
  group.update(RouteTable(Family::v4), true);
  first.drain(group, early);
  EXPECT_EQ(first.end_of_ribs, 1U);
  Receiver second(group.rules());
  second.drain(group, group.join());
  EXPECT_EQ(second.end_of_ribs, 1U);
}

TEST(OutGroup, who_comes_while_the_set_is_incomplete_again_gets_its_end_of_rib_later) {
  OutGroup group(external_v4());
  const RouteTable table = many(10);
  group.update(table, true);
  const auto early = group.join();
  Receiver first(group.rules());
  first.drain(group, early);
  group.update(table, false);
  const auto late = group.join();
  Receiver second(group.rules());
  second.drain(group, late);
  EXPECT_EQ(second.end_of_ribs, 0U);
  group.update(table, true);
  first.drain(group, early);
  second.drain(group, late);
  EXPECT_EQ(first.end_of_ribs, 1U);
  EXPECT_EQ(second.end_of_ribs, 1U);
}

TEST(OutGroup, peers_share_the_very_bytes) {
  OutGroup group(external_v4());
  group.update(many(2000), true);
  const auto a = group.join();
  const auto b = group.join();
  const OutChunkRef chunk = group.next(a);
  EXPECT_EQ(group.next(b), chunk);
  const auto late = group.join();
  EXPECT_EQ(group.next(late), chunk);
  RouteTable table = many(2000);
  table.set({nth(3), with_med(55)});
  for (const auto peer : {a, b, late})
    while (group.next(peer)) {
    }
  group.update(table, true);
  const OutChunkRef change = group.next(a);
  ASSERT_NE(change, nullptr);
  EXPECT_EQ(group.next(b), change);
  EXPECT_EQ(group.next(late), change);
}

TEST(OutGroup, a_peer_that_comes_after_a_change_is_not_told_the_past) {
  OutGroup group(external_v4());
  RouteTable table = many(100);
  group.update(table, true);
  const auto a = group.join();
  Receiver receiver(group.rules());
  receiver.drain(group, a);
  table.remove(nth(1));
  group.update(table, true);
  Receiver late(group.rules());
  late.drain(group, group.join());
  EXPECT_TRUE(late.withdrawn.empty());
  EXPECT_FALSE(late.announced.contains(nth(1)));
  EXPECT_EQ(late.table.size(), 99U);
}

TEST(OutGroup, a_slow_peer_delays_nobody_and_is_sent_only_the_latest) {
  OutLimits limits;
  limits.ring_chunks = 4;
  OutGroup group(external_v4(), limits);
  RouteTable table = many(100);
  group.update(table, true);
  const auto fast = group.join();
  const auto slow = group.join();
  Receiver quick(group.rules());
  Receiver sluggish(group.rules());
  quick.drain(group, fast);
  sluggish.drain(group, slow);
  const std::size_t before = sluggish.messages;
  for (std::uint32_t version = 1; version <= 1000; ++version) {
    table.set({nth(5), with_med(1000 + version)});
    if (version == 500) table.set({nth(600), {}});
    if (version == 600) table.remove(nth(600));  // came and went while it was away
    group.update(table, true);
    quick.drain(group, fast);
  }
  EXPECT_EQ(quick.updates, before + 1002);
  EXPECT_EQ(group.pending(slow), 1U);
  sluggish.drain(group, slow);
  EXPECT_EQ(sluggish.messages, before + 1);
  EXPECT_TRUE(sluggish.withdrawn.empty());
  EXPECT_EQ(sluggish.table, quick.table);
  // And from then on it shares again.
  table.set({nth(6), with_med(5000)});
  group.update(table, true);
  EXPECT_EQ(group.next(fast), group.next(slow));
}

TEST(OutGroup, a_route_refresh_sends_everything_again_to_that_peer_alone) {
  OutGroup group(external_v4());
  group.update(many(500), true);
  const auto a = group.join();
  const auto b = group.join();
  Receiver ra(group.rules());
  Receiver rb(group.rules());
  ra.drain(group, a);
  rb.drain(group, b);
  ra.announced.clear();
  group.refresh(a, false);
  EXPECT_FALSE(group.has_output(b));
  EXPECT_EQ(group.pending(a), 500U);
  ra.drain(group, a);
  EXPECT_EQ(ra.announced.size(), 500U);
  EXPECT_EQ(ra.begins + ra.ends, 0U);
  EXPECT_EQ(ra.end_of_ribs, 1U);
}

TEST(OutGroup, an_enhanced_route_refresh_stands_between_its_marks) {
  OutLimits limits;
  limits.chunk_routes = 100;
  OutGroup group(external_v4(), limits);
  RouteTable table = many(500);
  group.update(table, true);
  const auto a = group.join();
  Receiver ra(group.rules());
  ra.drain(group, a);
  ra.announced.clear();
  group.refresh(a, true);
  ra.take(group.next(a)->bytes);
  EXPECT_EQ(ra.begins, 1U);
  EXPECT_EQ(ra.ends, 0U);
  // Changes in the middle, on both sides of what was resent.
  table.remove(nth(3));
  table.remove(nth(400));
  table.set({nth(4), with_med(99)});
  group.update(table, true);
  ra.drain(group, a);
  EXPECT_EQ(ra.ends, 1U);
  EXPECT_EQ(ra.announced.size(), 499U);  // all but 400, which went before it was resent
  EXPECT_EQ(ra.table.size(), 498U);
  EXPECT_EQ(ra.table.at(nth(4)).path.med, 99U);
}

class OutGroupInterrupted : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(asks_again, OutGroupInterrupted, ::testing::Bool());

TEST_P(OutGroupInterrupted, an_enhanced_route_refresh_ends_when_the_session_moves_and_also_when_it_asks_again) {
  OutLimits limits;
  limits.chunk_routes = 100;
  OutGroup before(external_v4(), limits);
  OutGroup after(external_v4(), limits);
  const RouteTable table = many(500);
  before.update(table, true);
  after.update(table, true);
  auto peer = before.join();
  Receiver receiver(before.rules());
  receiver.drain(before, peer);
  before.refresh(peer, true);
  receiver.take(before.next(peer)->bytes);
  receiver.announced.clear();
  peer = after.join(before.leave(peer), false);
  receiver.take(after.next(peer)->bytes);
  EXPECT_EQ(receiver.announced.size(), 100U);
  EXPECT_TRUE(receiver.refreshing);
  if (GetParam()) after.refresh(peer, false);
  receiver.drain(after, peer);
  EXPECT_FALSE(receiver.refreshing);
  EXPECT_EQ(receiver.begins, 1U);
  EXPECT_EQ(receiver.ends, 1U);
}

TEST(OutGroup, routes_without_a_next_hop_are_refused_and_say_why) {
  ExportRules rules = external_v4();
  rules.next_hop.reset();
  OutGroup group(rules);
  RouteAttributes with_hop;
  with_hop.next_hop = via("192.0.2.9");
  group.update(v4({{prefix("10.0.0.0/24"), {}}, {prefix("10.0.1.0/24"), with_hop}}), true);
  const auto peer = group.join();
  Receiver receiver(rules);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 1U);
  EXPECT_EQ(receiver.table.at(prefix("10.0.1.0/24")).next_hop, via("192.0.2.9"));
  const auto answer = group.why(peer, prefix("10.0.0.0/24"));
  EXPECT_EQ(answer.state, State::refused);
  EXPECT_EQ(answer.why, NotAdvertised::no_next_hop);
  EXPECT_EQ(group.why(peer, prefix("10.0.1.0/24")).state, State::advertised);
  EXPECT_EQ(group.why(peer, prefix("10.0.9.0/24")).state, State::absent);

  // A route that was sent and cannot be any more is withdrawn.
  group.update(v4({{prefix("10.0.1.0/24"), {}}}), true);
  EXPECT_EQ(group.why(peer, prefix("10.0.1.0/24")).state, State::withdrawing);
  receiver.drain(group, peer);
  EXPECT_TRUE(receiver.table.empty());
  EXPECT_EQ(group.why(peer, prefix("10.0.1.0/24")).state, State::refused);
}

TEST(OutGroup, a_session_that_moves_to_another_group_is_told_the_difference) {
  ExportRules rules = external_v4();
  OutGroup before(rules);
  before.update(many(300), true);
  const auto peer = before.join();
  Receiver receiver(rules);
  receiver.drain(before, peer);

  RouteTable other = many(200);
  other.set({nth(900), {}});
  OutGroup after(rules);
  after.update(other, true);
  const auto moved = after.join(before.leave(peer), false);
  EXPECT_EQ(before.peers(), 0U);
  receiver.announced.clear();
  receiver.drain(after, moved);
  EXPECT_EQ(receiver.announced, std::set{nth(900)});
  EXPECT_EQ(receiver.withdrawn.size(), 100U);
  EXPECT_EQ(receiver.end_of_ribs, 1U);
}

TEST(OutGroup, graceful_shutdown_sends_all_routes_again_with_its_community) {
  ExportRules rules = external_v4();
  OutGroup normal(rules);
  normal.update(many(300), true);
  rules.graceful_shutdown = true;
  OutGroup draining(rules);
  draining.update(many(300), true);
  const auto a = normal.join();
  const auto b = normal.join();
  Receiver ra(rules);
  Receiver rb(rules);
  ra.drain(normal, a);
  rb.drain(normal, b);
  EXPECT_TRUE(ra.table.at(nth(1)).path.communities.empty());
  const auto a2 = draining.join(normal.leave(a), true);
  const auto b2 = draining.join(normal.leave(b), true);
  const OutChunkRef chunk = draining.next(a2);
  EXPECT_EQ(draining.next(b2), chunk);
  ra.take(chunk->bytes);
  ra.drain(draining, a2);
  for (std::uint32_t i = 0; i < 300; ++i) EXPECT_TRUE(ra.table.at(nth(i)).path.has_community(kGracefulShutdown));
  EXPECT_TRUE(ra.withdrawn.empty());
}

TEST(OutGroup, a_cold_start_is_made_as_it_is_drained) {
  OutLimits limits;
  limits.chunk_routes = 1000;
  OutGroup group(external_v4(), limits);
  group.update(many(20000), true);
  const auto peer = group.join();
  Receiver receiver(group.rules());
  receiver.take(group.next(peer)->bytes);
  EXPECT_EQ(group.advertised(peer), 1000U);
  EXPECT_EQ(group.pending(peer), 19000U);
  std::size_t advertised = 0;
  std::size_t announcing = 0;
  group.for_each(peer, [&](const Prefix&, const OutGroup::Answer& answer) {
    advertised += answer.state == State::advertised;
    announcing += answer.state == State::announcing;
  });
  EXPECT_EQ(advertised, 1000U);
  EXPECT_EQ(announcing, 19000U);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 20000U);
}

TEST(OutGroup, ipv6_travels_like_ipv4) {
  ExportRules rules;
  rules.family = Family::v6;
  rules.ibgp = true;
  rules.local_as = 65001;
  rules.next_hop = via("fd00::1");
  OutGroup group(rules);
  RouteSet set;
  for (std::uint32_t i = 0; i < 3000; ++i) set.set({Prefix::host(test::address("fd00:1::").plus(i)), {}});
  group.update(set.table(Family::v6), true);
  const auto peer = group.join();
  Receiver receiver(rules);
  receiver.drain(group, peer);
  EXPECT_EQ(receiver.table.size(), 3000U);
  EXPECT_EQ(receiver.table.begin()->second.next_hop, via("fd00::1"));
  EXPECT_EQ(receiver.table.begin()->second.path.local_pref, 100U);
  group.update(RouteTable(Family::v6), true);
  receiver.drain(group, peer);
  EXPECT_TRUE(receiver.table.empty());
}

}  // namespace
}  // namespace weft::bgp
