#include "base/net.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

Address addr(const char* text) { return Address::parse(text).value(); }
Prefix cidr(const char* text) { return Prefix::parse(text).value(); }

TEST(Address, parses_and_prints_both_families) {
  EXPECT_EQ(addr("10.1.2.3").to_string(), "10.1.2.3");
  EXPECT_EQ(addr("FD00:0:0::1").to_string(), "fd00::1");
  EXPECT_TRUE(addr("::ffff:1.2.3.4").is_v6());
}

TEST(Address, refuses_what_is_not_an_address) {
  for (const char* text : {"", "10.1.2", "10.1.2.3/24", "fe80::1%eth0", "[::1]", "1.2.3.4.5", "localhost"})
    EXPECT_FALSE(Address::parse(text)) << text;
}

TEST(Address, orders_v4_before_v6_and_then_by_bytes) {
  EXPECT_LT(addr("255.255.255.255"), addr("::"));
  EXPECT_LT(addr("10.0.0.9"), addr("10.0.1.0"));
}

TEST(Address, plus_carries_over_bytes) {
  EXPECT_EQ(addr("10.0.0.255").plus(1), addr("10.0.1.0"));
  EXPECT_EQ(addr("fd00::ffff:ffff").plus(1), addr("fd00::1:0:0"));
}

TEST(Prefix, clears_host_bits) {
  EXPECT_EQ(cidr("10.1.2.3/20").to_string(), "10.1.0.0/20");
  EXPECT_EQ(cidr("fd00::1/48").to_string(), "fd00::/48");
  EXPECT_EQ(cidr("10.1.2.3").to_string(), "10.1.2.3/32");
}

TEST(Prefix, refuses_lengths_out_of_range) {
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x"})
    EXPECT_FALSE(Prefix::parse(text)) << text;
}

TEST(Prefix, overlap_is_containment_either_way_within_a_family) {
  EXPECT_TRUE(cidr("10.1.0.0/16").overlaps(cidr("10.1.9.0/24")));
  EXPECT_TRUE(cidr("10.1.9.0/24").overlaps(cidr("10.0.0.0/8")));
  EXPECT_FALSE(cidr("10.1.0.0/16").overlaps(cidr("10.2.0.0/16")));
  EXPECT_FALSE(cidr("0.0.0.0/0").overlaps(cidr("::/0")));
}

TEST(Prefix, mask_is_what_go_marshals) {
  EXPECT_EQ(cidr("10.1.0.0/24").mask_bytes(), std::string("\xff\xff\xff\0", 4));
  EXPECT_EQ(cidr("10.1.0.0/20").mask_bytes(), std::string("\xff\xff\xf0\0", 4));
}

TEST(SocketAddress, needs_brackets_exactly_for_v6) {
  EXPECT_EQ(SocketAddress::parse("[fd00::1]:80").value().to_string(), "[fd00::1]:80");
  EXPECT_EQ(SocketAddress::parse("1.2.3.4:65535").value().port, 65535);
  for (const char* text : {"fd00::1:80", "[1.2.3.4]:80", "1.2.3.4", "1.2.3.4:65536", "1.2.3.4:"})
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
}

TEST(Mac, round_trips) {
  EXPECT_EQ(Mac::parse("02:00:0a:01:00:ff").value().to_string(), "02:00:0a:01:00:ff");
  EXPECT_FALSE(Mac::parse("02:00:0a:01:00"));
}

}  // namespace
}  // namespace weft
