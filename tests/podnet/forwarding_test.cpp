// The node's packet filter as the kernel tells of it, made by the tools themselves: iptables-nft, iptables-legacy, nft.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/file.h"
#include "netlink/kernel.h"
#include "podnet/world.h"
#include "routing/forwarding.h"

namespace weft::podnet {
namespace {

using namespace netlink;
using routing::ForwardGuard;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ForwardingTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!enter_sandbox()) GTEST_SKIP() << "needs root (network namespaces)";
    world_ = std::make_unique<World>();
    world_->add_netns("node");
    node_ = make_linux_kernel().value()->open(world_->netns("node")).value();
  }
  std::string run(const std::string& command) {
    return world_->run("node", "export XTABLES_LOCKFILE=" + world_->dir() + "/xtables.lock; " + command);
  }
  // Quotes and all.
  void run_script(const std::string& script, const std::string& interpreter = "sh") {
    ASSERT_TRUE(write_file(world_->dir() + "/script", script));
    run(interpreter + " " + world_->dir() + "/script");
  }
  // In one line each: family, table, name, whether it drops, comments.
  std::vector<std::string> chains() {
    const auto all = node_->forward_chains();
    if (!all) return {all.error().message};
    std::vector<std::string> out;
    for (const auto& c : *all) {
      out.push_back((c.legacy ? "legacy " : "") + c.to_string() + (c.drops ? " drops" : " accepts"));
      for (const auto& r : c.rules) out.back() += " [" + r.comment + "]";
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  std::vector<std::string> problems() {
    ForwardGuard guard(*node_);
    guard.set_pods({*Prefix::parse("10.1.0.0/24"), *Prefix::parse("fd00:1::/64")});
    guard.check();
    return guard.problems();
  }

  std::unique_ptr<World> world_;
  std::unique_ptr<Kernel> node_;
};

TEST_F(ForwardingTest, a_node_without_a_packet_filter_has_no_chain_and_gets_none) {
  EXPECT_THAT(chains(), IsEmpty());
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(run("nft list ruleset"), "");
}

TEST_F(ForwardingTest, iptables_reads_our_rules_and_carries_them_over_a_restore) {
  for (const char* tool : {"iptables-nft", "ip6tables-nft"})
    run(std::string(tool) + " -P FORWARD DROP; " + tool + " -A FORWARD -i docker0 -j ACCEPT");
  EXPECT_THAT(problems(), IsEmpty());
  const std::string ours =
      "-A FORWARD -i lxc+ -m comment --comment \"weft: from pods\" -j ACCEPT\n"
      "-A FORWARD -o lxc+ -m comment --comment \"weft: to pods\" -j ACCEPT\n";
  const std::string whole = "-P FORWARD DROP\n" + ours + "-A FORWARD -i docker0 -j ACCEPT\n";
  const auto listed = [&](const std::string& tool) { return run(tool + " -S FORWARD"); };
  EXPECT_EQ(listed("iptables-nft"), whole);
  EXPECT_EQ(listed("ip6tables-nft"), whole);
  run("iptables-nft-save >" + world_->dir() + "/saved; iptables-nft-restore <" + world_->dir() + "/saved");
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(listed("iptables-nft"), whole) << "a comment of iptables' own kind counts as well";
  EXPECT_THAT(chains(), ElementsAre("ip filter FORWARD drops [weft: from pods] [weft: to pods] []",
                                    "ip6 filter FORWARD drops [weft: from pods] [weft: to pods] []"));
  run("iptables-nft -F FORWARD");
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_EQ(listed("iptables-nft"), "-P FORWARD DROP\n" + ours);
  ASSERT_EQ(routing::remove_forward_rules(*node_).value(), 4u);
  EXPECT_EQ(listed("iptables-nft"), "-P FORWARD DROP\n");
  EXPECT_EQ(listed("ip6tables-nft"), "-P FORWARD DROP\n-A FORWARD -i docker0 -j ACCEPT\n");
}

TEST_F(ForwardingTest, the_generation_tells_of_every_change) {
  const auto before = node_->nft_generation();
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_EQ(node_->nft_generation().value(), *before);
  run("nft add table inet others");
  EXPECT_NE(node_->nft_generation().value(), *before);
}

TEST_F(ForwardingTest, a_legacy_chain_that_drops_is_a_problem_until_a_rule_says_weft) {
  for (const char* tool : {"iptables-legacy", "ip6tables-legacy"})
    run(std::string(tool) + " -A FORWARD -i lo -j ACCEPT");
  EXPECT_THAT(chains(), ElementsAre("legacy ip filter FORWARD accepts []", "legacy ip6 filter FORWARD accepts []"));
  EXPECT_THAT(problems(), IsEmpty());
  run("iptables-legacy -P FORWARD DROP; ip6tables-legacy -A FORWARD -j REJECT");
  EXPECT_THAT(chains(), ElementsAre("legacy ip filter FORWARD drops []", "legacy ip6 filter FORWARD drops [] []"));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("chain FORWARD of iptables-legacy drops"),
                                      HasSubstr("chain FORWARD of ip6tables-legacy drops")));
  for (const char* tool : {"iptables-legacy", "ip6tables-legacy"})
    run(std::string(tool) + " -I FORWARD -i lxc+ -m comment --comment \"weft: from pods\" -j ACCEPT");
  EXPECT_THAT(chains(), ElementsAre("legacy ip filter FORWARD drops [weft: from pods] []",
                                    "legacy ip6 filter FORWARD drops [weft: from pods] [] []"));
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(ForwardingTest, a_legacy_rule_with_conditions_drops_not_everything) {
  run("iptables-legacy -A FORWARD -p tcp --dport 25 -j REJECT; iptables-legacy -A FORWARD -s 192.0.2.1 -j DROP; "
      "iptables-legacy -A FORWARD -m mark --mark 1 -j DROP");
  EXPECT_THAT(chains(), ElementsAre("legacy ip filter FORWARD accepts [] [] []"));
}

TEST_F(ForwardingTest, chains_of_an_administrator_are_named_when_they_drop_what_is_left) {
  run_script(
      "table inet fw {\n"
      "  chain gentle { type filter hook forward priority 0; policy accept; ct state invalid drop; }\n"
      "  chain hard { type filter hook forward priority 5; policy drop; ct state established accept; }\n"
      "  chain last { type filter hook forward priority 6; tcp dport 80 accept; counter reject with icmpx "
      "admin-prohibited; }\n"
      "  chain seen_to { type filter hook forward priority 7; policy drop; iifname \"lxc*\" accept comment \"weft "
      "too\"; }\n"
      "  chain in { type filter hook input priority 0; policy drop; }\n"
      "}\n"
      "table bridge b { chain f { type filter hook forward priority 0; policy drop; }; }\n",
      "nft -f");
  EXPECT_THAT(chains(), ElementsAre("inet fw gentle accepts []", "inet fw hard drops []", "inet fw last drops [] []",
                                    "inet fw seen_to drops [weft too]"));
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("nftables chain inet fw hard drops"),
                                      HasSubstr("nftables chain inet fw last drops")));
}

TEST_F(ForwardingTest, the_mend_that_a_problem_names_mends_it) {
  run_script("table inet fw { chain hard { type filter hook forward priority 5; policy drop; }; }", "nft -f");
  const auto told = problems();
  ASSERT_THAT(told, ElementsAre(HasSubstr("nft insert rule inet fw hard 'iifname")));
  const auto begin = told[0].find("nft insert");
  run_script(told[0].substr(begin, told[0].find(" and nft insert", begin) - begin));
  EXPECT_THAT(problems(), IsEmpty());
  EXPECT_THAT(run("nft list chain inet fw hard"), HasSubstr("iifname \"lxc*\" accept comment \"weft: from pods\""));
}

// As firewalld 1.3 lays its table out.
TEST_F(ForwardingTest, firewalld_is_a_problem_until_its_zones_know_the_pods) {
  const auto load = [&](const std::string& sources) {
    run_script(
        "add table inet firewalld\ndelete table inet firewalld\n"
        "table inet firewalld {\n"
        "  chain filter_FWD_public { reject with icmpx admin-prohibited; }\n"
        "  chain filter_FWD_trusted { accept; }\n"
        "  chain filter_FORWARD_ZONES { " +
            sources +
            " goto filter_FWD_public; }\n"
            "  chain filter_FORWARD {\n"
            "    type filter hook forward priority filter + 10; policy accept;\n"
            "    ct state { established, related } accept\n"
            "    jump filter_FORWARD_ZONES\n"
            "    reject with icmpx admin-prohibited\n"
            "  }\n"
            "}\n",
        "nft -f");
  };
  load("");
  EXPECT_THAT(problems(), ElementsAre(AllOf(HasSubstr("firewalld"), HasSubstr("--add-source=10.1.0.0/24"))));
  load("ip saddr 10.1.0.0/16 goto filter_FWD_trusted; ip6 saddr fd00:1::/64 goto filter_FWD_trusted;");
  EXPECT_THAT(problems(), IsEmpty());
}

}  // namespace
}  // namespace weft::podnet
