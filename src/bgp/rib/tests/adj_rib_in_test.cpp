#include "bgp/rib/adj_rib_in.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::kSanitized;
using test::prefix;
using test::with_med;
using test::with_path;

constexpr std::uint32_t kRoutes = kSanitized ? 30'000 : 300'000;

TEST(Judge, finds_our_asn_anywhere_in_the_path) {
  const ReceiveRules rules{.local_as = 65001, .peer_as = 65100};
  EXPECT_EQ(judge(with_path({65100, 65200}).path, rules), Unusable::no);
  EXPECT_EQ(judge(with_path({65100, 65001, 65200}).path, rules), Unusable::as_loop);
  PathAttributes set = with_path({65100}).path;
  set.as_path.segments.push_back({AsPathSegment::Type::set, {7, 65001}});
  EXPECT_EQ(judge(set, rules), Unusable::as_loop);
}

TEST(Judge, wants_the_first_as_of_an_external_peer_to_be_its_own) {
  ReceiveRules rules{.local_as = 65001, .peer_as = 65100};
  EXPECT_EQ(judge(with_path({65200, 65100}).path, rules), Unusable::first_as);
  EXPECT_EQ(judge(PathAttributes{}, rules), Unusable::first_as);
  rules.enforce_first_as = false;
  EXPECT_EQ(judge(with_path({65200, 65100}).path, rules), Unusable::no);
  rules.enforce_first_as = true;
  rules.ibgp = true;
  EXPECT_EQ(judge(PathAttributes{}, rules), Unusable::no);
}

TEST(Judge, finds_our_router_id_in_what_reflectors_add) {
  const ReceiveRules rules{.local_as = 65001, .router_id = {9}, .ibgp = true, .peer_as = 65001};
  PathAttributes path;
  path.originator_id = RouterId{9};
  EXPECT_EQ(judge(path, rules), Unusable::originator_loop);
  path.originator_id = RouterId{8};
  path.cluster_list = {{7}, {9}};
  EXPECT_EQ(judge(path, rules), Unusable::cluster_loop);
}

TEST(AdjRibIn, keeps_every_route_also_the_unusable) {
  AdjRibIn rib(Family::v4);
  EXPECT_TRUE(rib.announce(prefix("10.0.0.0/8"), with_med(1), Unusable::no, 5));
  EXPECT_TRUE(rib.announce(prefix("10.0.0.0/9"), with_med(1), Unusable::as_loop, 6));
  EXPECT_EQ(rib.size(), 2U);
  EXPECT_EQ(rib.unusable(), 1U);
  EXPECT_NE(rib.usable(prefix("10.0.0.0/8")), nullptr);
  EXPECT_EQ(rib.usable(prefix("10.0.0.0/9")), nullptr);
  const auto looped = rib.find(prefix("10.0.0.0/9"));
  ASSERT_TRUE(looped);
  EXPECT_EQ(looped->unusable, Unusable::as_loop);
  EXPECT_EQ(looped->since, 6U);
  EXPECT_TRUE(rib.announce(prefix("10.0.0.0/9"), with_med(1), Unusable::no, 7));
  EXPECT_EQ(rib.unusable(), 0U);
  EXPECT_FALSE(rib.withdraw(prefix("10.0.0.0/10")));
  EXPECT_TRUE(rib.withdraw(prefix("10.0.0.0/9")));
  EXPECT_EQ(rib.size(), 1U);
}

TEST(AdjRibIn, the_same_again_changes_nothing_not_even_its_age) {
  AdjRibIn rib(Family::v4);
  const SharedAttributes a(with_med(1));
  rib.announce(prefix("10.0.0.0/8"), a, Unusable::no, 5);
  EXPECT_FALSE(rib.announce(prefix("10.0.0.0/8"), a, Unusable::no, 9));
  EXPECT_EQ(rib.find(prefix("10.0.0.0/8"))->since, 5U);
}

TEST(AdjRibIn, what_a_restarted_peer_does_not_send_again_is_swept) {
  AdjRibIn rib(Family::v6);
  const SharedAttributes a(with_med(1));
  rib.announce(prefix("fd00:1::/64"), a, Unusable::no, 1);
  rib.announce(prefix("fd00:2::/64"), a, Unusable::no, 1);
  rib.announce(prefix("fd00:3::/64"), a, Unusable::no, 1);
  rib.mark_stale(Stale::restart);
  EXPECT_EQ(rib.stale(), 3U);
  EXPECT_TRUE(rib.find(prefix("fd00:1::/64"))->stale);
  rib.announce(prefix("fd00:1::/64"), a, Unusable::no, 2);
  rib.announce(prefix("fd00:2::/64"), with_med(2), Unusable::no, 2);
  EXPECT_EQ(rib.stale(), 1U);
  std::vector<Prefix> gone;
  EXPECT_EQ(rib.sweep(Stale::restart, [&](const Prefix& p) { gone.push_back(p); }), 1U);
  EXPECT_EQ(gone, std::vector{prefix("fd00:3::/64")});
  EXPECT_EQ(rib.size(), 2U);
  EXPECT_EQ(rib.stale(), 0U);
}

TEST(AdjRibIn, a_refresh_and_a_restart_are_told_apart) {
  AdjRibIn rib(Family::v4);
  rib.announce(prefix("10.0.0.0/8"), with_med(1), Unusable::no, 1);
  rib.mark_stale(Stale::refresh);
  EXPECT_EQ(rib.stale(), 0U);
  EXPECT_EQ(rib.sweep(Stale::restart), 0U);
  EXPECT_EQ(rib.sweep(Stale::refresh), 1U);
  EXPECT_EQ(rib.size(), 0U);
}

TEST(AdjRibIn, a_refresh_that_begins_again_waits_for_every_route_again) {
  AdjRibIn rib(Family::v6);
  const SharedAttributes a(with_med(1));
  const auto again = [&](const char* text) { rib.announce(prefix(text), a, Unusable::no, 2); };
  for (const char* text : {"fd00:1::/64", "fd00:2::/64", "fd00:3::/64"}) again(text);
  rib.mark_stale(Stale::refresh);
  again("fd00:1::/64");
  again("fd00:2::/64");
  rib.mark_stale(Stale::refresh);
  EXPECT_TRUE(rib.find(prefix("fd00:1::/64"))->stale);
  again("fd00:2::/64");
  again("fd00:4::/64");
  EXPECT_FALSE(rib.find(prefix("fd00:2::/64"))->stale);
  std::set<Prefix> gone;
  EXPECT_EQ(rib.sweep(Stale::refresh, [&](const Prefix& p) { gone.insert(p); }), 2U);
  EXPECT_EQ(gone, (std::set{prefix("fd00:1::/64"), prefix("fd00:3::/64")}));
  EXPECT_EQ(rib.sweep(Stale::refresh), 0U);
  EXPECT_EQ(rib.size(), 2U);
}

TEST(AdjRibIn, a_route_that_is_marked_by_both_is_swept_once_and_counts_for_neither_afterwards) {
  AdjRibIn rib(Family::v4);
  const SharedAttributes a(with_med(1));
  for (const char* text : {"10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"})
    rib.announce(prefix(text), a, Unusable::as_loop, 1);
  rib.mark_stale(Stale::refresh);
  rib.mark_stale(Stale::restart);
  rib.announce(prefix("10.0.0.0/16"), a, Unusable::as_loop, 2);
  EXPECT_TRUE(rib.withdraw(prefix("10.1.0.0/16")));
  EXPECT_EQ(rib.stale(), 1U);
  EXPECT_EQ(rib.find(prefix("10.2.0.0/16"))->unusable, Unusable::as_loop);
  EXPECT_EQ(rib.sweep(Stale::restart), 1U);
  EXPECT_EQ(rib.sweep(Stale::refresh), 0U);
  EXPECT_EQ(rib.size(), 1U);
  EXPECT_FALSE(rib.find(prefix("10.0.0.0/16"))->stale);
}

TEST(AdjRibIn, what_a_refresh_waits_for_stays_marked_however_often_it_begins_again) {
  AdjRibIn rib(Family::v4);
  const SharedAttributes a(with_med(1));
  const Prefix silent = prefix("10.0.0.0/16"), busy = prefix("10.1.0.0/16");
  rib.announce(silent, a, Unusable::no, 1);
  rib.announce(busy, a, Unusable::no, 1);
  for (int i = 0; i < 200'000; ++i) {
    rib.mark_stale(Stale::refresh);
    ASSERT_TRUE(rib.find(silent)->stale && rib.find(busy)->stale) << i;
    rib.announce(busy, a, Unusable::no, 1);
    ASSERT_TRUE(rib.find(silent)->stale && !rib.find(busy)->stale) << i;
  }
  EXPECT_EQ(rib.sweep(Stale::refresh), 1U);
  EXPECT_TRUE(rib.find(busy));
}

// Erased one by one in the order of the table, with the table made smaller on the way, this took half a minute.
TEST(AdjRibIn, most_of_a_large_table_is_swept_in_moderate_time) {
  const SharedAttributes a(with_med(1));
  const auto nth = [](std::uint32_t i) { return Prefix(Address::v4(0x0a000000 + i), 32); };
  AdjRibIn rib(Family::v4);
  for (std::uint32_t i = 0; i < kRoutes; ++i) rib.announce(nth(i), a, Unusable::no, 1);
  rib.mark_stale(Stale::restart);
  for (std::uint32_t i = 0; i < kRoutes; i += 1000) rib.announce(nth(i), a, Unusable::no, 1);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(rib.sweep(Stale::restart), kRoutes - kRoutes / 1000);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  EXPECT_EQ(rib.size(), kRoutes / 1000);
  for (std::uint32_t i = 0; i < kRoutes; ++i) ASSERT_EQ(rib.find(nth(i)).has_value(), i % 1000 == 0) << i;
}

TEST(AdjRibIn, marks_and_sweeps_in_a_row_do_not_cost_a_pass_over_the_table_each) {
  const SharedAttributes a(with_med(1));
  const auto nth = [](std::uint32_t i) { return Prefix(Address::v4(0x0a000000 + i), 32); };
  AdjRibIn rib(Family::v4);
  const auto fill = [&] {
    for (std::uint32_t i = 0; i < kRoutes; ++i) rib.announce(nth(i), a, Unusable::no, 1);
  };
  // 20 000 passes over such a table take most of a minute.
  const auto rounds_in_time = [](const std::function<void()>& round) {
    int rounds = 0;
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
         rounds < 20'000 && std::chrono::steady_clock::now() < end; ++rounds)
      round();
    return rounds;
  };
  fill();
  EXPECT_EQ(rounds_in_time([&] { rib.sweep(Stale::restart); }), 20'000) << "nothing is marked";
  EXPECT_EQ(rounds_in_time([&] { rib.mark_stale(Stale::refresh); }), 20'000) << "everything is marked";
  EXPECT_EQ(rounds_in_time([&] {
              rib.announce(nth(7), a, Unusable::no, 1);
              rib.mark_stale(Stale::refresh);
            }),
            20'000)
      << "all but one";
  EXPECT_EQ(rib.size(), kRoutes);
  fill();
  EXPECT_EQ(rounds_in_time([&] { rib.sweep(Stale::refresh); }), 20'000) << "all came again";
  EXPECT_EQ(rib.size(), kRoutes);
  const auto refresh_with_one_route = [&] {
    rib.mark_stale(Stale::refresh);
    rib.announce(nth(7), a, Unusable::no, 1);
    rib.sweep(Stale::refresh);
  };
  refresh_with_one_route();
  EXPECT_EQ(rounds_in_time(refresh_with_one_route), 20'000) << "the first one left one route";
  EXPECT_EQ(rib.size(), 1U);
}

class AdjRibInModel : public ::testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(families, AdjRibInModel, ::testing::Values(Family::v4, Family::v6));

TEST_P(AdjRibInModel, does_what_a_map_does) {
  struct Known {
    std::uint32_t med;
    bool usable;
    bool stale;
  };
  std::mt19937 random(5);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  const auto any_prefix = [&]() -> Prefix {
    if (GetParam() == Family::v4) return {Address::v4(below(6000) << 10), 22 + below(2)};
    std::array<std::uint8_t, 16> b{0xfd};
    b[4] = static_cast<std::uint8_t>(below(80));
    b[14] = static_cast<std::uint8_t>(below(80));
    return {Address::v6(b), 127 + below(2)};
  };
  std::vector<SharedAttributes> sets;
  for (std::uint32_t i = 0; i < 50; ++i) sets.emplace_back(with_med(i));
  AdjRibIn rib(GetParam());
  std::map<Prefix, Known> model;
  const auto check = [&] {
    std::size_t seen = 0;
    rib.for_each([&](const Prefix& p, const AdjRibIn::Entry& e) {
      ++seen;
      const auto known = model.find(p);
      ASSERT_NE(known, model.end()) << p.to_string();
      EXPECT_EQ(e.attributes->path.med, known->second.med);
      EXPECT_EQ(e.unusable == Unusable::no, known->second.usable);
      EXPECT_EQ(e.stale, known->second.stale);
    });
    EXPECT_EQ(seen, model.size());
    EXPECT_EQ(rib.size(), model.size());
    std::size_t stale = 0;
    std::size_t unusable = 0;
    for (const auto& [p, k] : model) {
      stale += k.stale;
      unusable += !k.usable;
      EXPECT_TRUE(rib.find(p)) << p.to_string();
    }
    EXPECT_EQ(rib.stale(), stale);
    EXPECT_EQ(rib.unusable(), unusable);
  };
  for (int i = 0; i < 60000; ++i) {
    const bool growing = i / 20000 % 2 == 0;  // fills, empties, fills again
    if (below(10) < (growing ? 2U : 9U)) {
      const Prefix p = model.empty() || growing ? any_prefix() : model.begin()->first;
      ASSERT_EQ(rib.withdraw(p), model.erase(p) == 1);
    } else {
      const Prefix p = any_prefix();
      const std::uint32_t med = below(50);
      const bool usable = below(4) != 0;
      const auto known = model.find(p);
      const bool changes = known == model.end() || known->second.med != med || known->second.usable != usable;
      ASSERT_EQ(rib.announce(p, sets[med], usable ? Unusable::no : Unusable::as_loop, 0), changes);
      model[p] = {med, usable, false};
    }
    if (i % 7000 == 6999) {
      check();
      rib.mark_stale(Stale::restart);
      for (auto& [p, k] : model) k.stale = true;
    }
    if (i % 7000 == 500) {
      std::erase_if(model, [](const auto& e) { return e.second.stale; });
      rib.sweep(Stale::restart);
      check();
    }
  }
}

}  // namespace
}  // namespace weft::bgp
