// IPv6 link-local sessions and IPv4 routes over IPv6 next hops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/interop/subject.h"

namespace weft::interop {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::StartsWith;

// `external` and `internal`: the router's number is taken from its OPEN.
class Unnumbered : public ::testing::TestWithParam<std::string> {};

TEST_P(Unnumbered, a_session_to_the_router_behind_an_interface_carries_both_families) {
  const bool internal = GetParam() == "internal";
  PairOptions o{.a = subject(), .b = Kind::frr};
  if (internal) o.asn_b = o.asn_a;
  o.tune = [](PeerSpec& a, PeerSpec& b) {
    for (PeerSpec* p : {&a, &b}) {
      p->address.clear();
      p->local_address.clear();
      p->interface = "wire";
      p->asn = 0;
      p->asn_text = GetParam();
      p->extended_next_hop = true;
    }
  };
  o.routes_a = {rich("192.0.2.0/24"), rich("2001:db8:1::/48")};
  o.routes_b = {rich("198.51.100.0/24")};
  Pair pair(o);
  // Nothing but link-local addresses is on the wire.
  for (const Host* h : {&pair.host_a, &pair.host_b}) {
    h->ip("-4 address flush dev wire");
    h->ip("-6 address flush dev wire scope global");
  }
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
  EXPECT_THAT(pair.b->routes().at("192.0.2.0/24").next_hops, Contains(StartsWith("fe80:")));
  EXPECT_TRUE(learned(*pair.b, "2001:db8:1::/48")) << logs(pair);
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24")) << logs(pair);
  const std::vector<std::uint32_t> path = internal ? std::vector<std::uint32_t>{} : std::vector<std::uint32_t>{65002};
  EXPECT_EQ(pair.a->routes().at("198.51.100.0/24").as_path, path);
  // The router can use it: an IPv4 route by way of an IPv6 neighbour.
  EXPECT_TRUE(eventually(kPatience, "the route is in FRR's kernel", [&] {
    const auto said = pair.host_b.run({"ip", "route", "show", "192.0.2.0/24"});
    return Seen{said.out.find("via inet6 fe80:") != std::string::npos, said.out};
  })) << logs(pair);
}

INSTANTIATE_TEST_SUITE_P(With, Unnumbered, ::testing::Values("external", "internal"),
                         [](const auto& info) { return info.param; });

class ExtendedNextHop : public ::testing::TestWithParam<Kind> {};

TEST_P(ExtendedNextHop, ipv4_routes_travel_over_an_ipv6_session) {
  PairOptions o{.a = subject(), .b = GetParam(), .transport = Family::v6};
  o.tune = [](PeerSpec& a, PeerSpec& b) { a.extended_next_hop = b.extended_next_hop = true; };
  o.routes_a = {{.prefix = "192.0.2.0/24"}};
  o.routes_b = {{.prefix = "198.51.100.0/24"}};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
  EXPECT_THAT(pair.b->routes().at("192.0.2.0/24").next_hops, Contains(StartsWith("f")));
  ASSERT_TRUE(learned(*pair.a, "198.51.100.0/24")) << logs(pair);
  EXPECT_THAT(pair.a->routes().at("198.51.100.0/24").next_hops, Contains(StartsWith("f")));
}

// BIRD drops IPv4 routes with an IPv6 next hop unless both have offered it.
TEST_P(ExtendedNextHop, that_only_the_peer_offers_is_not_made_use_of) {
  PairOptions o{.a = subject(), .b = GetParam(), .transport = Family::v6};
  o.tune = [](PeerSpec&, PeerSpec& b) { b.extended_next_hop = true; };
  o.routes_a = {{.prefix = "192.0.2.0/24"}};
  Pair pair(o);
  pair.start();
  ASSERT_TRUE(both_established(pair));
  ASSERT_TRUE(learned(*pair.b, "192.0.2.0/24")) << logs(pair);
  EXPECT_THAT(pair.b->routes().at("192.0.2.0/24").next_hops, ElementsAre(StartsWith("10.")));
}

INSTANTIATE_TEST_SUITE_P(With, ExtendedNextHop, ::testing::Values(Kind::frr, Kind::bird), kind_name);

}  // namespace
}  // namespace weft::interop
