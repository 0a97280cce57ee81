#include "bgp/speaker/router_choice.h"

#include <gtest/gtest.h>

namespace weft::bgp {
namespace {

using namespace std::chrono_literals;

class RouterChoiceTest : public ::testing::Test {
 protected:
  static Address router(int n) { return Address::parse("fe80::")->plus(static_cast<std::uint64_t>(n)); }
  Address now_is() const { return choice.current()->address; }

  RouterChoice choice;
  Steady::time_point now{1h};
};

TEST_F(RouterChoiceTest, TheFirstOneHeardStaysWhileItSpeaks) {
  EXPECT_FALSE(choice.current());
  EXPECT_TRUE(choice.heard(router(1), now));
  for (int i = 0; i < 100; ++i) {
    now += 10s;
    EXPECT_FALSE(choice.heard(router(2), now));
    EXPECT_FALSE(choice.heard(router(1), now));
  }
  EXPECT_EQ(now_is(), router(1));
  EXPECT_EQ(choice.others(), 1u);
}

TEST_F(RouterChoiceTest, WhoeverSpeaksTakesThePlaceOfOneThatIsSilent) {
  choice.heard(router(1), now);
  now += 31s;
  EXPECT_TRUE(choice.heard(router(2), now));
  EXPECT_EQ(now_is(), router(2));
}

TEST_F(RouterChoiceTest, ASessionHoldsItsRouterHoweverSilentThatIs) {
  choice.heard(router(1), now);
  EXPECT_TRUE(choice.settle(router(3), now)) << "it connected before it had advertised itself";
  now += 1h;
  EXPECT_FALSE(choice.heard(router(2), now));
  EXPECT_FALSE(choice.try_next(now));
  EXPECT_EQ(now_is(), router(3));
  choice.release(now);
  EXPECT_FALSE(choice.heard(router(2), now + 20s)) << "it is the first to be tried again";
  EXPECT_EQ(now_is(), router(3));
}

TEST_F(RouterChoiceTest, AttemptsThatFailGiveEveryoneTheirTurn) {
  for (int n = 1; n <= 3; ++n) choice.heard(router(n), now);
  for (const int next : {2, 3, 1, 2}) {
    EXPECT_TRUE(choice.try_next(now));
    EXPECT_EQ(now_is(), router(next));
  }
}

TEST_F(RouterChoiceTest, WhomASessionWasWithHasEveryOtherTurn) {
  for (int n = 1; n <= 3; ++n) choice.heard(router(n), now);
  choice.settle(router(2), now);
  choice.release(now);
  for (const int next : {3, 2, 1, 2, 3, 2}) {
    EXPECT_TRUE(choice.try_next(now));
    EXPECT_EQ(now_is(), router(next));
  }
}

TEST_F(RouterChoiceTest, OneAloneIsTriedAgain) {
  choice.heard(router(1), now);
  EXPECT_FALSE(choice.try_next(now));
  choice.heard(router(2), now);
  now += 31min;
  EXPECT_FALSE(choice.try_next(now)) << "the other has not been heard for too long";
  EXPECT_EQ(now_is(), router(1));
}

TEST_F(RouterChoiceTest, AThousandOfThemCostNothing) {
  for (int n = 1; n <= 1000; ++n) choice.heard(router(n), now += 1ms);
  EXPECT_EQ(choice.others(), RouterChoice::kOthers);
  EXPECT_EQ(now_is(), router(1));
}

}  // namespace
}  // namespace weft::bgp
