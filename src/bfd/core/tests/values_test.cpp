#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"

namespace weft::bfd {
namespace {

SessionConfig to(const char* peer) {
  SessionConfig c;
  c.key.peer = *Address::parse(peer);
  return c;
}

std::string config_refusal(const SessionConfig& c) {
  const auto r = validate(c);
  return r ? "accepted" : r.error().message;
}

TEST(SessionConfig, a_peer_alone_is_enough_for_a_single_hop_session) {
  EXPECT_EQ(config_refusal(to("10.0.0.1")), "accepted");
  EXPECT_EQ(config_refusal(to("fd00::1")), "accepted");
}

TEST(SessionConfig, a_link_local_peer_needs_its_link) {
  auto c = to("fe80::1");
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("interface is missing"));
  c.key.interface = "eth0";
  EXPECT_EQ(config_refusal(c), "accepted");
}

TEST(SessionConfig, a_multihop_session_is_known_by_both_addresses) {
  auto c = to("10.9.0.1");
  c.key.hops = Hops::multi;
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("local is missing"));
  c.key.local = *Address::parse("10.8.0.1");
  EXPECT_EQ(config_refusal(c), "accepted");
  c.key.interface = "eth0";
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("interface eth0 with multihop"));
}

TEST(SessionConfig, errors_name_the_session_the_field_the_value_and_the_mend) {
  auto c = to("10.0.0.1");
  c.min_tx = std::chrono::milliseconds(5);
  EXPECT_EQ(config_refusal(c), "BFD session 10.0.0.1: min_tx 5000 us is out of range: use 10 ms to 60 s");
}

TEST(SessionConfig, fields_have_ranges) {
  auto c = to("10.0.0.1");
  c.min_rx = std::chrono::seconds(61);
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("min_rx"));
  c = to("10.0.0.1");
  c.multiplier = 0;
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("multiplier 0"));
  c = to("10.0.0.1");
  c.auth = AuthKey{1, ""};
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("1 to 20 bytes"));
  c.auth = AuthKey{1, std::string(21, 'x')};
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("1 to 20 bytes"));
  c = to("10.0.0.1");
  c.passive = true;
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("both sides must be active"));
  c = to("10.0.0.1");
  c.key.local = *Address::parse("fd00::1");
  EXPECT_THAT(config_refusal(c), testing::HasSubstr("another family"));
  EXPECT_THAT(config_refusal(to("0.0.0.0")), testing::HasSubstr("not a unicast address"));
  EXPECT_THAT(config_refusal(to("224.0.0.1")), testing::HasSubstr("not a unicast address"));
}

TEST(SessionKey, prints_as_people_write_it) {
  auto k = to("fe80::1").key;
  k.interface = "eth0";
  EXPECT_EQ(k.to_string(), "fe80::1%eth0");
  k = to("10.9.0.1").key;
  k.local = *Address::parse("10.8.0.1");
  k.hops = Hops::multi;
  EXPECT_EQ(k.to_string(), "10.9.0.1 from 10.8.0.1 multihop");
}

TEST(PathFailed, only_a_session_that_was_up_and_lost_its_peer_says_so) {
  SessionStatus s;
  EXPECT_FALSE(path_failed(s)) << "never up";
  s.counters.times_up = s.counters.times_down = 1;
  s.down_reason = DownReason::detection_expired;
  EXPECT_TRUE(path_failed(s));
  s.down_reason = DownReason::peer_down;
  EXPECT_TRUE(path_failed(s));
  for (const auto quiet : {DownReason::peer_admin_down, DownReason::admin_down, DownReason::no_answer}) {
    s.down_reason = quiet;
    EXPECT_FALSE(path_failed(s)) << to_string(quiet);
  }
  s.down_reason = DownReason::detection_expired;
  s.known = false;
  EXPECT_FALSE(path_failed(s)) << "nobody knows";
  s.known = true;
  s.state = State::up;
  EXPECT_FALSE(path_failed(s));
}

}  // namespace
}  // namespace weft::bfd
