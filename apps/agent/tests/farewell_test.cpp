#include "apps/agent/farewell.h"

#include <gtest/gtest.h>

namespace weft::agent {
namespace {

bgp::control::Plan one_peer() {
  bgp::control::Plan plan;
  bgp::PeerConfig peer;
  peer.name = "tor";
  peer.graceful_restart.emplace();
  plan.instances["a"].config.peers = {peer};
  return plan;
}

TEST(Farewell, an_agent_that_stops_comes_back_unless_the_node_says_otherwise) {
  EXPECT_EQ(farewell(nullptr, false, one_peer()), Farewell::restart);
  kube::CoreNode node;
  EXPECT_EQ(farewell(&node, false, one_peer()), Farewell::restart);
  EXPECT_EQ(farewell(&node, false, {}), Farewell::restart);
}

TEST(Farewell, a_node_that_shuts_down_takes_its_routes_with_it) {
  kube::CoreNode node;
  node.shutting_down = true;
  EXPECT_EQ(farewell(&node, false, one_peer()), Farewell::shutdown);
  EXPECT_EQ(farewell(&node, true, one_peer()), Farewell::shutdown) << "its drain is not over";
}

TEST(Farewell, a_drained_node_has_left_once_every_peer_is_told_nothing) {
  kube::CoreNode node;
  auto plan = one_peer();
  EXPECT_EQ(farewell(&node, true, plan), Farewell::restart) << "its routes are marked, not withdrawn";
  plan.instances["a"].withdrawn = {"tor"};
  EXPECT_EQ(farewell(&node, true, plan), Farewell::drained);
  EXPECT_EQ(farewell(&node, false, plan), Farewell::restart);
}

}  // namespace
}  // namespace weft::agent
