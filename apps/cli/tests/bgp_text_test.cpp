// weft bgp: the columns people know, and what they are asked with.
#include "apps/cli/bgp_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using ::testing::HasSubstr;

const char* kPeers = R"([
  {"node": "n1", "localASN": 65001, "peerASN": 65000, "peerAddress": "10.0.0.1", "sessionState": "established", "uptimeSeconds": 125,
   "families": [{"afi": "ipv4", "safi": "unicast", "received": 3, "advertised": 7}, {"afi": "ipv6", "safi": "unicast", "received": 0, "advertised": 1}],
   "down": {"kind": "admin", "words": "long ago"},
   "capabilities": {"local": ["route refresh"], "remote": ["four-octet ASN"]}},
  {"node": "n1", "localASN": 65001, "peerASN": 0, "peerAddress": "eth1", "sessionState": "idle", "families": [],
   "down": {"kind": "held_down", "words": "Secret kube-system/tor is missing"}}])";

TEST(BgpText, a_second_family_stands_on_a_row_of_its_own_and_a_session_that_is_down_says_why) {
  EXPECT_EQ(bgp_peers_text(json::parse(kPeers), false),
            "Node  Local AS  Peer AS  Peer Address  Session State  Uptime  Family        Received  Advertised\n"
            "n1    65001     65000    10.0.0.1      established    2m5s    ipv4/unicast  3         7\n"
            "                                                              ipv6/unicast  0         1\n"
            "n1    65001     0        eth1          idle           -       -             -         -\n"
            "\n"
            "n1: eth1: Secret kube-system/tor is missing\n");
}

TEST(BgpText, a_session_without_the_bfd_that_it_asks_for_says_so) {
  const auto shown = [](const char* bfd) {
    return bgp_peers_text(
        json::parse(
            std::string(R"([{"node": "n1", "peerAddress": "10.0.0.1", "sessionState": "established", "bfd": ")") + bfd +
            "\"}]"),
        false);
  };
  EXPECT_THAT(shown("waiting: weft-bfd is absent"),
              HasSubstr("\nn1: 10.0.0.1: BFD is asked for and not up: waiting: weft-bfd is absent\n"));
  EXPECT_EQ(shown("up"), shown(""));
}

TEST(BgpText, capabilities_of_both_sides) {
  const auto text = bgp_peers_text(json::parse(kPeers), true);
  EXPECT_THAT(text, HasSubstr("Side    Capability"));
  EXPECT_THAT(text, HasSubstr("remote  four-octet ASN"));
}

TEST(BgpText, routes_name_the_peer_unless_they_are_only_available) {
  const auto v = json::parse(
      R"([{"node": "n1", "localASN": 65001, "peer": "tor", "peerAddress": "10.0.0.1", "prefix": "10.1.0.0/24",
    "nextHop": "0.0.0.0", "ageSeconds": 5, "attributes": "[{Origin: i} {Nexthop: 0.0.0.0}]", "best": true, "note": "not imported"}])");
  const auto told = json::parse(
      R"([{"node": "n1", "localASN": 65001, "peer": "tor", "peerAddress": "10.0.0.1", "prefix": "10.1.0.0/24",
    "nextHop": "0.0.0.0", "ageSeconds": 5, "attributes": "[{Origin: i} {Nexthop: 0.0.0.0}]", "best": false, "note": ""}])");
  EXPECT_EQ(bgp_routes_text(v, "available"),
            "Node  VRouter  Prefix       NextHop  Age  Attrs\n"
            "n1    65001    10.1.0.0/24  0.0.0.0  5s   [{Origin: i} {Nexthop: 0.0.0.0}]\n");
  EXPECT_EQ(bgp_routes_text(told, "advertised"),
            "Node  VRouter  Peer      Prefix       NextHop  Age  Attrs\n"
            "n1    65001    10.0.0.1  10.1.0.0/24  0.0.0.0  5s   [{Origin: i} {Nexthop: 0.0.0.0}]\n");
  EXPECT_THAT(bgp_routes_text(v, "received"), HasSubstr("best: not imported"));
}

TEST(BgpText, an_answer_that_was_cut_says_so) {
  const auto v = json::parse(R"([{"node": "n1", "localASN": 65001, "prefix": "10.1.0.0/24", "nextHop": "0.0.0.0",
    "ageSeconds": 5, "attributes": "[a]"}, {"node": "n1", "more": 990000}])");
  EXPECT_EQ(bgp_routes_text(v, "available"),
            "Node  VRouter  Prefix       NextHop  Age  Attrs\n"
            "n1    65001    10.1.0.0/24  0.0.0.0  5s   [a]\n"
            "… and 990000 more on n1: --limit N shows more, ipv4, ipv6 or peer ADDRESS asks for less\n");
  EXPECT_EQ(bgp_more_text(json::parse(R"([{"node": "n1", "prefix": "10.1.0.0/24"}])")), "");
  BgpRouteQuery query;
  query.limit = "500";
  EXPECT_THAT(query.target(), testing::EndsWith("&limit=500"));
}

TEST(BgpText, a_prefix_that_goes_out_in_two_ways_says_to_whom) {
  const auto text = bgp_routes_text(json::parse(R"([
    {"node": "n1", "instance": "main", "prefix": "10.1.0.0/24", "attributes": "[a]", "peers": ["tor-a", "tor-b"]},
    {"node": "n1", "instance": "main", "prefix": "10.1.0.0/24", "attributes": "[b]", "peers": ["far"]},
    {"node": "n1", "instance": "main", "prefix": "10.2.0.0/24", "attributes": "[a]", "peers": ["tor-a"]}])"),
                                    "available");
  EXPECT_THAT(text, HasSubstr("Attrs  For\n"));
  EXPECT_THAT(text, HasSubstr("[a]    tor-a, tor-b\n"));
  EXPECT_THAT(text, HasSubstr("[b]    far\n"));
}

TEST(BgpText, why_shows_a_sentence_where_there_is_no_route) {
  EXPECT_EQ(bgp_why_text(
                json::parse(R"([{"node": "n1", "peer": "", "service": "", "type": "", "prefix": "", "advertised": false,
    "announced": "", "because": "nothing selects this node", "attributes": ""}])")),
            "Node  Peer  Service  Type  Prefix  Advertised  Because\n"
            "n1    -     (node)   -     -       -           nothing selects this node\n");
}

TEST(BgpText, a_route_on_its_way_says_so) {
  const auto text = bgp_routes_text(
      json::parse(
          R"([{"node": "n1", "prefix": "10.1.0.0/24", "note": "pending"}, {"node": "n1", "prefix": "10.2.0.0/24"}])"),
      "advertised");
  EXPECT_THAT(text, HasSubstr("Attrs  State"));
  EXPECT_THAT(text, HasSubstr("pending"));
}

TEST(BgpText, why_tells_what_a_peer_that_is_up_was_not_sent_and_what_is_refused) {
  const auto text = bgp_why_text(json::parse(R"([
    {"node": "n1", "peer": "tor", "service": "shop/cart", "type": "LoadBalancerIP", "prefix": "fd00::1/128", "advertised": true,
     "announced": "fd00::1/128", "because": "a rule", "attributes": "", "session": "", "unsent": "tor did not agree to ipv6/unicast",
     "refused": ""},
    {"node": "n1", "peer": "old", "service": "shop/cart", "type": "LoadBalancerIP", "prefix": "fd00::1/128", "advertised": true,
     "announced": "fd00::1/128", "because": "a rule", "attributes": "", "session": "", "unsent": "", "refused": "no family"}])"));
  EXPECT_THAT(text, HasSubstr("not sent    tor did not agree to ipv6/unicast; wanted by a rule"));
  EXPECT_THAT(text, HasSubstr("yes         a rule; the peer's newest configuration is refused: no family"));
}

TEST(BgpText, why_says_yes_no_and_not_now) {
  const auto text = bgp_why_text(json::parse(R"([
    {"node": "n1", "peer": "tor", "service": "shop/cart", "type": "LoadBalancerIP", "prefix": "198.51.100.1/32", "advertised": true,
     "announced": "198.51.100.0/24", "because": "a rule", "attributes": "communities 1:2", "session": ""},
    {"node": "n1", "peer": "tor", "service": "", "type": "PodCIDR", "prefix": "10.1.0.0/24", "advertised": true, "announced": "10.1.0.0/24",
     "because": "a rule", "attributes": "", "session": "the session is idle: refused"},
    {"node": "n1", "peer": "tor", "service": "shop/x", "type": "ClusterIP", "prefix": "10.96.0.1/32", "advertised": false, "announced": "",
     "because": "not listed", "attributes": "", "session": ""}])"));
  EXPECT_THAT(text, HasSubstr("yes, in 198.51.100.0/24  a rule; communities 1:2"));
  EXPECT_THAT(text, HasSubstr("not now"));
  EXPECT_THAT(text, HasSubstr("the session is idle: refused; once it is up: a rule"));
  EXPECT_THAT(text, HasSubstr("(node)"));
  EXPECT_THAT(text, HasSubstr("no                       not listed"));
}

TEST(BgpText, a_status_object_reads_like_an_answer_of_its_agent) {
  const std::vector<json::object> configs{
      json::parse(
          R"({"metadata": {"name": "n2"}, "status": {"bgpInstances": [{"name": "main", "localASN": 65001, "peers": [
        {"name": "tor", "peerAddress": "10.0.0.1", "peerASN": 65000, "peeringState": "established", "establishedTime": "2026-01-01T00:00:00Z",
         "routeCount": [{"afi": "ipv4", "safi": "unicast", "received": 1, "advertised": 2}]}]}]}})")
          .as_object()};
  const auto text = bgp_peers_text(bgp_peers_of_status(configs), false);
  EXPECT_THAT(text, HasSubstr("n2    65001     65000    10.0.0.1      established"));
  EXPECT_THAT(text, HasSubstr("ipv4/unicast  1         2"));
}

TEST(BgpText, route_words_are_taken_in_their_order) {
  EXPECT_EQ(parse_route_words({})->target(), "/v1/bgp/routes/available?afi=ipv4&safi=unicast");
  EXPECT_EQ(parse_route_words({"advertised", "ipv6", "unicast", "vrouter", "65001", "peer", "fd00::1"})->target(),
            "/v1/bgp/routes/advertised?afi=ipv6&safi=unicast&vrouter=65001&peer=fd00%3A%3A1");
  EXPECT_EQ(parse_route_words({"received", "neighbor", "10.0.0.1"})->target(),
            "/v1/bgp/routes/received?afi=ipv4&safi=unicast&peer=10.0.0.1");
  EXPECT_THAT(parse_route_words({"sent"}).error().message, HasSubstr("\"sent\" is not understood"));
  EXPECT_THAT(parse_route_words({"peer"}).error().message, HasSubstr("needs a value"));
}

TEST(BgpText, why_takes_a_service_or_a_prefix) {
  EXPECT_EQ(bgp_why_target("10.1.0.0/24"), "/v1/bgp/why?prefix=10.1.0.0/24");
  EXPECT_EQ(bgp_why_target("shop/cart"), "/v1/bgp/why?service=shop/cart");
  EXPECT_EQ(bgp_why_target(""), "/v1/bgp/why");
}

TEST(BgpText, an_answer_of_another_shape_is_not_a_crash) {
  for (const char* text :
       {"null", "{}", "[1, null, {}]", R"([{"families": [3, {}], "down": 5, "capabilities": []}])"}) {
    const auto v = json::parse(text);
    for (const auto& out :
         {bgp_peers_text(v, false), bgp_peers_text(v, true), bgp_routes_text(v, "received"), bgp_why_text(v)})
      EXPECT_FALSE(out.empty());
  }
}

}  // namespace
}  // namespace weft::cli
