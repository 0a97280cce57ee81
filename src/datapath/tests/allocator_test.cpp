#include <gtest/gtest.h>

#include <random>

#include "datapath/id_allocator.h"

namespace weft {
namespace {

TEST(IdAllocator, gives_each_id_once_and_never_zero) {
  IdAllocator ids(130);
  std::set<std::uint32_t> seen;
  while (const auto id = ids.allocate()) EXPECT_TRUE(seen.insert(*id).second) << *id;
  EXPECT_EQ(seen.size(), 130u);
  EXPECT_EQ(*seen.begin(), 1u);
  EXPECT_EQ(*seen.rbegin(), 130u);
}

TEST(IdAllocator, lets_a_freed_id_rest_before_it_is_used_again) {
  IdAllocator ids(3);
  const auto a = *ids.allocate();
  ids.free(a);
  EXPECT_NE(*ids.allocate(), a);
  EXPECT_NE(*ids.allocate(), a);
  EXPECT_EQ(*ids.allocate(), a);
}

TEST(IdAllocator, reserves_what_was_found_and_refuses_it_twice) {
  IdAllocator ids(10);
  EXPECT_TRUE(ids.reserve(4));
  EXPECT_FALSE(ids.reserve(4));
  EXPECT_FALSE(ids.reserve(0));
  EXPECT_FALSE(ids.reserve(11));
  for (int i = 0; i < 9; ++i) EXPECT_NE(*ids.allocate(), 4u);
  EXPECT_FALSE(ids.allocate());
}

TEST(RangeAllocator, order_is_the_smallest_that_holds) {
  EXPECT_EQ(order_for(1), 0);
  EXPECT_EQ(order_for(2), 1);
  EXPECT_EQ(order_for(3), 2);
  EXPECT_EQ(order_for(16'381), 14);
  EXPECT_EQ(order_for(16'384), 14);
}

TEST(RangeAllocator, uses_every_slot_of_a_size_that_is_no_power_of_two) {
  RangeAllocator ranges(1000);
  std::set<std::uint32_t> seen;
  while (const auto r = ranges.allocate(0)) EXPECT_TRUE(seen.insert(r->first).second);
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(*seen.rbegin(), 999u);
}

TEST(RangeAllocator, ranges_never_overlap_and_all_come_back) {
  constexpr std::uint32_t size = 4096;
  RangeAllocator ranges(size);
  std::mt19937 random(7);
  std::vector<bool> taken(size);
  std::vector<SlotRange> held;
  const auto mark = [&](SlotRange r, bool value) {
    for (std::uint32_t i = r.first; i < r.first + r.count(); ++i) {
      ASSERT_NE(taken.at(i), value) << "slot " << i;
      taken[i] = value;
    }
  };
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0 || held.empty()) {
      if (const auto r = ranges.allocate(static_cast<int>(random() % 8))) {
        EXPECT_EQ(r->first % r->count(), 0u);
        mark(*r, true);
        held.push_back(*r);
      }
    } else {
      std::swap(held[random() % held.size()], held.back());
      mark(held.back(), false);
      ranges.free(held.back());
      held.pop_back();
    }
  }
  for (const auto r : held) ranges.free(r);
  EXPECT_EQ(ranges.used(), 0u);
  EXPECT_TRUE(ranges.allocate(12)) << "the whole must have grown together again";
}

TEST(RangeAllocator, reserves_a_range_inside_a_larger_free_one) {
  RangeAllocator ranges(64);
  EXPECT_TRUE(ranges.reserve({20, 2}));
  EXPECT_FALSE(ranges.reserve({20, 2}));
  EXPECT_FALSE(ranges.reserve({16, 4})) << "contains a taken part";
  EXPECT_FALSE(ranges.reserve({21, 1})) << "not aligned";
  EXPECT_FALSE(ranges.reserve({64, 0})) << "out of range";
  EXPECT_TRUE(ranges.reserve({16, 2}));
  ranges.free({16, 2});
  ranges.free({20, 2});
  EXPECT_TRUE(ranges.allocate(6));
}

}  // namespace
}  // namespace weft
