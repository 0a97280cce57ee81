#include "bgp/rib/export.h"

#include <gtest/gtest.h>

#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::via;

ExportRules rules(bool ibgp) {
  ExportRules r;
  r.ibgp = ibgp;
  r.local_as = 65001;
  r.four_octet_asn = true;
  r.next_hop = via("192.0.2.1");
  return r;
}

PathAttributes exported(const RouteAttributes& a, const ExportRules& r) {
  return std::get<Exported>(export_route(a, r)).path;
}

TEST(Export, an_external_peer_sees_our_asn_and_no_local_preference) {
  RouteAttributes a = test::with_med(7);
  a.path.local_pref = 300;
  const PathAttributes path = exported(a, rules(false));
  EXPECT_EQ(path.as_path.to_string(), "65001");
  EXPECT_EQ(path.local_pref, std::nullopt);
  EXPECT_EQ(path.med, 7U);
}

TEST(Export, our_asn_stands_before_the_wanted_path_and_as_often_more_as_prepend_says) {
  RouteAttributes a = test::with_path({64512});
  a.prepend = 2;
  EXPECT_EQ(exported(a, rules(false)).as_path.to_string(), "65001 65001 65001 64512");
}

TEST(Export, an_internal_peer_sees_a_local_preference_and_no_prepends) {
  RouteAttributes a;
  a.prepend = 2;
  EXPECT_EQ(exported(a, rules(true)).local_pref, 100U);
  EXPECT_EQ(exported(a, rules(true)).as_path.length(), 0U);
  a.path.local_pref = 300;
  EXPECT_EQ(exported(a, rules(true)).local_pref, 300U);
}

TEST(Export, well_known_communities_of_ours_are_sent) {
  RouteAttributes a;
  a.path.communities = {kNoExport, kNoAdvertise};
  EXPECT_EQ(exported(a, rules(false)).communities, a.path.communities);
}

TEST(Export, graceful_shutdown_adds_the_community_once_and_takes_the_preference) {
  RouteAttributes a;
  a.path.local_pref = 300;
  a.path.communities = {1, kGracefulShutdown, kNoExport};
  ExportRules internal = rules(true);
  internal.graceful_shutdown = true;
  EXPECT_EQ(exported(a, internal).communities, a.path.communities);
  EXPECT_EQ(exported(a, internal).local_pref, 0U);
  a.path.communities = {1, kNoExport};
  ExportRules external = rules(false);
  external.graceful_shutdown = true;
  EXPECT_EQ(exported(a, external).communities, (std::vector<Community>{1, kGracefulShutdown, kNoExport}));
  EXPECT_EQ(exported(a, external).local_pref, std::nullopt);
}

TEST(Export, an_ipv6_next_hop_for_ipv4_goes_only_where_it_was_agreed) {
  RouteAttributes a;
  a.next_hop = via("fd00::1");
  ExportRules r = rules(false);
  EXPECT_EQ(std::get<NotAdvertised>(export_route(a, r)), NotAdvertised::next_hop_family);
  r.v6_next_hop_for_v4 = true;
  EXPECT_EQ(std::get<Exported>(export_route(a, r)).next_hop, via("fd00::1"));
  r.family = Family::v6;
  a.next_hop = via("192.0.2.1");
  EXPECT_EQ(std::get<NotAdvertised>(export_route(a, r)), NotAdvertised::next_hop_family);
}

TEST(Export, without_any_next_hop_nothing_goes) {
  ExportRules r = rules(false);
  r.next_hop.reset();
  EXPECT_EQ(std::get<NotAdvertised>(export_route({}, r)), NotAdvertised::no_next_hop);
}

TEST(Export, attributes_that_fill_a_message_are_refused_unless_messages_may_be_longer) {
  RouteAttributes a;
  for (Community c = 1; c <= 1100; ++c) a.path.communities.push_back(c);
  ExportRules r = rules(false);
  EXPECT_EQ(std::get<NotAdvertised>(export_route(a, r)), NotAdvertised::attributes_too_long);
  r.extended_message = true;
  EXPECT_TRUE(std::holds_alternative<Exported>(export_route(a, r)));
}

}  // namespace
}  // namespace weft::bgp
