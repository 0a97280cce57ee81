#include "bgp/speaker/local_addresses.h"

#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

constexpr int kEth0 = 2, kEth1 = 3;

netlink::NodeAddress on(int ifindex, const char* prefix, std::uint32_t created = 0) {
  const std::string text = prefix;
  const auto slash = text.find('/');
  return {.ifindex = ifindex,
          .address = *Address::parse(text.substr(0, slash)),
          .length = static_cast<unsigned>(std::stoul(text.substr(slash + 1))),
          .created = created};
}

TEST(LocalAddresses, TheOldestOfAnInterfaceCountsInWhateverOrderTheyAreListed) {
  LocalAddresses all{on(kEth0, "2001:db8::3/64", 300), on(kEth0, "2001:db8::1/64", 100),
                     on(kEth0, "2001:db8::2/64", 200), on(kEth1, "2001:db8:1::1/64", 1)};
  EXPECT_EQ(best_address(all, kEth0, Family::v6), *Address::parse("2001:db8::1"));
  EXPECT_EQ(best_address(all, kEth0, Family::v4), std::nullopt);
}

TEST(LocalAddresses, AVirtualAddressIsTheLastChoice) {
  LocalAddresses all{on(kEth0, "2001:db8::100/128", 1), on(kEth0, "10.0.0.100/32", 1)};
  EXPECT_EQ(best_address(all, kEth0, Family::v6), *Address::parse("2001:db8::100"));
  EXPECT_EQ(best_address(all, kEth0, Family::v4), *Address::parse("10.0.0.100"));
  all.push_back(on(kEth0, "2001:db8::1/64", 200));
  all.push_back(on(kEth0, "10.0.0.9/24", 100));
  all.back().secondary = true;
  all.push_back(on(kEth0, "10.0.0.1/24", 200));
  EXPECT_EQ(best_address(all, kEth0, Family::v6), *Address::parse("2001:db8::1"));
  EXPECT_EQ(best_address(all, kEth0, Family::v4), *Address::parse("10.0.0.1"));
}

TEST(LocalAddresses, WhatNoPeerCanUseOrWillSoonBeGoneIsPassedOver) {
  LocalAddresses all{on(kEth0, "127.0.0.1/8"), on(kEth0, "::1/128"), on(kEth0, "fe80::1/64"),
                     on(kEth0, "2001:db8::1/64")};
  all.back().lasting = false;
  EXPECT_EQ(best_address(all, kEth0, Family::v4), std::nullopt);
  EXPECT_EQ(best_address(all, kEth0, Family::v6), std::nullopt);
}

TEST(LocalAddresses, AnAddressLeadsToItsInterface) {
  const LocalAddresses all{on(kEth0, "10.0.0.1/24"), on(kEth1, "10.0.1.1/24")};
  EXPECT_EQ(interface_of(all, *Address::parse("10.0.1.1")), kEth1);
  EXPECT_EQ(interface_of(all, *Address::parse("10.0.1.2")), 0);
}

}  // namespace
}  // namespace weft::bgp
