#include "mesh/status_check.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace weft::mesh {
namespace {

using Verdict = StatusCheck::Verdict;

const Steady::time_point kStart{1h};

kvstore::KeyValue beat(std::string value, kvstore::EtcdRevision revision) {
  return {.key = "cilium/.heartbeat", .value = std::move(value), .mod_revision = revision};
}

// A remote that is connected, and whose heartbeat has been seen once.
StatusCheck connected() {
  StatusCheck check("west", kHeartbeatWithin);
  check.connected(kStart);
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart), Verdict::fine);
  return check;
}

TEST(StatusCheck, is_fine_as_long_as_the_heartbeat_is_renewed) {
  auto check = connected();
  for (int minute = 1; minute < 60; ++minute)
    EXPECT_EQ(check.answered(beat("08:" + std::to_string(minute), 7 + minute), kStart + 1min * minute), Verdict::fine);
  EXPECT_EQ(check.why(), "");
}

TEST(StatusCheck, fails_when_the_heartbeat_is_older_than_120_s_and_says_so) {
  auto check = connected();
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 120s), Verdict::fine) << "two may be missing";
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 121s), Verdict::failing);
  EXPECT_EQ(check.why(), "heartbeat of cluster west not renewed for 121 s: is its weft-clustermesh running?");
  EXPECT_TRUE(check.store_answers());
}

TEST(StatusCheck, asks_for_a_new_connection_at_the_third_failure_in_a_row) {
  auto check = connected();
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 121s), Verdict::failing);
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 126s), Verdict::failing);
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 131s), Verdict::reconnect);
}

TEST(StatusCheck, counts_from_the_start_when_one_check_between_was_fine) {
  auto check = connected();
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 121s), Verdict::failing);
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 126s), Verdict::failing);
  EXPECT_EQ(check.answered(beat("08:02", 8), kStart + 131s), Verdict::fine);
  EXPECT_EQ(check.why(), "");
  EXPECT_EQ(check.answered(beat("08:02", 8), kStart + 252s), Verdict::failing);
  EXPECT_EQ(check.answered(beat("08:02", 8), kStart + 257s), Verdict::failing);
}

TEST(StatusCheck, a_heartbeat_that_is_gone_or_was_never_there_is_not_renewed) {
  auto check = connected();
  EXPECT_EQ(check.answered(std::nullopt, kStart + 60s), Verdict::fine);
  EXPECT_EQ(check.answered(std::nullopt, kStart + 121s), Verdict::failing);

  StatusCheck never("west", kHeartbeatWithin);
  never.connected(kStart);
  EXPECT_EQ(never.answered(std::nullopt, kStart), Verdict::fine);
  EXPECT_EQ(never.answered(std::nullopt, kStart + 121s), Verdict::failing);
}

TEST(StatusCheck, a_heartbeat_written_again_with_the_same_value_is_renewed) {
  auto check = connected();
  EXPECT_EQ(check.answered(beat("08:00", 8), kStart + 100s), Verdict::fine);
  EXPECT_EQ(check.answered(beat("08:00", 8), kStart + 220s), Verdict::fine);
}

TEST(StatusCheck, connecting_again_does_not_make_an_old_heartbeat_young) {
  auto check = connected();
  for (const auto at : {121s, 126s, 131s}) check.answered(beat("08:00", 7), kStart + at);
  check.connected(kStart + 132s);
  EXPECT_EQ(check.answered(beat("08:00", 7), kStart + 132s), Verdict::failing);
  EXPECT_EQ(check.why(), "heartbeat of cluster west not renewed for 132 s: is its weft-clustermesh running?");
  EXPECT_EQ(check.answered(beat("08:03", 9), kStart + 137s), Verdict::fine);
}

TEST(StatusCheck, connects_no_more_often_than_a_heartbeat_may_take_while_nothing_new_comes) {
  auto check = connected();
  int connections = 0;
  for (auto now = kStart; now < kStart + 1h; now += 5s) {
    if (check.answered(beat("08:00", 7), now) != Verdict::reconnect) continue;
    ++connections;
    check.connected(now);
  }
  EXPECT_EQ(connections, 3600 / 135);
}

TEST(StatusCheck, a_store_that_does_not_answer_is_left_at_the_third_time) {
  auto check = connected();
  const Error silent{Errc::timeout, "no answer within 10 s"};
  EXPECT_EQ(check.failed(silent), Verdict::failing);
  EXPECT_FALSE(check.store_answers());
  EXPECT_EQ(check.why(), "the status check fails, rows kept: no answer within 10 s");
  EXPECT_EQ(check.failed(silent), Verdict::failing);
  EXPECT_EQ(check.failed(silent), Verdict::reconnect);
  check.connected(kStart + 60s);
  EXPECT_TRUE(check.store_answers());
  EXPECT_EQ(check.failed(silent), Verdict::failing) << "a new connection, a new count";
}

TEST(StatusCheck, another_store_behind_the_address_is_left_at_once) {
  auto check = connected();
  EXPECT_EQ(check.failed({Errc::conflict, "another cluster id"}), Verdict::reconnect);
}

}  // namespace
}  // namespace weft::mesh
