#include "routing/forwarding.h"

#include <gmock/gmock.h>

#include "netlink/fake.h"

namespace weft::routing {
namespace {

using netlink::FakeKernel;
using netlink::FakeWorld;
using netlink::ForwardChain;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<Prefix> kPods{*Prefix::parse("10.1.0.0/24"), *Prefix::parse("fd00:1::/64")};

ForwardChain iptables(const std::string& family, bool drops = true) {
  return {.family = family, .table = "filter", .name = "FORWARD", .drops = drops, .rules = {{7, "docker's"}}};
}
ForwardChain firewalld() {
  return {.family = "inet", .table = "firewalld", .name = "filter_FORWARD", .drops = true, .rules = {{3, ""}}};
}
std::vector<std::string> comments(const ForwardChain& c) {
  std::vector<std::string> out;
  for (const auto& r : c.rules) out.push_back(r.comment);
  return out;
}

TEST(Forwarding, pods_are_let_through_iptables_own_chain_in_both_families) {
  const auto p = forward_plan({iptables("ip"), iptables("ip6")}, "", kPods);
  EXPECT_THAT(
      p.commands,
      ElementsAre("insert rule ip filter FORWARD oifname \"lxc*\" counter accept comment \"weft: to pods\"",
                  "insert rule ip filter FORWARD iifname \"lxc*\" counter accept comment \"weft: from pods\"",
                  "insert rule ip6 filter FORWARD oifname \"lxc*\" counter accept comment \"weft: to pods\"",
                  "insert rule ip6 filter FORWARD iifname \"lxc*\" counter accept comment \"weft: from pods\""));
  EXPECT_THAT(p.problems, IsEmpty());
}

TEST(Forwarding, the_rules_stand_there_before_anybody_drops) {
  // A policy changes without the rules being touched (docker starts), and a last rule may refuse what is left.
  EXPECT_EQ(forward_plan({iptables("ip", false)}, "", kPods).commands.size(), 2u);
}

TEST(Forwarding, what_is_there_stays_and_what_is_there_twice_goes) {
  auto c = iptables("ip");
  c.rules = {{9, kFromPods}, {8, kToPods}, {7, "docker's"}};
  EXPECT_EQ(forward_plan({c}, "", kPods), ForwardPlan{});
  c.rules.push_back({11, kToPods});
  EXPECT_THAT(forward_plan({c}, "", kPods).commands, ElementsAre("delete rule ip filter FORWARD handle 11"));
}

TEST(Forwarding, without_a_packet_filter_there_is_nothing_to_do) {
  EXPECT_EQ(forward_plan({}, "", kPods), ForwardPlan{});
}

TEST(Forwarding, a_chain_of_somebody_else_that_drops_is_named_with_the_mend) {
  ForwardChain c{.family = "inet", .table = "fw", .name = "fwd", .drops = true, .rules = {{3, "ssh"}}};
  const auto p = forward_plan({c}, "", kPods);
  EXPECT_THAT(p.commands, IsEmpty());
  EXPECT_THAT(p.problems, ElementsAre(AllOf(HasSubstr("nftables chain inet fw fwd drops"),
                                            HasSubstr("nft insert rule inet fw fwd 'iifname \"lxc*\" accept comment "
                                                      "\"weft: from pods\"'"))));
  c.rules.push_back({4, "weft may pass"});
  EXPECT_EQ(forward_plan({c}, "", kPods), ForwardPlan{}) << "somebody says that it is taken care of";
  c.rules.pop_back();
  c.drops = false;
  EXPECT_EQ(forward_plan({c}, "", kPods), ForwardPlan{});
}

TEST(Forwarding, a_legacy_chain_that_drops_is_named_with_the_mend) {
  ForwardChain c{.legacy = true, .family = "ip6", .table = "filter", .name = "FORWARD", .drops = true, .rules = {}};
  const auto p = forward_plan({c}, "", kPods);
  EXPECT_THAT(p.commands, IsEmpty()) << "nftables cannot write there";
  EXPECT_THAT(p.problems, ElementsAre(AllOf(HasSubstr("chain FORWARD of ip6tables-legacy drops"),
                                            HasSubstr("ip6tables-legacy -I FORWARD -i lxc+"))));
}

TEST(Forwarding, firewalld_is_named_until_a_zone_has_the_pods_as_sources) {
  const std::string before =
      "chain filter_FORWARD_ZONES {\n iifname \"eth0\" goto filter_FWD_public\n ip saddr 10.9.0.0/16 goto x\n}\n";
  EXPECT_THAT(forward_plan({firewalld()}, before, kPods).problems,
              ElementsAre(AllOf(HasSubstr("firewalld"), HasSubstr("--zone=trusted --add-source=10.1.0.0/24 "
                                                                  "--add-source=fd00:1::/64"))));
  EXPECT_THAT(forward_plan({firewalld()}, before + "ip saddr 10.1.0.0/16 goto filter_FWD_trusted\n", kPods).problems,
              ElementsAre(HasSubstr("--zone=trusted --add-source=fd00:1::/64,")));
  EXPECT_THAT(forward_plan({firewalld()},
                           before + "ip saddr { 10.0.0.1, 10.1.0.0/24 } goto t\nip6 saddr fd00:1::/64 goto t\n", kPods)
                  .problems,
              IsEmpty());
}

class GuardTest : public testing::Test {
 protected:
  FakeWorld::Namespace& here() { return world_->namespaces[""]; }
  std::shared_ptr<FakeWorld> world_ = std::make_shared<FakeWorld>();
  FakeKernel kernel_{world_};
  ForwardGuard guard_{kernel_};
};

TEST_F(GuardTest, rules_come_back_whenever_somebody_loads_the_chain_anew) {
  here().forward_chains = {iptables("ip")};
  guard_.check();
  EXPECT_THAT(comments(here().forward_chains[0]), ElementsAre(kFromPods, kToPods, "docker's"));
  here().forward_chains = {iptables("ip"), iptables("ip6")};
  ++here().nft_generation;
  guard_.check();
  for (const auto& c : here().forward_chains)
    EXPECT_THAT(comments(c), ElementsAre(kFromPods, kToPods, "docker's")) << c.to_string();
}

TEST_F(GuardTest, while_nothing_changes_nothing_is_read) {
  here().forward_chains = {iptables("ip")};
  guard_.check();
  guard_.check();  // sees its own change
  const auto transactions = here().nft.size();
  world_->fail_next["forward_chains"] = Error{Errc::internal, "read although nothing changed"};
  guard_.check();
  EXPECT_THAT(guard_.problems(), IsEmpty());
  EXPECT_EQ(here().nft.size(), transactions);
}

TEST_F(GuardTest, a_failure_is_told_and_tried_again_at_the_next_look) {
  here().forward_chains = {iptables("ip")};
  world_->fail_next["nft"] = Error{Errc::unavailable, "nftables: busy"};
  guard_.check();
  EXPECT_THAT(guard_.problems(), ElementsAre(HasSubstr("nftables: busy")));
  guard_.check();
  EXPECT_THAT(guard_.problems(), IsEmpty());
  EXPECT_EQ(here().forward_chains[0].rules.size(), 3u);
}

TEST_F(GuardTest, firewalld_is_judged_by_the_pods_that_the_node_has) {
  here().forward_chains = {firewalld()};
  guard_.check();
  EXPECT_THAT(guard_.problems(), IsEmpty()) << "no pod CIDR yet";
  guard_.set_pods(kPods);
  guard_.check();
  EXPECT_THAT(guard_.problems(), ElementsAre(HasSubstr("--add-source=10.1.0.0/24")));
}

TEST_F(GuardTest, only_our_rules_are_removed) {
  here().forward_chains = {iptables("ip"), firewalld()};
  here().forward_chains[1].rules.push_back({5, kToPods});  // an administrator's, by our own advice
  guard_.check();
  const auto removed = remove_forward_rules(kernel_);
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, 2u);
  EXPECT_THAT(comments(here().forward_chains[0]), ElementsAre("docker's"));
  EXPECT_THAT(comments(here().forward_chains[1]), ElementsAre("", kToPods));
  EXPECT_EQ(remove_forward_rules(kernel_).value(), 0u);
}

}  // namespace
}  // namespace weft::routing
