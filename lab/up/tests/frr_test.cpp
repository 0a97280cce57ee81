#include "lab/up/frr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace weft::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Plan plan_of(const std::string& yaml) {
  auto t = parse_topology(yaml, "x");
  EXPECT_TRUE(t) << (t ? "" : t.error().message);
  return make_plan(t.value_or(Topology{}));
}

std::vector<std::string> names(const std::vector<ProgramSpec>& programs) {
  std::vector<std::string> out;
  for (const auto& p : programs) out.push_back(p.name);
  return out;
}

TEST(Frr, a_router_takes_sessions_from_its_nodes_and_opens_them_to_other_routers) {
  const Plan plan = plan_of(*read_file(WEFT_SOURCE_DIR "/lab/topologies/bgp.yaml"));
  const auto files = frr_files(*plan.sandbox("tor2"));
  const std::string& bgpd = files.at("/etc/frr/bgpd.conf");
  EXPECT_THAT(bgpd, HasSubstr("router bgp 65000\n"));
  EXPECT_THAT(bgpd, HasSubstr("bgp router-id 10.0.0.2\n"));
  EXPECT_THAT(bgpd, HasSubstr("bgp listen range 10.0.0.0/24 peer-group nodes\n"));
  EXPECT_THAT(bgpd, HasSubstr("bgp listen range fd00:18:1::/64 peer-group nodes\n"));
  EXPECT_THAT(bgpd, HasSubstr("neighbor 172.18.0.6 remote-as external\n"));
  EXPECT_THAT(bgpd, HasSubstr("maximum-paths 64\n"));
  // tor1 is without BFD.
  EXPECT_THAT(frr_files(*plan.sandbox("tor1")).at("/etc/frr/bgpd.conf"), Not(HasSubstr("bfd")));
  EXPECT_THAT(names(frr_programs(*plan.sandbox("tor1"))), ElementsAre("tor1/zebra", "tor1/bgpd"));
}

TEST(Frr, bfd_brings_its_daemon_and_a_profile_for_every_peer) {
  const Plan plan = plan_of("clusters: [{name: a, nodes: 1, routers: [{name: r, bgp: {asn: 4200000000, bfd: true}}]}]");
  const Sandbox& r = *plan.sandbox("r");
  EXPECT_THAT(frr_files(r).at("/etc/frr/bgpd.conf"), HasSubstr("neighbor nodes bfd profile lab\n"));
  EXPECT_THAT(frr_files(r).at("/etc/frr/bfdd.conf"), HasSubstr("transmit-interval 100\n"));
  EXPECT_THAT(names(frr_programs(r)), ElementsAre("r/zebra", "r/bfdd", "r/bgpd"));
}

TEST(Frr, a_daemon_waits_for_those_it_asks) {
  const Plan plan = plan_of("clusters: [{name: a, nodes: 1, routers: [{name: r, bgp: {asn: 65000, bfd: true}}]}]");
  const auto started = frr_programs(*plan.sandbox("r"));
  ASSERT_THAT(started, testing::SizeIs(3));
  EXPECT_THAT(started[0].argv.back(), Not(HasSubstr("until")));
  EXPECT_THAT(started[1].argv.back(), HasSubstr("until test -S /run/frr/zebra.vty"));
  EXPECT_THAT(started[2].argv.back(), HasSubstr("until test -S /run/frr/bfdd.vty"));
}

TEST(Frr, zebra_replaces_ipv6_routes_in_place) {
  const Plan plan = plan_of("clusters: [{name: a, nodes: 1, routers: [{name: r, bgp: {asn: 65000}}]}]");
  const auto started = frr_programs(*plan.sandbox("r"));
  ASSERT_THAT(started, testing::SizeIs(2));
  EXPECT_THAT(started[0].argv.back(), HasSubstr("--v6-rr-semantics"));
}

TEST(Frr, where_no_bgp_is_spoken_there_is_none) {
  const Plan plan = plan_of(std::string(default_topology()));
  EXPECT_TRUE(frr_files(*plan.sandbox("cluster1-router")).empty());
  EXPECT_TRUE(frr_programs(*plan.sandbox("cluster1-router")).empty());
  EXPECT_TRUE(frr_programs(*plan.sandbox("cluster1-node1")).empty());
}

}  // namespace
}  // namespace weft::lab
