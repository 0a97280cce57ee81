// clean_up() on a kernel in memory and a folder of its own; against the real kernel it is in tests/podnet.
#include "apps/agent/cleanup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/file.h"
#include "netlink/fake.h"
#include "pods/install.h"
#include "pods/plumbing.h"

namespace weft::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class Cleanup : public ::testing::Test {
 protected:
  Cleanup() {
    char name[] = "/tmp/weft-cleanup-XXXXXX";
    root = ::mkdtemp(name);
    options.cni_conf_dir = root + "/net.d";
    options.cni_bin_dir = root + "/bin";
    options.bpf_root = root + "/bpf";
    options.state_dir = root + "/run/state";
    options.socket_path = root + "/run/weft.sock";
  }
  ~Cleanup() override { fs::remove_all(root); }

  void put(const std::string& path) {
    fs::create_directories(fs::path(root + "/" + path).parent_path());
    ASSERT_TRUE(write_file(root + "/" + path, "x"));
  }
  bool there(const std::string& path) const { return fs::exists(root + "/" + path); }

  std::string root;
  Options options;
  std::shared_ptr<netlink::FakeWorld> world = std::make_shared<netlink::FakeWorld>();
  netlink::FakeKernel kernel{world};
};

TEST_F(Cleanup, takes_back_what_agents_made_and_nothing_else) {
  for (const char* path :
       {"net.d/05-weft.conflist", "net.d/87-other.conflist", "bin/weft-cni", "bin/portmap", "bpf/weft/lb/maps/services",
        "bpf/other", "run/state/endpoints/a.json", "run/state/delete-queue/b.json", "run/state/bgp-graceful-restart",
        "run/state/bgp-good-states.json", "run/state/bgp-drain-since", "run/weft.sock"})
    put(path);
  const int eth0 = world->add_nic("eth0", {"172.18.1.11/24"});
  const netlink::Route others{.destination = *Prefix::parse("192.0.2.0/24"), .ifindex = eth0, .protocol = 4};
  ASSERT_TRUE(kernel.replace_route(others));
  ASSERT_TRUE(kernel.replace_route({.destination = *Prefix::parse("10.1.2.0/24"), .ifindex = eth0}));
  ASSERT_TRUE(kernel.create_veth({.name = pods::kHostDevice, .peer_name = pods::kHostDevicePeer}));
  ASSERT_TRUE(kernel.create_veth({.name = "lxc0", .alias = "weft:c1/eth0", .peer_name = "p0"}));
  ASSERT_TRUE(kernel.create_veth({.name = "veth0", .peer_name = "veth1"}));
  ASSERT_TRUE(kernel.create_vxlan({.name = "weft_vxlan"}));
  ASSERT_TRUE(kernel.nft("add table inet weft_masquerade\ntable inet weft_masquerade {\n}\n"));

  const auto report = clean_up(options, kernel);
  EXPECT_TRUE(report.ok) << ::testing::PrintToString(report.lines);
  for (const char* gone : {"net.d/05-weft.conflist", "bin/weft-cni", "bpf/weft", "run/state", "run/weft.sock"})
    EXPECT_FALSE(there(gone)) << gone;
  for (const char* stays : {"net.d/87-other.conflist", "bin/portmap", "bpf/other"}) EXPECT_TRUE(there(stays)) << stays;
  std::vector<std::string> links;
  const auto left = kernel.links();
  ASSERT_TRUE(left);
  for (const auto& l : *left) links.push_back(l.name);
  EXPECT_THAT(links, Contains("veth0"));
  for (const char* gone : {"lxc0", "weft_vxlan", "weft_host", "weft_net"}) EXPECT_THAT(links, Not(Contains(gone)));
  const auto routes = kernel.routes({.table = std::nullopt});
  ASSERT_TRUE(routes);
  EXPECT_THAT(*routes, Contains(others));
  for (const auto& r : *routes) EXPECT_NE(r.protocol, netlink::kRouteProtocol) << r.to_string();
  EXPECT_FALSE(kernel.nft("list table inet weft_masquerade"));
}

TEST_F(Cleanup, says_that_rules_of_portmap_stay_where_it_was_chained) {
  put("net.d/05-weft.conflist");
  EXPECT_THAT(clean_up(options, kernel).lines, Not(Contains(HasSubstr("portmap"))));
  ASSERT_TRUE(write_file(root + "/net.d/05-weft.conflist", pods::conflist({}, true)));
  const auto report = clean_up(options, kernel);
  EXPECT_TRUE(report.ok) << "the node is as clean as Weft makes it";
  EXPECT_THAT(report.lines, Contains(HasSubstr("plugin portmap): its rules stay until the node restarts")));
}

TEST_F(Cleanup, a_clean_node_is_clean_again) {
  for (int twice = 0; twice < 2; ++twice) {
    const auto report = clean_up(options, kernel);
    EXPECT_TRUE(report.ok) << ::testing::PrintToString(report.lines);
  }
}

TEST_F(Cleanup, routes_that_our_bgp_brought_go_and_those_of_another_daemon_stay) {
  constexpr std::uint8_t kFrr = 186;  // RTPROT_BGP
  const int eth0 = world->add_nic("eth0", {"172.18.1.11/24"});
  const netlink::Route learned{
      .destination = *Prefix::parse("198.51.100.0/24"), .ifindex = eth0, .protocol = netlink::kBgpRouteProtocol};
  const netlink::Route others{.destination = *Prefix::parse("203.0.113.0/24"), .ifindex = eth0, .protocol = kFrr};
  for (const auto& r : {learned, others}) ASSERT_TRUE(kernel.replace_route(r));
  options.bgp = false;  // it was on once
  EXPECT_TRUE(clean_up(options, kernel).ok);
  EXPECT_TRUE(kernel.routes({.protocol = netlink::kBgpRouteProtocol})->empty());
  EXPECT_EQ(kernel.routes({.protocol = kFrr})->size(), 1u);
}

TEST_F(Cleanup, what_stays_is_named_with_the_reason_and_the_rest_goes) {
  put("bin/weft-cni");
  fs::create_directories(options.cni_conf_dir + "/05-weft.conflist");  // a folder is no file
  world->fail_next["delete_link"] = {Errc::unauthorized, "deleting link weft_vxlan: no CAP_NET_ADMIN"};
  const auto report = clean_up(options, kernel);
  EXPECT_FALSE(report.ok);
  EXPECT_THAT(report.lines, Contains(HasSubstr("05-weft.conflist: stays: ")));
  EXPECT_THAT(report.lines, Contains(HasSubstr("device weft_vxlan: stays: deleting link weft_vxlan: no CAP_NET")));
  EXPECT_FALSE(there("bin/weft-cni"));
}

}  // namespace
}  // namespace weft::agent
