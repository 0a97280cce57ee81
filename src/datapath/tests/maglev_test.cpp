#include "datapath/maglev.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>

namespace weft {
namespace {

constexpr std::uint32_t size = 16'381;

std::vector<std::string> make_names(int n) {
  std::vector<std::string> names;
  for (int i = 0; i < n; ++i) names.push_back(fmt::format("10.1.{}.{}:8080/TCP", i / 250, i % 250));
  return names;
}

std::vector<std::string> table_of(const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  std::vector<std::string> out;
  for (const auto i : maglev_table(size, views)) out.push_back(names.at(i));
  return out;
}

TEST(Maglev, every_entry_is_filled_and_shares_differ_by_few_percent) {
  for (const int n : {1, 2, 3, 10, 100}) {
    std::map<std::string, int> share;
    for (const auto& name : table_of(make_names(n))) ++share[name];
    ASSERT_EQ(share.size(), static_cast<std::size_t>(n));
    const double mean = static_cast<double>(size) / n;
    for (const auto& [name, count] : share) EXPECT_NEAR(count, mean, mean * 0.02 + 1) << name << " of " << n;
  }
}

TEST(Maglev, order_of_names_does_not_matter) {
  auto names = make_names(50);
  const auto before = table_of(names);
  std::ranges::shuffle(names, std::mt19937(3));
  EXPECT_EQ(table_of(names), before);
}

TEST(Maglev, a_lost_backend_moves_little_of_what_was_not_its_own) {
  auto names = make_names(100);
  const auto before = table_of(names);
  const std::string lost = names[37];
  names.erase(names.begin() + 37);
  const auto after = table_of(names);
  int moved = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    EXPECT_NE(after[i], lost);
    if (before[i] != lost && before[i] != after[i]) ++moved;
  }
  // The paper, figure 12: about 2 % at this ratio of entries to backends.
  EXPECT_LT(moved, static_cast<int>(size) * 5 / 100);
}

TEST(Maglev, no_names_no_table_and_more_names_than_entries_still_fill_it) {
  EXPECT_TRUE(maglev_table(size, {}).empty());
  const auto names = make_names(20);
  const std::vector<std::string_view> views(names.begin(), names.end());
  EXPECT_EQ(maglev_table(7, views).size(), 7u);
}

TEST(Maglev, knows_primes) {
  EXPECT_TRUE(is_prime(16'381));
  EXPECT_TRUE(is_prime(251));
  EXPECT_FALSE(is_prime(16'384));
  EXPECT_FALSE(is_prime(1));
}

}  // namespace
}  // namespace weft
