#include "bgp/rib/route_set.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "bgp/rib/attribute_pool.h"
#include "bgp/rib/local_rib.h"
#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::prefix;
using test::route;
using test::with_med;

std::string text_of(const RouteSet& set) {
  std::string out;
  set.for_each([&](const Route& r) { out += r.prefix.to_string() + " "; });
  return out;
}

TEST(RouteSet, holds_routes_of_both_families_in_order) {
  const RouteSet set{route("fd00::/8"),  route("10.0.0.0/8"), route("10.0.0.0/16"), route("9.0.0.0/8"),
                     route("0.0.0.0/0"), route("::/0"),       route("fd00::1/128")};
  EXPECT_EQ(text_of(set), "0.0.0.0/0 9.0.0.0/8 10.0.0.0/8 10.0.0.0/16 ::/0 fd00::/8 fd00::1/128 ");
  EXPECT_EQ(set.size(), 7U);
  EXPECT_TRUE(set.contains(prefix("fd00::1/128")));
  EXPECT_FALSE(set.contains(prefix("fd00::1/127")));
}

TEST(RouteSet, says_whether_a_change_changed_anything) {
  RouteSet set;
  EXPECT_TRUE(set.set(route("10.0.0.0/8", 1)));
  EXPECT_FALSE(set.set(route("10.0.0.0/8", 1)));
  EXPECT_TRUE(set.set(route("10.0.0.0/8", 2)));
  EXPECT_EQ(set.find(prefix("10.0.0.0/8")), SharedAttributes(with_med(2)));
  EXPECT_FALSE(set.remove(prefix("10.0.0.0/9")));
  EXPECT_TRUE(set.remove(prefix("10.0.0.0/8")));
  EXPECT_TRUE(set.empty());
}

TEST(RouteSet, a_copy_does_not_see_later_changes) {
  RouteSet set{route("10.0.0.0/8", 1), route("11.0.0.0/8", 1)};
  const RouteSet before = set;
  EXPECT_TRUE(before.same(set));
  set.set(route("10.0.0.0/8", 2));
  set.remove(prefix("11.0.0.0/8"));
  EXPECT_FALSE(before.same(set));
  EXPECT_EQ(before.find(prefix("10.0.0.0/8")), SharedAttributes(with_med(1)));
  EXPECT_EQ(before.size(), 2U);
  EXPECT_EQ(set.size(), 1U);
}

TEST(RouteSet, equal_sets_are_equal_however_they_were_made) {
  RouteSet ascending;
  RouteSet descending;
  for (int i = 0; i < 3000; ++i) ascending.set({Prefix(Address::v4(static_cast<std::uint32_t>(i) << 8), 24), {}});
  for (int i = 3000; i-- > 0;) descending.set({Prefix(Address::v4(static_cast<std::uint32_t>(i) << 8), 24), {}});
  EXPECT_FALSE(ascending.same(descending));
  EXPECT_TRUE(ascending == descending);
  descending.set({Prefix(Address::v4(2999U << 8), 24), with_med(7)});
  EXPECT_FALSE(ascending == descending);
}

/// The same as a RouteSet, in the plainest way.
using Model = std::map<Prefix, SharedAttributes>;

Model contents(const RouteTable& table) {
  Model out;
  table.for_each([&](const PrefixKey& key, const SharedAttributes& a) { out.emplace(key.prefix(table.family()), a); });
  return out;
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(engine_); }
  Prefix prefix(Family f) {
    if (f == Family::v4) return {Address::v4(0x0a000000U + below(4000) * 64), 26 + below(3)};
    std::array<std::uint8_t, 16> b{0xfd};
    b[7] = static_cast<std::uint8_t>(below(60));
    b[15] = static_cast<std::uint8_t>(below(60));
    return {Address::v6(b), 126 + below(3)};
  }
  void change(RouteTable& table, Model& model) {
    const Prefix p = prefix(table.family());
    if (below(5) < 2) {
      EXPECT_EQ(table.remove(p), model.erase(p) == 1);
    } else {
      const SharedAttributes a(with_med(below(9)));
      const auto known = model.find(p);
      EXPECT_EQ(table.set({p, a}), known == model.end() || !(known->second == a));
      model.insert_or_assign(p, a);
    }
  }

 private:
  std::mt19937 engine_;
};

class RouteTableModel : public ::testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(families, RouteTableModel, ::testing::Values(Family::v4, Family::v6));

TEST_P(RouteTableModel, does_what_a_map_does) {
  Random random(1);
  RouteTable table(GetParam());
  Model model;
  for (int i = 0; i < 30000; ++i) {
    random.change(table, model);
    const Prefix p = random.prefix(GetParam());
    EXPECT_EQ(table.find(p).has_value(), model.contains(p));
    if (i % 1000 == 0) {
      ASSERT_EQ(contents(table), model);
    }
  }
  EXPECT_EQ(table.size(), model.size());
  while (!model.empty()) {
    ASSERT_TRUE(table.remove(model.begin()->first));
    model.erase(model.begin());
  }
  EXPECT_TRUE(table.empty());
}

TEST_P(RouteTableModel, the_difference_of_two_tables_makes_one_into_the_other) {
  Random random(2);
  RouteTable table(GetParam());
  Model model;
  for (int round = 0; round < 60; ++round) {
    const RouteTable before = table;
    Model patched = model;
    for (unsigned n = random.below(round % 10 == 0 ? 4000 : 20); n-- > 0;) random.change(table, model);
    std::optional<PrefixKey> last;
    before.diff(table, [&](const RouteTable::Change& c) {
      EXPECT_TRUE(!last || *last < c.key);
      last = c.key;
      const Prefix p = c.key.prefix(GetParam());
      EXPECT_EQ(c.before != nullptr, patched.contains(p));
      ASSERT_TRUE(c.before != nullptr || c.after != nullptr);
      ASSERT_FALSE(c.before != nullptr && c.after != nullptr && *c.before == *c.after);
      if (c.after == nullptr)
        patched.erase(p);
      else
        patched.insert_or_assign(p, *c.after);
    });
    ASSERT_EQ(patched, model);
  }
}

TEST_P(RouteTableModel, a_splice_has_the_low_part_of_one_and_the_high_part_of_the_other) {
  Random random(3);
  RouteTable low(GetParam());
  Model low_model;
  for (int i = 0; i < 3000; ++i) random.change(low, low_model);
  RouteTable high = low;
  Model high_model = low_model;
  for (int i = 0; i < 300; ++i) random.change(high, high_model);
  for (int i = 0; i < 40; ++i) {
    const Prefix at = random.prefix(GetParam());
    const RouteTable spliced = RouteTable::splice(low, high, PrefixKey::of(at));
    Model expected;
    for (const auto& [p, a] : low_model)
      if (p <= at) expected.emplace(p, a);
    for (const auto& [p, a] : high_model)
      if (p > at) expected.emplace(p, a);
    ASSERT_EQ(contents(spliced), expected);
    ASSERT_EQ(spliced.size(), expected.size());
    RouteTable changed = spliced;  // is a table like any other
    for (int n = 0; n < 20; ++n) random.change(changed, expected);
    ASSERT_EQ(contents(changed), expected);
    ASSERT_EQ(contents(low), low_model);
  }
}

TEST(RouteTable, from_a_key_on_a_difference_can_tell_what_is_equal_too) {
  RouteTable table(Family::v4);
  for (std::uint32_t i = 0; i < 2000; ++i) table.set({Prefix(Address::v4(i << 8), 24), {}});
  TableDiff all(table, table, PrefixKey{});
  int n = 0;
  for (RouteTable::Change c; all.next(c);) ++n;
  EXPECT_EQ(n, 2000);
  TableDiff half(table, table, PrefixKey::of(Prefix(Address::v4(1000 << 8), 24)));
  n = 0;
  for (RouteTable::Change c; half.next(c);) ++n;
  EXPECT_EQ(n, 1000);
}

TEST(AttributePool, equal_attributes_are_one_object) {
  AttributePool pool;
  const SharedAttributes a = pool.intern(with_med(1));
  EXPECT_TRUE(a.same(pool.intern(with_med(1))));
  EXPECT_FALSE(a.same(pool.intern(with_med(2))));
  EXPECT_FALSE(a == pool.intern(with_med(2)));
}

TEST(AttributePool, forgets_what_nobody_holds) {
  AttributePool pool;
  const SharedAttributes held = pool.intern(with_med(1));
  for (std::uint32_t i = 0; i < 100000; ++i) pool.intern(with_med(i));
  EXPECT_LE(pool.size(), 2048U);
  pool.trim();
  EXPECT_EQ(pool.size(), 1U);
  EXPECT_TRUE(held.same(pool.intern(with_med(1))));
}

// A peer that replaces one route again and again leaves sets behind that nobody holds; few of them may be large.
TEST(AttributePool, forgets_large_attributes_before_they_are_many) {
  AttributePool pool;
  std::vector<SharedAttributes> held;
  for (std::uint32_t i = 0; i < 5000; ++i) held.push_back(pool.intern(with_med(i)));
  for (std::uint32_t i = 0; i < 4000; ++i) {
    RouteAttributes large = with_med(i);
    large.path.communities.assign(15'000, i);
    pool.intern(std::move(large));
    ASSERT_LE(pool.bytes(), 2 * AttributePool::kLeastBytes + 100'000) << i;
  }
  pool.trim();
  EXPECT_EQ(pool.size(), held.size());
  std::size_t bytes = 0;
  for (const SharedAttributes& a : held) bytes += a.bytes();
  EXPECT_EQ(pool.bytes(), bytes);
}

TEST(LocalRib, counts_changes_and_knows_since_when_a_route_is_as_it_is) {
  LocalRib rib;
  EXPECT_TRUE(rib.replace({route("10.0.0.0/8"), route("11.0.0.0/8")}, 100));
  EXPECT_EQ(rib.revision(), 1U);
  EXPECT_FALSE(rib.replace({route("10.0.0.0/8"), route("11.0.0.0/8")}, 200));
  EXPECT_EQ(rib.revision(), 1U);
  EXPECT_TRUE(rib.replace({route("10.0.0.0/8"), route("11.0.0.0/8", 5), route("12.0.0.0/8")}, 300));
  EXPECT_EQ(rib.since(prefix("10.0.0.0/8")), 100U);
  EXPECT_EQ(rib.since(prefix("11.0.0.0/8")), 300U);
  EXPECT_EQ(rib.since(prefix("12.0.0.0/8")), 300U);
  EXPECT_TRUE(rib.set(route("12.0.0.0/8", 6), 400));
  EXPECT_FALSE(rib.set(route("12.0.0.0/8", 6), 500));
  EXPECT_EQ(rib.since(prefix("12.0.0.0/8")), 400U);
  EXPECT_TRUE(rib.remove(prefix("12.0.0.0/8"), 600));
  EXPECT_EQ(rib.since(prefix("12.0.0.0/8")), std::nullopt);
  EXPECT_EQ(rib.revision(), 4U);
}

}  // namespace
}  // namespace weft::bgp
