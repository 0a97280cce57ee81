// LinuxKernel against the kernel itself: what is written reads back the same, and errors are in the kernel's words.
#include <gtest/gtest.h>

#include "netlink/kernel.h"
#include "podnet/world.h"
#include "routing/masquerade.h"

namespace weft::podnet {
namespace {

using namespace netlink;

Prefix cidr(const char* text) { return *Prefix::parse(text); }
Address ip(const char* text) { return *Address::parse(text); }

class LinuxKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!enter_sandbox()) GTEST_SKIP() << "needs root (network namespaces)";
    world_ = std::make_unique<World>();
    for (const char* ns : {"node", "pod"}) world_->add_netns(ns);
    world_->run("node",
                "ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up; ip addr add "
                "172.18.1.11/24 dev eth0; ip -6 addr add fd00:18:1::11/64 dev eth0 nodad");
    here_ = make_linux_kernel().value();
    node_ = here_->open(world_->netns("node")).value();
    eth0_ = node_->link("eth0").value().index;
  }
  std::unique_ptr<World> world_;
  std::unique_ptr<Kernel> here_, node_;
  int eth0_ = 0;
};

TEST_F(LinuxKernelTest, routes_read_back_as_they_were_written) {
  ASSERT_TRUE(node_->create_vxlan({.name = "weft_vxlan",
                                   .mac = *Mac::parse("0e:57:ac:12:01:0b"),
                                   .mtu = 1450,
                                   .vxlan = {.vni = 7, .port = 8472, .local = ip("172.18.1.11")}}));
  const int tunnel = node_->link("weft_vxlan")->index;
  ASSERT_TRUE(node_->change_link(tunnel, {.up = true, .no_link_local = true}));
  ASSERT_TRUE(node_->add_address({eth0_, ip("10.1.0.1"), 32}));
  ASSERT_TRUE(node_->add_address({eth0_, ip("fd00:1::1"), 128}));
  const std::vector<Route> wanted{
      {.destination = cidr("10.1.1.0/24"), .via = ip("172.18.1.12"), .ifindex = eth0_},
      {.destination = cidr("10.1.2.0/24"),
       .via = ip("10.1.2.1"),
       .ifindex = tunnel,
       .onlink = true,
       .source = ip("10.1.0.1")},
      {.destination = cidr("10.1.3.0/24"), .type = RouteType::unreachable},
      {.destination = cidr("10.1.4.0/24"), .type = RouteType::blackhole, .table = 1000, .metric = 20},
      {.destination = cidr("10.1.5.5/32"), .ifindex = eth0_, .source = ip("10.1.0.1")},
      {.destination = cidr("fd00:2::/64"), .via = ip("fd00:18:1::12"), .ifindex = eth0_},
      {.destination = cidr("fd00:3::/64"),
       .via = ip("fd00:3::1"),
       .ifindex = tunnel,
       .onlink = true,
       .source = ip("fd00:1::1")},
      {.destination = cidr("fd00:4::/64"), .type = RouteType::unreachable},
      {.destination = cidr("fd00:5::5/128"), .ifindex = eth0_, .source = ip("fd00:1::1")},
  };
  for (int twice = 0; twice < 2; ++twice)
    for (const auto& r : wanted) {
      const auto done = node_->replace_route(r);
      ASSERT_TRUE(done) << done.error().message;
    }
  auto read = node_->routes({.protocol = kRouteProtocol});
  ASSERT_TRUE(read) << read.error().message;
  std::set<std::string> a, b;
  for (const auto& r : wanted) a.insert(r.to_string());
  for (const auto& r : *read) b.insert(r.to_string());
  EXPECT_EQ(a, b);
  for (const auto& w : wanted) EXPECT_NE(std::find(read->begin(), read->end(), w), read->end()) << w.to_string();
  EXPECT_EQ(node_->routes({.table = 1000})->size(), 1u);
  for (const auto& r : wanted) {
    EXPECT_TRUE(node_->delete_route(r)) << r.to_string();
    EXPECT_TRUE(node_->delete_route(r)) << "again " << r.to_string();
  }
  EXPECT_TRUE(node_->routes({.protocol = kRouteProtocol})->empty());
  EXPECT_FALSE(node_->routes({.table = kMainTable})->empty());  // the connected ones stay
}

TEST_F(LinuxKernelTest, a_veth_pair_is_born_into_both_namespaces) {
  const VethSpec spec{.name = "lxc0123456789ab",
                      .mac = *Mac::parse("02:00:00:00:00:01"),
                      .alias = "weft:abc/eth0",
                      .peer_name = "eth0",
                      .peer_mac = *Mac::parse("02:00:00:00:00:02"),
                      .peer_netns = world_->netns("pod"),
                      .mtu = 1450};
  const auto done = node_->create_veth(spec);
  ASSERT_TRUE(done) << done.error().message;
  const auto host = node_->link(spec.name);
  ASSERT_TRUE(host);
  EXPECT_EQ(host->mac, spec.mac);
  EXPECT_EQ(host->alias, spec.alias);
  EXPECT_EQ(host->kind, "veth");
  EXPECT_EQ(host->mtu, 1450u);
  auto pod = node_->open(world_->netns("pod"));
  ASSERT_TRUE(pod);
  EXPECT_EQ((*pod)->link("eth0")->mac, spec.peer_mac);
  EXPECT_EQ(node_->create_veth(spec).error().code, Errc::exists);
  EXPECT_TRUE((*pod)->set_sysctl("net/ipv4/conf/eth0/rp_filter", "1"));
  EXPECT_EQ(*(*pod)->sysctl("net/ipv4/conf/eth0/rp_filter"), "1");
  EXPECT_EQ(node_->sysctl("net/ipv4/conf/lxc0123456789ab/forwarding").has_value(), true);
  EXPECT_TRUE(node_->delete_link(spec.name));
  EXPECT_TRUE(node_->delete_link(spec.name));
  EXPECT_EQ((*pod)->link("eth0").error().code, Errc::not_found);
}

TEST_F(LinuxKernelTest, neighbours_and_forwarding_entries_read_back) {
  ASSERT_TRUE(node_->create_vxlan({.name = "weft_vxlan",
                                   .mac = *Mac::parse("0e:57:ac:12:01:0b"),
                                   .mtu = 1430,
                                   .vxlan = {.vni = 1, .port = 8472, .local = ip("fd00:18:1::11")}}));
  const auto tunnel = *node_->link("weft_vxlan");
  ASSERT_TRUE(tunnel.vxlan);
  EXPECT_EQ(tunnel.vxlan->local, ip("fd00:18:1::11"));
  EXPECT_FALSE(tunnel.vxlan->learning);
  ASSERT_TRUE(node_->change_link(tunnel.index, {.up = true}));
  const Mac mac = *Mac::parse("0e:57:00:00:00:01");
  const FdbEntry far{tunnel.index, mac, ip("fd00:18:1::12")};
  const FdbEntry moved{tunnel.index, mac, ip("fd00:18:1::13")};
  ASSERT_TRUE(node_->replace_fdb(far));
  ASSERT_TRUE(node_->replace_fdb(moved));
  EXPECT_EQ(*node_->fdb(tunnel.index), std::vector{moved});
  std::vector<Neighbour> wanted{{tunnel.index, ip("10.1.1.1"), mac},
                                {tunnel.index, ip("fd00:1::1"), mac},
                                {tunnel.index, ip("10.9.9.9"), Mac{}, true}};
  for (const auto& n : wanted) ASSERT_TRUE(node_->replace_neighbour(n));
  auto read = *node_->neighbours(tunnel.index);
  std::sort(read.begin(), read.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(read, wanted);
  for (const auto& n : wanted) EXPECT_TRUE(node_->delete_neighbour(n) && node_->delete_neighbour(n));
  EXPECT_TRUE(node_->delete_fdb(moved) && node_->delete_fdb(moved));
  EXPECT_TRUE(node_->neighbours(tunnel.index)->empty());
  EXPECT_TRUE(node_->fdb(tunnel.index)->empty());
}

TEST_F(LinuxKernelTest, errors_come_in_the_kernels_words) {
  const auto unreachable =
      node_->replace_route({.destination = cidr("10.7.0.0/24"), .via = ip("192.0.2.1"), .ifindex = eth0_});
  ASSERT_FALSE(unreachable);
  EXPECT_NE(unreachable.error().message.find("Nexthop has invalid gateway"), std::string::npos)
      << unreachable.error().message;
  EXPECT_EQ(node_->link("nothing").error().code, Errc::not_found);
  EXPECT_EQ(node_->link("a-name-that-is-too-long").error().code, Errc::invalid);
  EXPECT_EQ(here_->open("/nowhere").error().code, Errc::not_found);
  EXPECT_EQ(here_->open("/etc/passwd").error().code, Errc::not_found);
  const auto nft = node_->nft("add table inet x\nadd chain inet x c { type nonsense hook postrouting priority 0; }\n");
  ASSERT_FALSE(nft);
  EXPECT_NE(nft.error().message.find("unknown chain type"), std::string::npos) << nft.error().message;
  EXPECT_FALSE(node_->nft("list table inet x"));  // all or nothing
}

TEST_F(LinuxKernelTest, more_links_than_one_message_holds_are_listed_whole) {
  std::string batch;
  for (int i = 0; i < 200; ++i) batch += "link add d" + std::to_string(i) + " type bridge\n";
  world_->run("node", "cat > " + world_->dir() + "/batch <<E\n" + batch + "E\nip -b " + world_->dir() + "/batch");
  EXPECT_EQ(node_->links()->size(), 203u);  // lo, eth0, far
}

// What a restarted agent does while a remote cluster is silent: the rules of the run before stay and take up what is
// new.
TEST_F(LinuxKernelTest, masquerade_rules_take_up_more_and_lose_nothing) {
  using routing::MasqueradeSets;
  const routing::Config config;
  const MasqueradeSets before{.pods4 = {cidr("10.1.0.0/24")},
                              .pods6 = {cidr("fd00:1::/64")},
                              .direct4 = {cidr("10.1.0.0/24"), cidr("10.2.0.0/24"), cidr("224.0.0.0/4")},
                              .direct6 = {cidr("fd00:1::/64"), cidr("fd00:2::/64"), cidr("fe80::/10")}};
  MasqueradeSets now = before;
  now.direct4 = {cidr("10.1.0.0/24"), cidr("10.1.7.0/24"), cidr("172.18.1.17/32"), cidr("224.0.0.0/4")};
  now.direct6 = {cidr("fd00:1::/64"), cidr("fd00:1:0:7::/64"), cidr("fe80::/10")};
  ASSERT_TRUE(node_->nft(routing::masquerade_ruleset(config, before)));
  for (int twice = 0; twice < 2; ++twice)
    for (const std::string& commands : routing::masquerade_additions(config, now)) {
      const auto r = node_->nft(commands);
      EXPECT_TRUE(r) << commands << r.error().message;
    }
  const auto holds = [&](const std::string& set, const std::string& element) {
    return world_->run("node", "nft list set inet weft_masquerade " + set).find(element) != std::string::npos;
  };
  for (const char* p : {"10.1.0.0/24", "10.2.0.0/24", "10.1.7.0/24", "172.18.1.17", "224.0.0.0/4"})
    EXPECT_TRUE(holds("direct4", p)) << p << world_->run("node", "nft list ruleset");
  for (const char* p : {"fd00:1::/64", "fd00:2::/64", "fd00:1:0:7::/64", "fe80::/10"})
    EXPECT_TRUE(holds("direct6", p)) << p << world_->run("node", "nft list ruleset");
  EXPECT_FALSE(holds("direct4", "10.3.0.0/24"));

  // A table of another make refuses, and stays what it was.
  now.direct4 = {cidr("10.0.0.0/8")};
  const auto additions = routing::masquerade_additions(config, now);
  ASSERT_EQ(additions.size(), 2u);
  EXPECT_FALSE(node_->nft(additions[0]));
  EXPECT_TRUE(holds("direct4", "10.2.0.0/24"));
}

}  // namespace
}  // namespace weft::podnet
