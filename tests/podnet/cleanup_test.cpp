// weft-agent --cleanup against the kernel itself: a node where an agent and two pods were is as it was before them.
#include <gmock/gmock.h>

#include <filesystem>

#include "apps/agent/cleanup.h"
#include "base/file.h"
#include "netlink/linux_kernel.h"
#include "podnet/world.h"
#include "pods/endpoint_manager.h"
#include "pods/install.h"
#include "routing/forwarding.h"
#include "routing/masquerade.h"
#include "routing/plan.h"

namespace weft::podnet {
namespace {

namespace fs = std::filesystem;
using namespace netlink;
using ::testing::HasSubstr;

class CleanupTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!enter_sandbox()) GTEST_SKIP() << "needs root (network namespaces)";
    world_ = std::make_unique<World>();
    for (const char* ns : {"node", "pod1", "pod2"}) world_->add_netns(ns);
    world_->run(
        "node",
        "ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up; ip addr add "
        "172.18.1.11/24 dev eth0; ip -6 addr add fd00:18:1::11/64 dev eth0 nodad; ip route add 192.0.2.0/24 via "
        "172.18.1.1; nft add table inet others; iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -i docker0 -j "
        "ACCEPT");
    // It stays on after a cleanup: others on the node may rely on it by then.
    world_->run("node", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/ipv4/ip_forward");
    node_ = make_linux_kernel().value()->open(world_->netns("node")).value();
    options_.cni_conf_dir = world_->dir() + "/net.d";
    options_.cni_bin_dir = world_->dir() + "/bin";
    options_.bpf_root = world_->dir() + "/bpf";
    options_.state_dir = world_->dir() + "/run/state";
    options_.socket_path = world_->dir() + "/run/weft.sock";
  }
  // Everything that somebody else may notice.
  std::string state() const {
    // Not the kernel's own link-local addresses, which come when it likes.
    return world_->run("node",
                       "ip -o link show | cut -d: -f2-; (ip -o addr show; ip route show table all; ip -6 route show "
                       "table all) | grep -v fe80; nft list ruleset");
  }

  std::unique_ptr<World> world_;
  std::unique_ptr<Kernel> node_;
  agent::Options options_;
};

TEST_F(CleanupTest, a_node_is_as_it_was) {
  const auto before = state();

  asio::io_context io(1);
  Table<LocalPod> pods(io, "pods");
  pods::EndpointManager endpoints(*node_, pods, {.state_dir = options_.state_dir});
  ASSERT_TRUE(endpoints.start({*Prefix::parse("10.1.0.0/24"), *Prefix::parse("fd00:1::/64")}));
  for (const char* pod : {"pod1", "pod2"}) {
    const auto added = endpoints.add(
        {.container_id = pod, .ifname = "eth0", .netns = world_->netns(pod), .pod = {"shop", pod}, .uid = pod});
    ASSERT_TRUE(added) << added.error().message;
  }
  ASSERT_TRUE(pods::install_cni({.bin_dir = options_.cni_bin_dir, .conf_dir = options_.cni_conf_dir}));
  ASSERT_TRUE(node_->create_vxlan({.name = routing::kTunnelDevice,
                                   .mac = *Mac::parse("0e:57:ac:12:01:0b"),
                                   .mtu = 1450,
                                   .vxlan = {.vni = 1, .port = 8472, .local = *Address::parse("172.18.1.11")}}));
  ASSERT_TRUE(node_->change_link(node_->link(routing::kTunnelDevice)->index, {.up = true}));
  for (const char* route : {"10.1.1.0/24", "fd00:1:0:1::/64"})
    ASSERT_TRUE(node_->replace_route({.destination = *Prefix::parse(route), .type = RouteType::unreachable}));
  ASSERT_TRUE(node_->nft(routing::masquerade_ruleset(
      {}, {.pods4 = {*Prefix::parse("10.1.0.0/24")}, .pods6 = {}, .direct4 = {}, .direct6 = {}})));
  routing::ForwardGuard(*node_).check();
  EXPECT_THAT(state(), AllOf(HasSubstr("weft: to pods"), HasSubstr("weft: from pods"), HasSubstr("lxc"),
                             HasSubstr("weft_host"), HasSubstr("weft_vxlan"), HasSubstr("proto 214"),
                             HasSubstr("proto 215"), HasSubstr("weft_masquerade")));

  for (int twice = 0; twice < 2; ++twice) {
    const auto report = agent::clean_up(options_, *node_);
    EXPECT_TRUE(report.ok) << testing::PrintToString(report.lines);
    EXPECT_EQ(state(), before);
  }
  EXPECT_FALSE(fs::exists(options_.cni_conf_dir + "/05-weft.conflist"));
  EXPECT_FALSE(fs::exists(options_.state_dir)) << world_->run("node", "find " + options_.state_dir);
  EXPECT_FALSE(world_->succeeds("pod1", "ip link show eth0")) << "a pod's link has two ends";
}

}  // namespace
}  // namespace weft::podnet
