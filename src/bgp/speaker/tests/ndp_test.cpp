#include "bgp/speaker/ndp.h"

#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

const Address kRouter = *Address::parse("fe80::1");

TEST(Ndp, OurAdvertisementReadsBackAndMakesNobodyADefaultRouter) {
  const auto bytes = encode(RouterAdvertisement{});
  EXPECT_EQ(classify(bytes, kRouter, 255), NdpKind::advertisement);
  EXPECT_EQ(decode_advertisement(bytes), RouterAdvertisement{});
}

TEST(Ndp, LifetimeAndLinkLayerAddressAreRead) {
  const RouterAdvertisement a{std::chrono::seconds(1800), Mac::parse("02:00:00:00:00:01").value()};
  const auto bytes = encode(a);
  EXPECT_EQ(bytes.size(), 24u);
  EXPECT_EQ(decode_advertisement(bytes), a);
}

TEST(Ndp, WhatARouterForwardedIsNotBelieved) {
  EXPECT_EQ(classify(encode(RouterAdvertisement{}), kRouter, 254), NdpKind::other);
  EXPECT_EQ(classify(router_solicitation(), kRouter, 64), NdpKind::other);
}

TEST(Ndp, AnAdvertisementFromAGlobalAddressIsNotBelieved) {
  EXPECT_EQ(classify(encode(RouterAdvertisement{}), *Address::parse("2001:db8::1"), 255), NdpKind::other);
}

TEST(Ndp, ASolicitationMayComeFromTheUnspecifiedAddress) {
  EXPECT_EQ(classify(router_solicitation(), Address::any(Family::v6), 255), NdpKind::solicitation);
}

TEST(Ndp, OptionsThatDoNotAddUpSpoilTheMessage) {
  auto bytes = encode(RouterAdvertisement{std::chrono::seconds(1), Mac{}});
  bytes[17] = 0;  // length zero would never end
  EXPECT_EQ(classify(bytes, kRouter, 255), NdpKind::other);
  EXPECT_EQ(decode_advertisement(bytes), std::nullopt);
  bytes[17] = 2;  // longer than the message
  EXPECT_EQ(classify(bytes, kRouter, 255), NdpKind::other);
}

TEST(Ndp, EveryCutOfAMessageIsRefusedOrWhole) {
  const auto bytes = encode(RouterAdvertisement{std::chrono::seconds(1), Mac{}});
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const bool whole = n == 16;  // without the option
    EXPECT_EQ(classify(std::span(bytes).first(n), kRouter, 255) == NdpKind::advertisement, whole) << n;
  }
}

}  // namespace
}  // namespace weft::bgp
