// What people are shown: the plan's wish beside what the speaker made of it.
#include "bgp/control/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;

TEST(RouteViews, that_were_cut_say_how_many_are_missing) {
  EXPECT_EQ(with_more({}, 0).size(), 0u);
  EXPECT_EQ(json::serialize(with_more({json::object{{"prefix", "10.1.0.0/24"}}}, 7)),
            R"([{"prefix":"10.1.0.0/24"},{"more":7}])");
}

TEST(RouteViews, may_be_asked_for_in_numbers_that_one_turn_can_make) {
  EXPECT_EQ(parse_route_limit(""), kRoutesShown);
  EXPECT_EQ(parse_route_limit("500"), 500u);
  for (const char* wrong : {"0", "-1", "many", "10x", "100001", "99999999999999999999"}) {
    const auto limit = parse_route_limit(wrong);
    ASSERT_FALSE(limit) << wrong;
    EXPECT_THAT(limit.error().message, HasSubstr("use 1 to 100000"));
  }
}

class WhyView : public ::testing::Test {
 protected:
  Reason wish{.instance = "main",
              .peer = "tor",
              .service = "shop/cart",
              .type = "LoadBalancerIP",
              .prefix = prefix("198.51.100.1/32"),
              .advertised = true,
              .announced = prefix("198.51.100.0/24"),
              .because = "a rule",
              .attributes = {}};
  Delivery delivery;
  std::vector<Prefix> asked;

  WhyView() {
    PeerStatus tor;
    tor.instance = "main";
    tor.name = "tor";
    tor.state = SessionState::established;
    delivery.peers = {tor};
    answer(true, "tor was told");
  }
  void answer(bool advertised, std::string words) {
    delivery.why = [this, advertised, words](const Prefix& p) {
      asked.push_back(p);
      return std::vector<PrefixAnswer>{{"other", "tor", !advertised, "not this one"},
                                       {"main", "tor", advertised, words}};
    };
  }
  std::string shown(const char* field) { return json::serialize(why_view({wish, wish}, delivery).at(1).at(field)); }
};

TEST_F(WhyView, a_route_that_the_peer_has_stands_without_more_words) {
  EXPECT_EQ(shown("unsent"), R"("")");
  EXPECT_THAT(asked, ::testing::ElementsAre(prefix("198.51.100.0/24"))) << "what goes out is asked about, and once";
  EXPECT_EQ(shown("session") + shown("refused"), R"("""")");
}

TEST_F(WhyView, what_the_speaker_could_not_send_is_said_in_its_words) {
  answer(false, "peer tor did not agree to ipv4/unicast on this session");
  EXPECT_THAT(shown("unsent"), HasSubstr("did not agree"));
}

TEST_F(WhyView, a_session_that_is_down_is_the_reason_and_nobody_is_asked) {
  delivery.peers[0].state = SessionState::active;
  delivery.peers[0].down.words = "connection refused";
  EXPECT_THAT(shown("session"), HasSubstr("connection refused"));
  EXPECT_THAT(asked, ::testing::IsEmpty());
}

TEST_F(WhyView, a_refused_configuration_is_named_beside_what_runs_and_where_nothing_runs) {
  delivery.faults = {{"main", "tor", "BGP peer main/tor: no address family"}};
  EXPECT_THAT(shown("refused"), HasSubstr("no address family"));
  EXPECT_EQ(shown("unsent"), R"("")");
  delivery.peers.clear();
  EXPECT_THAT(shown("unsent"), HasSubstr("refuses the peer"));
}

TEST_F(WhyView, what_is_not_wanted_is_not_asked_about) {
  wish.advertised = false;
  wish.announced.reset();
  EXPECT_EQ(shown("unsent"), R"("")");
  EXPECT_THAT(asked, ::testing::IsEmpty());
}

TEST(AvailableView, a_route_stands_once_for_all_the_peers_that_it_is_for) {
  Plan plan;
  auto& instance = plan.instances["main"];
  for (const char* name : {"tor-a", "tor-b", "far"}) {
    PeerConfig p;
    p.name = name;
    p.routes[kIpv4Unicast] = std::string("ipv4 of ") + (p.name == "far" ? "far" : "tor-a");
    instance.config.peers.push_back(p);
  }
  RouteView near{.instance = "main", .prefix = prefix("10.1.0.0/24"), .note = "ipv4 of tor-a"};
  RouteView far = near;
  far.note = "ipv4 of far";
  const auto peers = [&] {
    std::string out;
    for (const auto& row : available_view({near, far}, plan, {})) out += json::serialize(row.at("peers"));
    return out;
  };
  EXPECT_EQ(peers(), R"(["tor-a","tor-b","far"])");
  far.attributes.med = 7;
  EXPECT_EQ(peers(), R"(["tor-a","tor-b"]["far"])");
}

}  // namespace
}  // namespace weft::bgp::control
