#include "bgp/control/good_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "bgp/control/tests/scratch.h"
#include "bgp/control/tests/yaml.h"

namespace weft::bgp::control {
namespace {

using namespace std::chrono_literals;

class GoodStatesTest : public ::testing::Test {
 protected:
  std::string path() const { return dir_ / "states.json"; }
  static json::object peer(int hold, const char* uid = "u1") {
    return yaml("kind: CiliumBGPPeerConfig\nmetadata: {name: tor, uid: " + std::string(uid) +
                "}\nspec: {timers: {holdTimeSeconds: " + std::to_string(hold) + ", keepAliveTimeSeconds: 1}}");
  }
  /// A run of the agent: it sees the objects one after another, and what it makes of the last is returned.
  Object<PeerConfigSpec> run(const std::vector<json::object>& objects) {
    GoodStates states(path());
    Keeper<PeerConfigSpec> keeper(parse_peer_config, kPeerConfigKind, &states);
    Object<PeerConfigSpec> last;
    for (const auto& o : objects) last = keeper(o);
    EXPECT_TRUE(states.save());
    return last;
  }
  Scratch dir_;
};

TEST_F(GoodStatesTest, a_run_that_finds_an_object_bad_goes_on_with_what_the_run_before_had) {
  run({peer(9)});
  const auto row = run({peer(2)});
  ASSERT_TRUE(row.good);
  EXPECT_EQ(row.good->hold_time, 9s);
  EXPECT_TRUE(has_errors(row.findings));
  EXPECT_EQ(run({peer(2)}).good->hold_time, 9s) << "and so does the one after it";
}

TEST_F(GoodStatesTest, the_newest_good_state_counts) {
  run({peer(9), peer(12), peer(1)});
  EXPECT_EQ(run({peer(2)}).good->hold_time, 12s);
}

TEST_F(GoodStatesTest, an_object_made_anew_begins_anew) {
  run({peer(9, "u1")});
  EXPECT_FALSE(run({peer(2, "u2")}).good);
}

TEST_F(GoodStatesTest, objects_that_are_gone_are_forgotten) {
  GoodStates states(path());
  states.keep("A", peer(9));
  states.keep("B", peer(9));
  states.retain("A", {"other"});
  EXPECT_EQ(states.find("A", "tor", "u1"), nullptr);
  EXPECT_NE(states.find("B", "tor", "u1"), nullptr);
}

TEST_F(GoodStatesTest, a_damaged_file_is_an_empty_one) {
  for (const char* text : {"", "{", "[]", "{\"CiliumBGPPeerConfig\": 3}", "{\"CiliumBGPPeerConfig\": {\"tor\": []}}"}) {
    ASSERT_TRUE(write_file(path(), text));
    EXPECT_FALSE(run({peer(2)}).good) << text;
    EXPECT_TRUE(run({peer(9)}).good) << text;
  }
}

}  // namespace
}  // namespace weft::bgp::control
