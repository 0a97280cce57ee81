#include "apps/agent/speaker.h"

#include <gtest/gtest.h>

namespace weft::agent {
namespace {

using namespace std::chrono_literals;

bgp::PeerConfig peer(std::chrono::seconds restart_time, bool bfd) {
  bgp::PeerConfig p;
  p.graceful_restart.emplace().restart_time = restart_time;
  if (bfd) p.bfd.emplace();
  return p;
}

TEST(BfdLinger, lasts_longer_than_any_watched_peer_keeps_our_routes) {
  bgp::Wanted wanted;
  EXPECT_EQ(bfd_linger(wanted), 150s) << "a restart of the agent takes its time";
  wanted.instances["a"].config.peers = {peer(600s, true), peer(4095s, false)};
  wanted.instances["b"].config.peers = {peer(300s, true), {}};
  EXPECT_EQ(bfd_linger(wanted), 630s);
  wanted.instances["a"].config.peers = {peer(30s, true)};
  wanted.instances["b"].config.peers = {};
  EXPECT_EQ(bfd_linger(wanted), 150s);
}

}  // namespace
}  // namespace weft::agent
