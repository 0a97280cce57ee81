#include "bgp/control/router_annotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "bgp/control/tests/scratch.h"
#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kKey = "cilium.io/bgp-virtual-router.65001";

class RouterAnnotationTest : public ::testing::Test {
 protected:
  /// A run of the agent: it sees one set of annotations after another, and what it makes of the last is returned.
  Labels run(const std::vector<Labels>& seen, const char* uid = "u1") {
    GoodStates states(dir_ / "states.json");
    Labels out;
    for (const auto& annotations : seen) out = good_router_annotations(states, "n1", uid, annotations);
    EXPECT_TRUE(states.save());
    return out;
  }
  Scratch dir_;
};

TEST_F(RouterAnnotationTest, a_bad_one_leaves_the_last_good_one_also_over_a_restart) {
  const Labels good{{kKey, "router-id=192.0.2.3"}}, bad{{kKey, "router-id=192.0.2.300"}};
  EXPECT_THAT(run({good, bad, bad}), ElementsAre(Pair(kKey, "router-id=192.0.2.3")));
  EXPECT_THAT(run({bad}), ElementsAre(Pair(kKey, "router-id=192.0.2.3")));
  EXPECT_THAT(run({{{kKey, "router-id=192.0.2.4"}}, bad}), ElementsAre(Pair(kKey, "router-id=192.0.2.4")));
}

TEST_F(RouterAnnotationTest, without_a_good_one_before_there_is_none) {
  EXPECT_THAT(run({{{kKey, "local-port=65536"}}}), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(dir_ / "states.json")) << "and nothing is written";
}

TEST_F(RouterAnnotationTest, one_that_was_taken_away_is_forgotten) {
  run({{{kKey, "local-port=1790"}}, {}});
  EXPECT_THAT(run({{{kKey, "local-port=x"}}}), IsEmpty());
}

TEST_F(RouterAnnotationTest, a_node_made_anew_begins_anew) {
  run({{{kKey, "local-port=1790"}}}, "u1");
  EXPECT_THAT(run({{{kKey, "local-port=x"}}}, "u2"), IsEmpty());
}

TEST_F(RouterAnnotationTest, each_virtual_router_has_its_own_and_other_annotations_are_none) {
  const std::string other = router_annotation(65002);
  const Labels first{{kKey, "local-port=1790"}, {other, "local-port=1791"}, {"weft.io/drain", "true"}};
  EXPECT_THAT(run({first}), ElementsAre(Pair(kKey, "local-port=1790"), Pair(other, "local-port=1791")));
  EXPECT_THAT(run({{{kKey, "port=1"}, {other, "local-port=1792"}}}),
              ElementsAre(Pair(kKey, "local-port=1790"), Pair(other, "local-port=1792")));
}

}  // namespace
}  // namespace weft::bgp::control
