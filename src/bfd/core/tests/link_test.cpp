// Two of our sessions over a link: the story of a session from start to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bfd/core/tests/link.h"

namespace weft::bfd::test {
namespace {

std::string path(const End& end) {
  std::string out;
  for (const auto& [when, c] : end.changes) out += (out.empty() ? "" : " ") + std::string(to_string(c.to));
  return out;
}

TEST(Link, two_sessions_come_up_and_agree_on_their_intervals) {
  Link link(config(50ms), config(100ms));
  ASSERT_TRUE(link.run_until([&] { return link.both_up(); }, 3s)) << path(link.a) << " / " << path(link.b);
  link.run(2s);
  EXPECT_EQ(link.a.session.status().detection_time, 300ms);
  EXPECT_EQ(link.b.session.status().detection_time, 300ms);
  EXPECT_EQ(link.a.session.status().tx_interval, 100ms);
  EXPECT_FALSE(link.a.session.polling());
  EXPECT_FALSE(link.b.session.polling());
  EXPECT_EQ(link.a.session.status().why, "");
}

TEST(Link, until_up_nobody_announces_less_than_a_second) {
  Link link(config(10ms), config(10ms));
  link.b.deaf = link.a.deaf = true;
  link.run(60s);
  ASSERT_GT(link.a.sent.size(), 60u);
  ASSERT_LE(link.a.sent.size(), 81u);
  for (const auto& [when, p] : link.a.sent) {
    EXPECT_EQ(p.desired_min_tx, 1s);
    EXPECT_EQ(p.required_min_rx, 10ms);
    EXPECT_EQ(p.state, State::down);
    EXPECT_EQ(p.your_discriminator, 0u);
  }
}

TEST(Link, a_day_at_a_packet_a_second_and_ten_minutes_at_a_hundred_pass_without_a_false_alarm) {
  Link link(config(1s), config(1s));
  link.a.record = link.b.record = false;
  link.run(24h);
  EXPECT_GT(link.a.packets, 86'400u);
  link.configure(link.a, config(10ms));
  link.configure(link.b, config(10ms));
  link.run(10min);
  EXPECT_GT(link.a.packets, 86'400u + 60'000u);
  EXPECT_EQ(path(link.a), "Init Up");
  EXPECT_EQ(link.a.session.status().detection_time, 30ms);
  EXPECT_EQ(link.a.session.status().counters.times_down, 0u);
  EXPECT_EQ(link.b.session.status().counters.times_down, 0u);
  EXPECT_EQ(link.a.session.status().counters.discarded.total(), 0u);
}

TEST(Link, jitter_shortens_every_interval_by_up_to_a_quarter) {
  Link link(config(100ms), config(100ms));
  link.run(10s);
  link.a.sent.clear();
  link.run(60s);
  Duration least = 1h, most{};
  for (std::size_t i = 1; i < link.a.sent.size(); ++i) {
    const Duration gap = link.a.sent[i].first - link.a.sent[i - 1].first;
    least = std::min(least, gap), most = std::max(most, gap);
  }
  EXPECT_GE(least, 75ms);
  EXPECT_LE(least, 77ms);
  EXPECT_GE(most, 98ms);
  EXPECT_LE(most, 100ms);
}

TEST(Link, with_a_multiplier_of_one_jitter_leaves_the_last_tenth_free) {
  Link link(config(100ms, 1), config(100ms, 1));
  link.run(10s);
  link.a.sent.clear();
  link.run(60s);
  for (std::size_t i = 1; i < link.a.sent.size(); ++i) {
    const Duration gap = link.a.sent[i].first - link.a.sent[i - 1].first;
    EXPECT_GE(gap, 75ms);
    EXPECT_LE(gap, 90ms);
  }
  EXPECT_TRUE(link.both_up());
}

TEST(Link, a_cut_is_seen_within_the_detection_time_on_both_sides) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  ASSERT_TRUE(link.both_up());
  link.a.deaf = link.b.deaf = true;
  const auto cut = link.now;
  link.run(1s);
  EXPECT_EQ(path(link.a), "Init Up Down");
  const auto took = link.a.changes.back().first - cut;
  EXPECT_LE(took, 151ms);
  EXPECT_GE(took, 100ms);
  const auto s = link.a.session.status();
  EXPECT_EQ(s.down_reason, DownReason::detection_expired);
  EXPECT_EQ(s.local_diag, Diag::detection_expired);
  EXPECT_EQ(s.remote_discriminator, 0u);
  EXPECT_EQ(s.why, "10.0.0.2 was silent for 150 ms (3 x 50 ms): the path or the peer is dead");
  EXPECT_TRUE(path_failed(s));
  link.a.deaf = link.b.deaf = false;
  EXPECT_TRUE(link.run_until([&] { return link.both_up(); }, 5s)) << "the link is back";
}

TEST(Link, a_cut_in_one_direction_takes_both_sides_down) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  link.a.deaf = true;
  ASSERT_TRUE(link.run_until([&] { return link.b.session.state() == State::down; }, 1s));
  const auto s = link.b.session.status();
  EXPECT_EQ(s.down_reason, DownReason::peer_down);
  EXPECT_EQ(s.local_diag, Diag::neighbor_down);
  EXPECT_EQ(s.remote_diag, Diag::detection_expired);
  EXPECT_EQ(s.why, "10.0.0.2 said Down: it did not hear us for its detection time");
  EXPECT_TRUE(path_failed(s));
  link.run(20s);
  EXPECT_EQ(link.a.session.state(), State::down) << "it hears nothing";
  EXPECT_NE(link.b.session.state(), State::up);
}

TEST(Link, a_peer_that_starts_anew_is_noticed_and_joined_again) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  link.restart(link.b, config(50ms), 33);
  ASSERT_TRUE(link.run_until([&] { return link.both_up(); }, 5s));
  EXPECT_EQ(path(link.a), "Init Up Down Up");
  EXPECT_EQ(link.a.session.status().remote_discriminator, 33u);
}

TEST(Link, admin_down_is_told_at_once_and_is_no_failure) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  auto down = config(50ms);
  down.admin_down = true;
  link.configure(link.a, down);
  link.run(2ms);
  EXPECT_EQ(link.b.session.state(), State::down);
  const auto s = link.b.session.status();
  EXPECT_EQ(s.down_reason, DownReason::peer_admin_down);
  EXPECT_EQ(s.remote_diag, Diag::admin_down);
  EXPECT_FALSE(path_failed(s));
  EXPECT_EQ(s.why, "10.0.0.2 is administratively down on its side");
  link.run(1ms);
  EXPECT_TRUE(link.a.session.farewell_done(link.now)) << "the peer has shown that it knows";
  link.run(60s);
  EXPECT_EQ(link.b.session.state(), State::down);
  EXPECT_GT(link.a.session.status().counters.discarded[Discard::session_admin_down], 0u);
  link.configure(link.a, config(50ms));
  EXPECT_TRUE(link.run_until([&] { return link.both_up(); }, 5s));
}

TEST(Link, a_farewell_to_a_dead_peer_lasts_its_detection_time) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  link.b.deaf = link.a.deaf = true;
  auto down = config(50ms);
  down.admin_down = true;
  link.configure(link.a, down);
  EXPECT_FALSE(link.a.session.farewell_done(link.now));
  link.run(2900ms);
  EXPECT_FALSE(link.a.session.farewell_done(link.now));
  link.run(200ms);
  EXPECT_TRUE(link.a.session.farewell_done(link.now));
}

TEST(Link, new_intervals_are_agreed_by_a_poll_without_a_flap) {
  Link link(config(100ms), config(100ms));
  link.run(5s);
  for (const auto interval : {50ms, 400ms, 10ms, 1000ms, 20ms}) {
    link.configure(link.a, config(interval));
    link.configure(link.b, config(interval));
    link.run(6s);
    EXPECT_EQ(link.a.session.status().detection_time, 3 * interval) << interval.count();
    EXPECT_EQ(link.a.session.status().tx_interval, interval) << interval.count();
    EXPECT_FALSE(link.a.session.polling());
  }
  EXPECT_EQ(path(link.a), "Init Up");
  EXPECT_EQ(path(link.b), "Init Up");
}

TEST(Link, changes_in_the_middle_of_a_poll_are_polled_for_again) {
  Link link(config(100ms), config(100ms));
  link.run(5s);
  link.delay = 30ms;
  for (const auto interval : {150ms, 60ms, 250ms, 40ms, 90ms}) {
    link.configure(link.a, config(interval));
    link.run(45ms);
  }
  link.run(10s);
  EXPECT_FALSE(link.a.session.polling());
  EXPECT_EQ(link.a.session.status().tx_interval, 100ms);
  EXPECT_EQ(link.b.session.status().detection_time, 300ms);
  EXPECT_EQ(path(link.a), "Init Up");
  EXPECT_EQ(path(link.b), "Init Up");
}

TEST(Link, authenticated_sessions_come_up_and_survive_a_restart_of_the_peer) {
  auto c = config(50ms);
  c.auth = AuthKey{1, "one secret"};
  Link link(c, c);
  link.run(5s);
  ASSERT_TRUE(link.both_up());
  EXPECT_EQ(link.a.session.status().counters.discarded.total(), 0u);
  link.restart(link.b, c, 99);  // counts from another number
  link.run(10s);
  EXPECT_TRUE(link.both_up());
}

TEST(Link, another_key_keeps_the_session_down_and_says_so) {
  auto ours = config(50ms), theirs = config(50ms);
  ours.auth = AuthKey{1, "right"};
  theirs.auth = AuthKey{1, "wrong"};
  Link link(ours, theirs);
  link.run(10s);
  EXPECT_EQ(path(link.a), "");
  EXPECT_THAT(link.a.session.status().why, testing::HasSubstr("their digest was not made with our key"));
  EXPECT_GT(link.a.session.status().counters.discarded[Discard::auth_digest], 5u);
}

TEST(Link, loss_of_single_packets_is_no_failure) {
  Link link(config(50ms), config(50ms));
  link.run(5s);
  for (int i = 0; i < 100; ++i) {
    link.b.deaf = true;
    link.run(60ms);  // one packet, two at most
    link.b.deaf = false;
    link.run(100ms);
  }
  EXPECT_EQ(path(link.b), "Init Up");
}

TEST(Link, a_passive_side_waits_to_be_spoken_to) {
  auto quiet = config(50ms);
  quiet.passive = true;
  Link both_quiet(quiet, quiet);
  both_quiet.run(1min);
  EXPECT_EQ(both_quiet.a.packets + both_quiet.b.packets, 0u);
  Link link(quiet, config(50ms));
  EXPECT_TRUE(link.run_until([&] { return link.both_up(); }, 5s));
}

}  // namespace
}  // namespace weft::bfd::test
