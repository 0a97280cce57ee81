// Imported routes and blackholes in the kernel's tables.
#include "bgp/bench.h"
#include "bgp/speaker/kernel_routes.h"

namespace weft::bgp::test {
namespace {

constexpr std::uint32_t kTable = 1186;

class KernelRoutesTest : public NetTest {
 protected:
  void SetUp() override {
    NetTest::SetUp();
    if (IsSkipped()) return;
    auto kernel = netlink::make_linux_kernel();
    ASSERT_TRUE(kernel) << kernel.error().message;
    kernel_ = std::move(*kernel);
    shell(
        "ip link del fabric1 2>/dev/null; ip link add fabric1 type veth peer name fabric2 && "
        "ip link set fabric1 up && ip link set fabric2 up && "
        "ip addr add 192.0.2.1/24 dev fabric1 && ip addr add 2001:db8:1::1/64 dev fabric1 nodad");
  }
  void TearDown() override {
    if (kernel_)
      shell("ip route flush proto 216 table all; ip -6 route flush proto 216 table all; ip link del fabric1");
  }
  std::size_t count(std::uint32_t table = kTable) const {
    const auto routes = kernel_->routes({.table = table, .protocol = netlink::kBgpRouteProtocol});
    return routes ? routes->size() : 0;
  }
  static KernelRoute route(const std::string& prefix, std::vector<std::string> hops, std::uint32_t metric = 200) {
    KernelRoute r{*Prefix::parse(prefix), kTable, metric, {}};
    for (const auto& h : hops) r.hops.push_back({*Address::parse(h), ""});
    return r;
  }
  std::unique_ptr<netlink::Kernel> kernel_;
};

TEST_F(KernelRoutesTest, routes_come_change_and_go) {
  KernelRoutes routes(*kernel_);
  const auto two = {route("10.9.0.0/16", {"192.0.2.2", "192.0.2.3"}), route("2001:db8:9::/48", {"2001:db8:1::2"})};
  for (const Error& e : routes.apply(two, true)) ADD_FAILURE() << e.message;
  const std::string shown = shell("ip route show table 1186");
  EXPECT_NE(shown.find("192.0.2.2"), std::string::npos) << shown;
  EXPECT_NE(shown.find("192.0.2.3"), std::string::npos) << shown;
  EXPECT_EQ(count(), 2u);
  for (const Error& e : routes.apply({route("10.9.0.0/16", {"192.0.2.4"})}, true)) ADD_FAILURE() << e.message;
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(kernel_->routes({.table = kTable})->at(0).via, Address::parse("192.0.2.4").value());
  for (const Error& e : routes.apply({}, true)) ADD_FAILURE() << e.message;
  EXPECT_EQ(count(), 0u);
}

TEST_F(KernelRoutesTest, an_ipv4_route_may_have_an_ipv6_next_hop) {
  KernelRoutes routes(*kernel_);
  KernelRoute r{*Prefix::parse("10.9.0.0/16"), kTable, 200, {{*Address::parse("fe80::9"), "fabric1"}}};
  for (const Error& e : routes.apply({r}, true)) ADD_FAILURE() << e.message;
  ASSERT_EQ(count(), 1u);
  EXPECT_EQ(kernel_->routes({.table = kTable})->at(0).via, Address::parse("fe80::9").value());
}

TEST_F(KernelRoutesTest, what_an_earlier_run_left_stays_until_pruning_is_allowed) {
  {
    KernelRoutes earlier(*kernel_);
    earlier.apply({route("10.9.1.0/24", {"192.0.2.2"}), route("10.9.2.0/24", {"192.0.2.2"})}, true);
  }
  KernelRoutes routes(*kernel_);
  for (const Error& e : routes.apply({route("10.9.2.0/24", {"192.0.2.3"})}, false)) ADD_FAILURE() << e.message;
  EXPECT_EQ(count(), 2u);
  routes.apply({route("10.9.2.0/24", {"192.0.2.3"})}, true);
  EXPECT_EQ(count(), 1u);
}

TEST_F(KernelRoutesTest, a_route_of_somebody_else_is_never_replaced) {
  shell("ip route add 10.9.0.0/16 via 192.0.2.9 table 1186 metric 200");
  KernelRoutes routes(*kernel_);
  const auto errors = routes.apply({route("10.9.0.0/16", {"192.0.2.2"})}, true);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].message.find("another metric"), std::string::npos) << errors[0].message;
  EXPECT_EQ(kernel_->routes({.table = kTable})->at(0).via, Address::parse("192.0.2.9").value());
  shell("ip route flush table 1186");
}

TEST_F(KernelRoutesTest, what_others_delete_or_change_comes_back_when_it_is_in_doubt) {
  KernelRoutes routes(*kernel_);
  const std::vector<KernelRoute> wanted{
      route("10.9.1.0/24", {"192.0.2.2"}),
      route("10.9.2.0/24", {"192.0.2.2", "192.0.2.3"}),
      route("10.9.3.0/24", {"192.0.2.2"}),
      route("2001:db8:8::/48", {"2001:db8:1::2"}),
      route("2001:db8:9::/48", {"2001:db8:1::2", "2001:db8:1::3"}),
      {*Prefix::parse("10.9.0.0/16"), kTable, 0, {}},
      {*Prefix::parse("2001:db8:7::/48"), kTable, 0, {}},
  };
  for (const Error& e : routes.apply(wanted, true)) ADD_FAILURE() << e.message;
  const auto shown = [] { return shell("ip route show table 1186; ip -6 route show table 1186"); };
  const std::string before = shown();
  ASSERT_EQ(count(), wanted.size()) << before;
  shell(
      "ip route del 10.9.1.0/24 table 1186; ip route del 10.9.0.0/16 table 1186; "
      "ip route replace 10.9.3.0/24 via 192.0.2.77 table 1186 metric 200 proto 216; "
      "ip -6 route del 2001:db8:9::/48 table 1186; "
      "ip route add 10.9.9.0/24 via 192.0.2.2 table 1186 proto 216");
  for (const Error& e : routes.apply(wanted, true)) ADD_FAILURE() << e.message;
  EXPECT_NE(shown(), before) << "it was not told that anything changed";
  routes.doubt();
  for (const Error& e : routes.apply(wanted, true)) ADD_FAILURE() << e.message;
  EXPECT_EQ(shown(), before);
}

TEST_F(KernelRoutesTest, an_unusable_next_hop_is_left_out_and_named) {
  KernelRoutes routes(*kernel_);
  KernelRoute mixed = route("10.9.1.0/24", {"192.0.2.2", "198.51.100.9"});
  mixed.hops.push_back({*Address::parse("fe80::7"), "nowhere0"});
  const auto errors = routes.apply(
      {mixed, route("2001:db8:9::/48", {"2001:db8:1::2", "2001:db8:77::2"}), route("10.9.2.0/24", {"198.51.100.9"})},
      true);
  for (const Error& e : errors) ADD_FAILURE() << e.message;
  EXPECT_NE(shell("ip route show table 1186").find("10.9.1.0/24 via 192.0.2.2"), std::string::npos);
  EXPECT_NE(shell("ip -6 route show table 1186").find("2001:db8:9::/48 via 2001:db8:1::2"), std::string::npos);
  EXPECT_EQ(count(), 2u);
  std::map<std::string, int> refused;
  for (const auto& r : routes.take_refused()) {
    ++refused[r.prefix.to_string() + " " + r.hop.via.to_string()];
    EXPECT_FALSE(r.why.empty());
  }
  EXPECT_EQ(refused, (std::map<std::string, int>{{"10.9.1.0/24 198.51.100.9", 1},
                                                 {"10.9.1.0/24 fe80::7", 1},
                                                 {"10.9.2.0/24 198.51.100.9", 1},
                                                 {"2001:db8:9::/48 2001:db8:77::2", 1}}));
  EXPECT_EQ(routes.missing().size(), 1u);
  EXPECT_TRUE(routes.missing().contains(*Prefix::parse("10.9.2.0/24")));
}

TEST_F(KernelRoutesTest, a_blackhole_stands_behind_every_other_route) {
  KernelRoutes routes(*kernel_);
  for (const Error& e : routes.apply({{*Prefix::parse("192.0.2.0/24"), 254, 0, {}}}, true)) ADD_FAILURE() << e.message;
  EXPECT_NE(shell("ip route show table main").find("blackhole 192.0.2.0/24"), std::string::npos);
  EXPECT_NE(shell("ip route get 192.0.2.77").find("fabric1"), std::string::npos);
  routes.apply({}, true);
  EXPECT_EQ(count(254), 0u);
}

TEST_F(KernelRoutesTest, a_speaker_imports_what_the_list_permits_and_takes_it_out_when_the_session_ends) {
  KernelRoutes routes(*kernel_);
  Pair p;
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &routes}, SpeakerOptions{});
  ImportPolicy policy;
  policy.rules = {{*Prefix::parse("10.9.0.0/16"), 16, 24, true}};
  policy.table = kTable;
  p.b.peer().import = policy;
  RouteAttributes via;
  via.next_hop = NextHop{*Address::parse("192.0.2.2"), std::nullopt};
  for (const char* prefix : {"10.9.0.0/16", "10.9.7.0/24", "10.9.7.7/32", "10.8.0.0/16"})
    p.a.set().set({*Prefix::parse(prefix), via});
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until(
      "two routes in the kernel", [&] { return count() == 2; },
      [&] { return shell("ip route show table 1186 || true"); }));
  EXPECT_EQ(p.b.status("a").families[kIpv4Unicast].imported, 2u);
  p.a.speaker.reset();
  ASSERT_TRUE(p.loop.until(
      "none in the kernel", [&] { return count() == 0; }, [&] { return shell("ip route show table 1186 || true"); }));
}

// B imports what A sends, into kTable.
class ImportingTest : public KernelRoutesTest {
 protected:
  void SetUp() override {
    KernelRoutesTest::SetUp();
    if (IsSkipped()) return;
    routes_ = std::make_unique<KernelRoutes>(*kernel_);
    p_ = std::make_unique<Pair>();
    p_->b.speaker = std::make_unique<Speaker>(p_->loop.io, Speaker::Edges{.kernel = routes_.get()}, SpeakerOptions{});
    ImportPolicy policy;
    policy.rules = {{*Prefix::parse("10.9.0.0/16"), 16, 24, true}};
    policy.table = kTable;
    p_->b.peer().import = policy;
  }
  void TearDown() override {
    p_.reset();
    KernelRoutesTest::TearDown();
  }
  void announce(const std::string& prefix, const std::string& via) {
    RouteAttributes a;
    a.next_hop = NextHop{*Address::parse(via), std::nullopt};
    p_->a.set().set({*Prefix::parse(prefix), a});
  }
  static std::string shown() { return shell("ip route show table 1186 || true"); }
  std::unique_ptr<KernelRoutes> routes_;
  std::unique_ptr<Pair> p_;
};

TEST_F(ImportingTest, routes_that_a_link_took_along_come_back_with_it) {
  announce("10.9.1.0/24", "192.0.2.2");
  announce("10.9.2.0/24", "192.0.2.3");
  p_->start();
  ASSERT_TRUE(p_->meet());
  ASSERT_TRUE(p_->loop.until("two routes in the kernel", [&] { return count() == 2; }, shown));
  shell("ip link set fabric1 down && ip link set fabric1 up");
  ASSERT_EQ(count(), 0u);
  p_->b.speaker->kernel_changed();  // as the agent's watch of links says
  ASSERT_TRUE(p_->loop.until("both again", [&] { return count() == 2; }, shown));
  EXPECT_EQ(p_->b.status("a").families[kIpv4Unicast].imported, 2u);
}

TEST_F(ImportingTest, a_next_hop_that_becomes_usable_is_used) {
  announce("10.9.1.0/24", "192.0.2.2");
  announce("10.9.2.0/24", "203.0.113.2");
  p_->start();
  ASSERT_TRUE(p_->meet());
  const Prefix bad = *Prefix::parse("10.9.2.0/24");
  ASSERT_TRUE(p_->loop.until(
      "one route, and the other refused",
      [&] { return count() == 1 && p_->b.speaker->missing_in_kernel().contains(bad); }, shown));
  EXPECT_EQ(p_->b.status("a").families[kIpv4Unicast].imported, 1u);
  const auto seen = p_->b.speaker->routes_received({.prefix = bad}).at(0);
  EXPECT_NE(seen.note.find("the kernel does not take its next hop"), std::string::npos) << seen.note;
  shell("ip addr add 203.0.113.1/24 dev fabric1");
  p_->b.speaker->kernel_changed();
  ASSERT_TRUE(p_->loop.until("both", [&] { return count() == 2; }, shown));
  EXPECT_TRUE(p_->b.speaker->missing_in_kernel().empty());
}

}  // namespace
}  // namespace weft::bgp::test
