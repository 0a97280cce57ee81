#include "mesh/values/cidr_index.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::mesh {
namespace {

PodCidr cidr(const std::string& cluster, const std::string& prefix) { return {cluster, "n", *Prefix::parse(prefix)}; }
std::string found(const CidrIndex& index, const std::string& prefix, const std::string& cluster = "east") {
  const auto* c = index.overlapping(*Prefix::parse(prefix), cluster);
  return c ? c->cluster + " " + c->prefix.to_string() : "";
}

TEST(CidrIndex, finds_what_contains_a_prefix_and_what_it_contains) {
  const CidrIndex index{cidr("home", "10.1.0.0/16"), cidr("west", "10.2.3.0/24"), cidr("west", "fd00:2::/48")};
  EXPECT_EQ(found(index, "10.1.7.0/24"), "home 10.1.0.0/16");
  EXPECT_EQ(found(index, "10.1.0.0/16"), "home 10.1.0.0/16");
  EXPECT_EQ(found(index, "10.2.0.0/16"), "west 10.2.3.0/24");
  EXPECT_EQ(found(index, "10.0.0.0/8"), "home 10.1.0.0/16");
  EXPECT_EQ(found(index, "10.2.2.0/24"), "");
  EXPECT_EQ(found(index, "10.2.4.0/24"), "");
  EXPECT_EQ(found(index, "fd00:2:0:9::/64"), "west fd00:2::/48");
  EXPECT_EQ(found(index, "fd00:3::/48"), "");
  EXPECT_EQ(found(index, "::/0"), "west fd00:2::/48");
}

TEST(CidrIndex, leaves_out_the_clusters_own_and_finds_others_behind_them) {
  CidrIndex index{cidr("east", "10.0.0.0/8"), cidr("east", "10.1.0.0/24"), cidr("west", "10.1.0.0/24")};
  EXPECT_EQ(found(index, "10.1.0.0/24"), "west 10.1.0.0/24");
  EXPECT_EQ(found(index, "10.1.0.0/24", "west"), "east 10.0.0.0/8");
  index.remove(cidr("west", "10.1.0.0/24"));
  index.remove(cidr("west", "10.1.0.0/24"));
  EXPECT_EQ(index.size(), 2u);
  EXPECT_EQ(found(index, "10.1.0.0/24"), "");
  index.remove(cidr("east", "10.0.0.0/8"));
  EXPECT_EQ(found(index, "10.2.0.0/24", "west"), "");
}

TEST(CidrIndex, answers_as_a_comparison_with_each_would) {
  std::mt19937 random(7);
  const auto any = [&] {
    PodCidr c;
    c.cluster = random() % 2 ? "east" : "west";
    c.node = std::to_string(random() % 3);
    const bool v6 = random() % 2;
    const auto base = v6 ? Address::parse("fd00::") : Address::parse("10.0.0.0");
    c.prefix = Prefix(base->plus(random() % 1024), base->bits() - random() % 10);
    return c;
  };
  for (int round = 0; round < 200; ++round) {
    CidrIndex index;
    std::vector<PodCidr> all;
    for (int i = 0; i < 12; ++i) index.add(all.emplace_back(any()));
    for (int i = 0; i < 4; ++i) {
      const PodCidr gone = all.back();
      all.pop_back();
      std::erase_if(all, [&](const PodCidr& c) {
        return c.prefix == gone.prefix && c.cluster == gone.cluster && c.node == gone.node;
      });
      index.remove(gone);
      if (all.empty()) break;
    }
    for (int i = 0; i < 20; ++i) {
      const PodCidr asked = any();
      bool expected = false;
      for (const auto& c : all) expected |= c.cluster != asked.cluster && c.prefix.overlaps(asked.prefix);
      const auto* answer = index.overlapping(asked.prefix, asked.cluster);
      ASSERT_EQ(answer != nullptr, expected) << asked.prefix.to_string();
      if (answer) {
        ASSERT_TRUE(answer->cluster != asked.cluster && answer->prefix.overlaps(asked.prefix));
      }
    }
  }
}

}  // namespace
}  // namespace weft::mesh
