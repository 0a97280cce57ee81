#include "mesh/endpoint_round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

using ::testing::ElementsAre;
const Error kDead{Errc::unavailable, "nobody there"};

TEST(EndpointRound, asks_everybody_before_it_is_time_to_wait) {
  EndpointRound round({"a", "b", "c"});
  EXPECT_FALSE(round.failed(kDead, "b"));
  EXPECT_THAT(round.order(), ElementsAre("b", "c", "a"));
  EXPECT_FALSE(round.failed(kDead, "b")) << "the client did not move on, we do";
  EXPECT_THAT(round.order(), ElementsAre("c", "a", "b"));
  EXPECT_TRUE(round.failed(kDead, "a"));
  EXPECT_THAT(round.order(), ElementsAre("a", "b", "c"));
  EXPECT_FALSE(round.failed(kDead, "b")) << "the next round";
  round.connected("b");
  EXPECT_FALSE(round.failed(kDead, "c"));
  EXPECT_FALSE(round.failed(kDead, "a"));
  EXPECT_TRUE(round.failed(kDead, "b"));
}

TEST(EndpointRound, one_endpoint_is_a_round_of_its_own) {
  EndpointRound round({"a"});
  EXPECT_TRUE(round.failed(kDead, "a"));
  EXPECT_TRUE(round.failed(kDead, "a"));
  EndpointRound none({});
  EXPECT_TRUE(none.failed(kDead, "(no endpoint)"));
}

TEST(EndpointRound, shows_a_refusal_rather_than_who_is_not_there) {
  EndpointRound round({"a", "b", "c"});
  (void)round.failed(kDead, "b");
  (void)round.failed({Errc::unauthorized, "no"}, "b");
  (void)round.failed(kDead, "a");
  EXPECT_EQ(round.failure().message, "no");
  (void)round.failed(kDead, "b");
  EXPECT_EQ(round.failure().message, "nobody there") << "a new round, a new answer";
}

TEST(EndpointRound, begins_where_the_answer_came_from) {
  EndpointRound round({"a", "b", "c"});
  round.start_with("c");
  EXPECT_THAT(round.order(), ElementsAre("c", "a", "b"));
  round.start_with("unknown");
  EXPECT_THAT(round.order(), ElementsAre("c", "a", "b"));
}

TEST(EndpointRound, asks_what_was_learned_too_a_few_in_each_round) {
  EndpointRound round({"a"});
  round.learned({"l1", "l2", "l3", "l4", "l5"});
  EXPECT_TRUE(round.failed(kDead, "a")) << "they are for the next round";
  EXPECT_THAT(round.order(), ElementsAre("a", "l1", "l2", "l3", "l4"));
  for (const char* at : {"l1", "l2", "l3", "l4"}) EXPECT_FALSE(round.failed(kDead, at));
  EXPECT_TRUE(round.failed(kDead, "a"));
  EXPECT_THAT(round.order(), ElementsAre("a", "l5", "l1", "l2", "l3"));
  round.connected("l5");
  round.learned({});
  for (const char* at : {"l5", "l1", "l2", "l3"}) EXPECT_FALSE(round.failed(kDead, at));
  EXPECT_TRUE(round.failed(kDead, "a"));
  EXPECT_THAT(round.order(), ElementsAre("a", "l5")) << "where the store was last is asked as long as it was the last";
}

}  // namespace
}  // namespace weft::mesh
