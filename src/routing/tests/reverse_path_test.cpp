#include "routing/reverse_path.h"

#include <gtest/gtest.h>

#include "netlink/fake.h"

namespace weft::routing {
namespace {

using netlink::FakeKernel;
using netlink::FakeWorld;

class ReversePath : public testing::Test {
 protected:
  ReversePath() {
    for (const char* nic : {"eth0", "eth1", "weft_host"}) world_->add_nic(nic, {});
    const int pod = world_->add_nic("lxc0123456789ab", {});
    world_->namespaces[""].links[pod].alias = "weft:shop/cart";
    world_->add_nic("lxcbr0", {});  // of LXC, not ours
  }
  void have(const std::string& device, const char* value) { sysctls()[key(device)] = value; }
  std::string of(const std::string& device) { return kernel_.sysctl(key(device)).value(); }
  std::map<std::string, std::string>& sysctls() { return world_->namespaces[""].sysctls; }
  static std::string key(const std::string& device) { return "net/ipv4/conf/" + device + "/rp_filter"; }
  Result<> loosen() { return loosen_reverse_path(kernel_, "weft_vxlan", "eth0"); }

  std::shared_ptr<FakeWorld> world_ = std::make_shared<FakeWorld>();
  FakeKernel kernel_{world_};
};

TEST_F(ReversePath, a_node_that_filters_nothing_is_left_as_it_is) {
  ASSERT_TRUE(loosen());
  EXPECT_TRUE(sysctls().empty());
}

TEST_F(ReversePath, what_is_said_for_all_devices_is_said_for_each_but_ours) {
  have("all", "1");
  ASSERT_TRUE(loosen());
  EXPECT_EQ(of("all"), "0") << "the kernel takes the greater of it and the device's";
  EXPECT_EQ(of("weft_vxlan"), "0");
  EXPECT_EQ(of("weft_host"), "0");
  EXPECT_EQ(of("lxc0123456789ab"), "0");
  for (const char* strict : {"default", "eth1", "lxcbr0"}) EXPECT_EQ(of(strict), "1") << strict;
  EXPECT_EQ(of("eth0"), "2") << "pods answer over the underlay";
}

TEST_F(ReversePath, loose_for_all_is_too_strict_for_a_device_without_an_address) {
  have("all", "2");
  have("eth1", "1");
  ASSERT_TRUE(loosen());
  EXPECT_EQ(of("all"), "0");
  EXPECT_EQ(of("weft_vxlan"), "0");
  EXPECT_EQ(of("eth0"), "2");
  EXPECT_EQ(of("eth1"), "2") << "the greater of both, as before";
}

TEST_F(ReversePath, devices_that_inherited_their_own_filter_are_loosened) {
  have("default", "1");
  have("weft_vxlan", "1");
  have("eth0", "1");
  have("eth1", "1");
  ASSERT_TRUE(loosen());
  EXPECT_EQ(of("weft_vxlan"), "0");
  EXPECT_EQ(of("eth0"), "2");
  EXPECT_EQ(of("eth1"), "1");
  EXPECT_EQ(of("default"), "1");
}

TEST_F(ReversePath, a_sysctl_that_cannot_be_written_is_told_with_the_mend) {
  have("all", "1");
  world_->fail_next["set_sysctl"] = Error{Errc::unauthorized, "sysctl: Read-only file system"};
  const auto r = loosen();
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("Read-only file system; packets from other nodes"), std::string::npos);
  EXPECT_NE(r.error().message.find("net.ipv4.conf.all.rp_filter = 0"), std::string::npos) << r.error().message;
}

}  // namespace
}  // namespace weft::routing
