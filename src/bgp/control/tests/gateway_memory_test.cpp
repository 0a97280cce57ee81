#include "bgp/control/gateway_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GatewayMemoryTest : public ::testing::Test {
 protected:
  std::vector<Gateway> look(std::vector<Gateway> routed) {
    now += 2s;
    known = memory.look(routed, links, now);
    return known.all;
  }

  const Gateway first{addr("10.0.0.1"), "eth0"}, neighbour{addr("10.0.0.2"), "eth0"}, other{addr("10.0.1.1"), "eth1"};
  std::vector<netlink::Link> links{{.index = 1, .name = "eth0", .up = true}, {.index = 2, .name = "eth1", .up = true}};
  Steady::time_point now{1h};
  GatewayMemory memory;
  GatewayMemory::Known known;
};

TEST_F(GatewayMemoryTest, a_gateway_outlives_its_route_for_a_hold_time) {
  EXPECT_THAT(look({first}), ElementsAre(first));
  const auto routed = now;
  while (now + 2s < routed + GatewayMemory::kHold) ASSERT_THAT(look({}), ElementsAre(first));
  EXPECT_THAT(look({}), IsEmpty());
}

TEST_F(GatewayMemoryTest, each_blink_has_the_whole_time) {
  look({first});
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(look({}), ElementsAre(first));
    ASSERT_THAT(look({first}), ElementsAre(first));
  }
}

TEST_F(GatewayMemoryTest, a_loss_is_told_once) {
  look({first});
  EXPECT_THAT(known.lost, IsEmpty());
  look({});
  EXPECT_THAT(known.lost, ElementsAre(first));
  look({});
  EXPECT_THAT(known.lost, IsEmpty());
  look({first});
  look({});
  EXPECT_THAT(known.lost, ElementsAre(first)) << "it was back";
}

TEST_F(GatewayMemoryTest, another_gateway_of_the_link_takes_its_place_at_once) {
  look({first});
  EXPECT_THAT(look({neighbour}), ElementsAre(neighbour));
  EXPECT_THAT(look({}), ElementsAre(neighbour)) << "the one before is forgotten";
}

TEST_F(GatewayMemoryTest, a_second_uplink_does_not_cost_the_session_over_the_first) {
  // The default route of the first link blinks, and for a moment that of the second is the best.
  look({first});
  EXPECT_THAT(look({other}), ElementsAre(first, other));
  EXPECT_THAT(look({first}), ElementsAre(first, other));
}

TEST_F(GatewayMemoryTest, a_gateway_on_a_link_that_is_down_or_gone_goes_at_once) {
  look({first, other});
  links[0].up = false;
  EXPECT_THAT(look({other}), ElementsAre(other));
  links.pop_back();
  EXPECT_THAT(look({}), IsEmpty());
}

}  // namespace
}  // namespace weft::bgp::control
