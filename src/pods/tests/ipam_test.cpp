#include "pods/ipam.h"

#include <gtest/gtest.h>

namespace weft::pods {
namespace {

using namespace std::chrono_literals;

Prefix cidr(const char* text) { return *Prefix::parse(text); }
Address ip(const char* text) { return *Address::parse(text); }
const Steady::time_point t0{};

TEST(AddressPool, gives_the_lowest_free_address_and_never_network_gateway_or_broadcast) {
  AddressPool pool(Family::v4);
  pool.set_cidrs({cidr("10.1.0.0/29")});
  EXPECT_EQ(pool.gateway(), ip("10.1.0.1"));
  EXPECT_EQ(pool.capacity(), 5u);
  std::vector<std::string> got;
  for (int i = 0; i < 5; ++i) got.push_back(pool.allocate("p" + std::to_string(i), t0)->to_string());
  EXPECT_EQ(got, (std::vector<std::string>{"10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"}));
}

TEST(AddressPool, says_which_cidr_is_full_and_what_to_do) {
  AddressPool pool(Family::v4);
  pool.set_cidrs({cidr("10.1.0.0/30")});
  ASSERT_TRUE(pool.allocate("a", t0));
  const auto r = pool.allocate("b", t0);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::exhausted);
  EXPECT_EQ(
      r.error().message,
      "pod CIDR 10.1.0.0/30: all 1 addresses are in use; give the node a further pod CIDR or move pods to other nodes");
}

TEST(AddressPool, lets_a_released_address_rest) {
  AddressPool pool(Family::v4, 30s);
  pool.set_cidrs({cidr("10.1.0.0/24")});
  const auto a = *pool.allocate("a", t0);
  pool.release(a, t0 + 1s);
  EXPECT_EQ(*pool.allocate("b", t0 + 2s), ip("10.1.0.3"));
  EXPECT_EQ(*pool.allocate("c", t0 + 30s), ip("10.1.0.4"));
  EXPECT_EQ(*pool.allocate("d", t0 + 31s), ip("10.1.0.2"));
}

TEST(AddressPool, gives_a_resting_address_rather_than_none_the_longest_resting_first) {
  AddressPool pool(Family::v4, 30s);
  pool.set_cidrs({cidr("10.1.0.0/29")});
  std::vector<Address> all;
  for (int i = 0; i < 5; ++i) all.push_back(*pool.allocate("p", t0));
  pool.release(all[3], t0 + 1s);
  pool.release(all[1], t0 + 2s);
  EXPECT_EQ(*pool.allocate("x", t0 + 3s), all[3]);
  EXPECT_EQ(*pool.allocate("y", t0 + 3s), all[1]);
  EXPECT_FALSE(pool.allocate("z", t0 + 3s));
}

TEST(AddressPool, goes_on_to_the_second_cidr_whose_first_address_is_a_pods) {
  AddressPool pool(Family::v4);
  pool.set_cidrs({cidr("10.1.0.0/30"), cidr("fd00::/64"), cidr("10.9.0.0/30")});
  EXPECT_EQ(*pool.allocate("a", t0), ip("10.1.0.2"));
  EXPECT_EQ(*pool.allocate("b", t0), ip("10.9.0.1"));
  EXPECT_EQ(*pool.allocate("c", t0), ip("10.9.0.2"));
  EXPECT_FALSE(pool.allocate("d", t0));
}

TEST(AddressPool, has_room_for_two_to_the_sixty_three_of_an_ipv6_cidr) {
  AddressPool pool(Family::v6);
  pool.set_cidrs({cidr("fd00:1::/48")});
  EXPECT_EQ(pool.capacity(), std::uint64_t{1} << 63);
  EXPECT_EQ(pool.gateway(), ip("fd00:1::1"));
  EXPECT_EQ(*pool.allocate("a", t0), ip("fd00:1::2"));
}

TEST(AddressPool, claims_for_one_owner_only) {
  AddressPool pool(Family::v4);
  pool.set_cidrs({cidr("10.1.0.0/24")});
  ASSERT_TRUE(pool.claim(ip("10.1.0.2"), "a"));
  EXPECT_TRUE(pool.claim(ip("10.1.0.2"), "a"));
  EXPECT_EQ(pool.claim(ip("10.1.0.2"), "b").error().message, "address 10.1.0.2: wanted for b but held by a");
  EXPECT_EQ(*pool.allocate("c", t0), ip("10.1.0.3"));
}

TEST(NodeIpam, gives_one_address_of_each_family_or_none) {
  NodeIpam ipam;
  EXPECT_EQ(ipam.allocate("a", t0).error().code, Errc::unavailable);
  ipam.set_cidrs({cidr("10.1.0.0/24"), cidr("fd00:1::/126")});
  EXPECT_EQ(*ipam.allocate("a", t0), (std::vector{ip("10.1.0.2"), ip("fd00:1::2")}));
  EXPECT_EQ(*ipam.allocate("b", t0), (std::vector{ip("10.1.0.3"), ip("fd00:1::3")}));
  const auto r = ipam.allocate("c", t0);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("fd00:1::/126"), std::string::npos);
  EXPECT_EQ(ipam.pool(Family::v4).used(), 2u);  // the IPv4 half was taken back
}

TEST(AddressPool, survives_ten_thousand_random_steps_without_giving_one_address_twice) {
  AddressPool pool(Family::v4, 5s);
  pool.set_cidrs({cidr("10.1.0.0/26")});
  std::set<Address> live;
  std::uint32_t seed = 7;
  for (int step = 0; step < 10'000; ++step) {
    seed = seed * 1664525 + 1013904223;
    const auto now = t0 + std::chrono::seconds(step / 10);
    if ((seed >> 16) % 2 == 0 && live.size() < pool.capacity()) {
      const auto a = pool.allocate("p", now);
      ASSERT_TRUE(a) << step;
      EXPECT_TRUE(live.insert(*a).second) << a->to_string();
      EXPECT_TRUE(cidr("10.1.0.0/26").contains(*a));
    } else if (!live.empty()) {
      auto it = live.begin();
      std::advance(it, (seed >> 20) % live.size());
      pool.release(*it, now);
      live.erase(it);
    }
    ASSERT_EQ(pool.used(), live.size());
  }
}

}  // namespace
}  // namespace weft::pods
