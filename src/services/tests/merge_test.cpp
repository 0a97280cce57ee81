#include "services/merge.h"

#include <gtest/gtest.h>

#include "services/tests/addr.h"

namespace weft::services {
namespace {

// A service with one named port, its endpoints here and elsewhere, built sentence by sentence.
class MergeTest : public ::testing::Test {
 protected:
  Site site{.cluster = "east", .node = "node-1"};
  Service service;
  std::vector<std::shared_ptr<const EndpointSlice>> slices;
  std::vector<std::shared_ptr<const ClusterService>> remotes;

  MergeTest() {
    service.name = {"shop", "cart"};
    service.cluster_ips = {addr("10.96.0.5"), addr("fd00:96::5")};
    service.ports = {{.name = "http", .protocol = Protocol::tcp, .port = 80}};
    service.global = true;
  }
  void local(const char* ip, bool ready = true, bool serving = true, bool terminating = false,
             const char* node = "node-1") {
    const Address a = addr(ip);
    slices.push_back(std::make_shared<EndpointSlice>(EndpointSlice{
        .name = {"shop", ip},
        .service = "cart",
        .family = a.family(),
        .ports = {{"http", Protocol::tcp, 8080}},
        .endpoints = {
            {.addresses = {a}, .ready = ready, .serving = serving, .terminating = terminating, .node_name = node}}}));
  }
  std::shared_ptr<ClusterService> remote(const char* cluster, std::initializer_list<const char*> ips,
                                         const char* port = "http", Port number = 9090) {
    auto feed = std::make_shared<ClusterService>();
    feed->cluster = cluster;
    feed->cluster_id = 7;
    feed->name = service.name;
    for (const char* ip : ips) feed->backends[addr(ip)][port] = {Protocol::tcp, number};
    remotes.push_back(feed);
    return feed;
  }
  std::vector<Frontend> merged() { return merge(site, service, slices, remotes); }
  // The backends that may take new connections on the IPv4 (or IPv6) ClusterIP, as text.
  std::string serving(Family f = Family::v4) {
    for (const Frontend& fe : merged()) {
      if (fe.address.address.address.family() != f) continue;
      std::string out;
      for (const Backend& b : fe.backends)
        if (b.preferred)
          out += (out.empty() ? "" : " ") + b.address.to_string() +
                 (b.state == BackendState::terminating ? "(terminating)" : "");
      return out;
    }
    return "no frontend";
  }
};

TEST_F(MergeTest, a_global_service_is_answered_by_all_clusters) {
  local("10.1.0.4");
  remote("west", {"10.2.0.4"});
  remote("north", {"10.3.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.2.0.4:9090 10.3.0.4:9090");
}

TEST_F(MergeTest, families_do_not_mix) {
  local("10.1.0.4");
  local("fd00:1::4");
  remote("west", {"10.2.0.4", "fd00:2::4"});
  EXPECT_EQ(serving(Family::v4), "10.1.0.4:8080 10.2.0.4:9090");
  EXPECT_EQ(serving(Family::v6), "[fd00:1::4]:8080 [fd00:2::4]:9090");
}

TEST_F(MergeTest, a_service_that_is_not_global_here_uses_no_remote_backend) {
  service.global = false;
  local("10.1.0.4");
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080");
}

TEST_F(MergeTest, a_remote_that_does_not_share_is_left_out) {
  remote("west", {"10.2.0.4"})->shared = false;
  EXPECT_EQ(serving(), "");
}

TEST_F(MergeTest, our_own_feed_coming_back_is_ignored) {
  remote("east", {"10.1.0.4"});
  EXPECT_EQ(serving(), "");
}

TEST_F(MergeTest, port_names_must_match_when_both_sides_have_them) {
  remote("west", {"10.2.0.4"}, "metrics");
  EXPECT_EQ(serving(), "");
  remotes.clear();
  remote("west", {"10.2.0.4"}, "");
  EXPECT_EQ(serving(), "10.2.0.4:9090");
  service.ports[0].name = "";
  remotes.clear();
  remote("west", {"10.2.0.4"}, "anything");
  EXPECT_EQ(serving(), "10.2.0.4:9090");
}

TEST_F(MergeTest, protocols_must_match) {
  service.ports[0].protocol = Protocol::udp;
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "");
}

TEST_F(MergeTest, affinity_none_uses_everybody) {
  service.affinity = ServiceAffinity::none;
  local("10.1.0.4");
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.2.0.4:9090");
}

TEST_F(MergeTest, affinity_local_holds_remotes_back_and_says_why) {
  service.affinity = ServiceAffinity::local;
  local("10.1.0.4");
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080");
  EXPECT_EQ(merged()[0].backends[1].held_back, "affinity is local and a local backend is healthy");
}

TEST_F(MergeTest, affinity_local_fails_over_when_no_local_backend_is_left) {
  service.affinity = ServiceAffinity::local;
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.2.0.4:9090");
}

TEST_F(MergeTest, affinity_local_fails_over_when_local_backends_only_terminate) {
  service.affinity = ServiceAffinity::local;
  local("10.1.0.4", false, true, true);
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080(terminating) 10.2.0.4:9090");
}

TEST_F(MergeTest, affinity_local_is_decided_per_family) {
  service.affinity = ServiceAffinity::local;
  local("10.1.0.4");
  remote("west", {"10.2.0.4", "fd00:2::4"});
  EXPECT_EQ(serving(Family::v4), "10.1.0.4:8080");
  EXPECT_EQ(serving(Family::v6), "[fd00:2::4]:9090");
}

TEST_F(MergeTest, affinity_remote_prefers_remotes_and_falls_back) {
  service.affinity = ServiceAffinity::remote;
  local("10.1.0.4");
  EXPECT_EQ(serving(), "10.1.0.4:8080");
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.2.0.4:9090");
}

TEST_F(MergeTest, a_remote_backend_on_its_way_out_gets_no_new_connection) {
  auto feed = remote("west", {"10.2.0.4", "10.2.0.5", "10.2.0.6"});
  feed->states[addr("10.2.0.5")] = {.ready = false, .serving = true, .terminating = true};
  feed->states[addr("10.2.0.6")] = {.ready = false, .serving = false, .terminating = false};
  EXPECT_EQ(serving(), "10.2.0.4:9090 10.2.0.5:9090(terminating)");
}

TEST_F(MergeTest, not_ready_endpoints_are_left_out) {
  local("10.1.0.4", false, false, false);
  EXPECT_EQ(serving(), "");
  service.publish_not_ready_addresses = true;
  EXPECT_EQ(serving(), "") << "the slice says it: for such a service its endpoints are ready";
}

// What the slice controller writes for pods of a service with publishNotReadyAddresses, whatever they do.
TEST_F(MergeTest, published_endpoints_stay_in_rotation_here_and_in_other_clusters) {
  service.publish_not_ready_addresses = true;
  local("10.1.0.4", true, false, false);
  local("10.1.0.5", true, false, true);
  local("10.1.0.6", true, true, true);
  auto feed = remote("west", {"10.2.0.4", "10.2.0.5", "10.2.0.6"});
  feed->states[addr("10.2.0.4")] = {.ready = true, .serving = false, .terminating = false};
  feed->states[addr("10.2.0.5")] = {.ready = true, .serving = false, .terminating = true};
  feed->states[addr("10.2.0.6")] = {.ready = true, .serving = true, .terminating = true};
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.1.0.5:8080 10.1.0.6:8080 10.2.0.4:9090 10.2.0.5:9090 10.2.0.6:9090");
}

TEST_F(MergeTest, internal_traffic_policy_local_keeps_this_nodes_pods_and_remotes) {
  service.internal_traffic_policy = TrafficPolicy::local;
  local("10.1.0.4", true, true, false, "node-1");
  local("10.1.1.4", true, true, false, "node-2");
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.2.0.4:9090");
}

TEST_F(MergeTest, topology_hints_count_only_when_every_backend_has_them) {
  site.service_topology = true;
  site.zone = "z1";
  service.traffic_distribution = "PreferClose";
  auto feed = remote("west", {"10.2.0.4", "10.2.0.5"});
  feed->zones[addr("10.2.0.4")] = {"z1", {"z1"}};
  EXPECT_EQ(serving(), "10.2.0.4:9090 10.2.0.5:9090");
  feed->zones[addr("10.2.0.5")] = {"z2", {"z2"}};
  EXPECT_EQ(serving(), "10.2.0.4:9090");
}

TEST_F(MergeTest, the_zone_is_preferred_under_either_name_and_by_who_takes_traffic) {
  site.service_topology = true;
  site.zone = "z1";
  auto feed = remote("west", {"10.2.0.4", "10.2.0.5", "10.2.0.6"});
  feed->zones[addr("10.2.0.4")] = {"z1", {"z1"}};
  feed->zones[addr("10.2.0.5")] = {"z2", {"z2"}};
  feed->states[addr("10.2.0.6")] = {.ready = false, .serving = true, .terminating = true};
  for (const char* name : {"PreferClose", "PreferSameZone", "PreferSameNode"}) {
    service.traffic_distribution = name;
    EXPECT_EQ(serving(), "10.2.0.4:9090 10.2.0.6:9090(terminating)") << name;
  }
  service.traffic_distribution = "PreferTheMoon";
  EXPECT_EQ(serving(), "10.2.0.4:9090 10.2.0.5:9090 10.2.0.6:9090(terminating)");
}

TEST_F(MergeTest, the_node_is_preferred_and_the_zone_where_it_has_no_pod) {
  site.service_topology = true;
  site.zone = "z1";
  service.traffic_distribution = "PreferSameNode";
  const auto hinted = [&](const char* ip, const char* node, const char* zone) {
    local(ip, true, true, false, node);
    auto copy = std::make_shared<EndpointSlice>(*slices.back());
    copy->endpoints[0].for_nodes = {node};
    copy->endpoints[0].for_zones = {zone};
    slices.back() = copy;
  };
  hinted("10.1.0.4", "node-1", "z1");
  hinted("10.1.1.4", "node-2", "z1");
  hinted("10.1.2.4", "node-3", "z2");
  EXPECT_EQ(serving(), "10.1.0.4:8080");
  EXPECT_EQ(merged()[0].backends[1].held_back, "its topology hints do not name node node-1");
  site.node = "node-4";
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.1.1.4:8080");
  site.node = "node-1";
  remote("west", {"10.2.0.4"});
  EXPECT_EQ(serving(), "10.1.0.4:8080") << "a remote pod is on no node of ours";
  service.traffic_distribution = "PreferSameZone";
  EXPECT_EQ(serving(), "10.1.0.4:8080 10.1.1.4:8080 10.1.2.4:8080 10.2.0.4:9090") << "it has no hint";
}

TEST_F(MergeTest, what_was_last_known_of_a_silent_cluster_is_a_remote_backend_whose_hints_nobody_knows) {
  const LastKnown west = [](const FrontendKey&) {
    return std::vector<Backend>{{.address = {addr("10.2.0.4"), 9090}, .cluster = "west"}};
  };
  const auto chosen = [&] {
    const auto frontend = merge(site, service, slices, remotes, west).at(0);
    std::string out;
    for (const Backend& b : frontend.backends)
      if (b.preferred) out += b.address.to_string() + " ";
    return out;
  };
  local("10.1.0.4");
  EXPECT_EQ(chosen(), "10.1.0.4:8080 10.2.0.4:9090 ");
  service.affinity = ServiceAffinity::local;
  EXPECT_EQ(chosen(), "10.1.0.4:8080 ");
  service.affinity = ServiceAffinity::none;
  site.service_topology = true;
  site.zone = "z1";
  service.traffic_distribution = "PreferSameZone";
  auto hinted = std::make_shared<EndpointSlice>(*slices[0]);
  hinted->endpoints[0].for_zones = {"z1"};
  slices[0] = hinted;
  EXPECT_EQ(chosen(), "10.1.0.4:8080 ");
  site.zone = "z2";
  EXPECT_EQ(chosen(), "10.1.0.4:8080 10.2.0.4:9090 ");
  service.global = false;
  EXPECT_EQ(chosen(), "10.1.0.4:8080 ");
}

TEST_F(MergeTest, headless_and_external_name_have_no_frontend) {
  service.headless = true;
  EXPECT_TRUE(merged().empty());
  service.headless = false;
  service.type = ServiceType::external_name;
  EXPECT_TRUE(merged().empty());
}

TEST_F(MergeTest, an_address_in_two_slices_is_one_backend_and_the_living_one_counts) {
  local("10.1.0.4", false, true, true);
  local("10.1.0.4");
  EXPECT_EQ(serving(), "10.1.0.4:8080");
}

TEST_F(MergeTest, external_ips_get_a_frontend_of_their_own) {
  service.external_ips = {addr("192.0.2.7")};
  local("10.1.0.4");
  const auto frontends = merged();
  ASSERT_EQ(frontends.size(), 3u);
  EXPECT_EQ(frontends[1].address.to_string(), "192.0.2.7:80/TCP");
  EXPECT_EQ(frontends[1].kind, FrontendKind::external_ip);
}

TEST_F(MergeTest, a_family_that_is_switched_off_has_no_frontend) {
  site.ipv6 = false;
  EXPECT_EQ(merged().size(), 1u);
}

}  // namespace
}  // namespace weft::services
