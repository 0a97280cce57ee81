#include "bfd/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

SessionConfig a_config() {
  SessionConfig c;
  c.key.peer = *Address::parse("fe80::2");
  c.key.local = *Address::parse("fe80::1");
  c.key.interface = "eth0";
  c.min_tx = 50ms;
  c.min_rx = 70ms;
  c.multiplier = 5;
  c.auth = AuthKey{3, std::string("\x00\xff secret", 9), false};
  c.admin_down = true;
  return c;
}

SessionStatus a_status() {
  SessionStatus s;
  s.key = a_config().key;
  s.state = State::init;
  s.remote_state = State::admin_down;
  s.local_diag = Diag::detection_expired;
  s.remote_diag = Diag::admin_down;
  s.down_reason = DownReason::peer_admin_down;
  s.why = "because";
  s.since = Wall::time_point(std::chrono::duration_cast<Wall::duration>(1'700'000'000'123'456us));
  s.remote_control_plane_independent = true;
  s.remote_demand = true;
  s.detection_time = 150ms;
  s.tx_interval = 50ms;
  s.remote_min_tx = 20ms;
  s.remote_min_rx = 30ms;
  s.remote_multiplier = 4;
  s.local_discriminator = 4'000'000'000;
  s.remote_discriminator = 7;
  s.source = *SocketAddress::parse("[fe80::1]:50000");
  s.counters.received = 1;
  s.counters.sent = 2;
  s.counters.send_errors = 3;
  s.counters.times_up = 4;
  s.counters.times_down = 5;
  s.counters.discarded[Discard::ttl] = 6;
  s.counters.discarded[Discard::auth_digest] = 7;
  return s;
}

TEST(Protocol, requests_mean_the_same_after_the_socket) {
  const auto hello = std::get<Hello>(*decode_request(encode(Request(Hello{"agent", 90s}))));
  EXPECT_EQ(hello.client, "agent");
  EXPECT_EQ(hello.linger, 90s);
  auto multi = a_config();
  multi.key = {*Address::parse("10.9.0.1"), *Address::parse("10.8.0.1"), "", Hops::multi};
  multi.min_ttl = 250;
  multi.passive = true;
  multi.auth.reset();
  const std::vector sessions{a_config(), multi};
  EXPECT_EQ(std::get<WantSessions>(*decode_request(encode(Request(WantSessions{sessions})))).sessions, sessions);
  EXPECT_TRUE(std::holds_alternative<Refresh>(*decode_request(encode(Request(Refresh{})))));
  EXPECT_TRUE(std::holds_alternative<AskOverview>(*decode_request(encode(Request(AskOverview{})))));
  EXPECT_TRUE(std::holds_alternative<Bye>(*decode_request(encode(Request(Bye{})))));
}

TEST(Protocol, answers_mean_the_same_after_the_socket) {
  const DaemonInfo daemon{"0.1", 17, "SCHED_FIFO priority 50", "locked", "no IPv6", true};
  EXPECT_EQ(std::get<Welcome>(*decode_answer(encode(Answer(Welcome{daemon})))).daemon, daemon);
  const auto statuses = std::get<Statuses>(*decode_answer(encode(Answer(Statuses{true, {a_status()}}))));
  EXPECT_TRUE(statuses.complete);
  ASSERT_EQ(statuses.sessions.size(), 1u);
  EXPECT_EQ(statuses.sessions[0], a_status());
  Overview o;
  o.daemon = daemon;
  o.rows.push_back({a_status(), {"agent", "l2"}});
  o.strays[Discard::no_session] = 8;
  o.wakeups = 9, o.late_1ms = 10, o.latest = 11us, o.floods = 12;
  const auto back = std::get<Overview>(*decode_answer(encode(Answer(o))));
  EXPECT_EQ(back.rows.at(0).status, a_status());
  EXPECT_THAT(back.rows.at(0).clients, testing::ElementsAre("agent", "l2"));
  EXPECT_EQ(back.strays, o.strays);
  EXPECT_EQ(back.wakeups, 9u);
  EXPECT_EQ(back.latest, 11us);
  EXPECT_EQ(std::get<Refusal>(*decode_answer(encode(Answer(Refusal{"no"})))).message, "no");
}

TEST(Protocol, a_line_is_one_line) {
  const auto line = encode(Answer(Refusal{"two\nlines"}));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.back(), '\n');
}

TEST(Protocol, what_cannot_be_read_is_refused_with_the_field) {
  const auto refusal = [](std::string_view line) {
    const auto r = decode_request(line);
    return r ? "accepted" : r.error().message;
  };
  EXPECT_THAT(refusal("nonsense"), testing::HasSubstr("not a line of JSON"));
  EXPECT_THAT(refusal("[]"), testing::HasSubstr("is not an object"));
  EXPECT_THAT(refusal(R"({"type":"sing"})"), testing::HasSubstr("\"sing\" is not known"));
  EXPECT_THAT(refusal(R"({"type":"hello","version":2,"client":"a"})"), testing::HasSubstr("version 2"));
  EXPECT_THAT(refusal(R"({"type":"hello","version":1})"), testing::HasSubstr("client"));
  EXPECT_THAT(refusal(R"({"type":"sessions"})"), testing::HasSubstr("sessions is missing"));
  EXPECT_THAT(refusal(R"({"type":"sessions","sessions":[{}]})"), testing::HasSubstr("sessions[0]: session: peer is"));
  EXPECT_THAT(refusal(R"({"type":"sessions","sessions":[{"peer":"x"}]})"), testing::HasSubstr("x"));
  EXPECT_THAT(refusal(R"({"type":"sessions","sessions":[{"peer":"10.0.0.1","multiplier":300}]})"),
              testing::HasSubstr("multiplier is not a number in range"));
  EXPECT_THAT(refusal(R"({"type":"sessions","sessions":[{"peer":"10.0.0.1","hops":"few"}]})"),
              testing::HasSubstr("hops \"few\""));
}

}  // namespace
}  // namespace weft::bfd
