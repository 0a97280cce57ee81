// What people are shown: the plan's wish beside what the speaker made of it.
#include "bgp/control/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_EQ(shown("unsent") + shown("session") + shown("refused"), R"("""""")");
  EXPECT_THAT(asked, ::testing::ElementsAre(prefix("198.51.100.0/24"))) << "what goes out is asked about, and once";
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

}  // namespace
}  // namespace weft::bgp::control
