// What the kernel is asked, and how often; what it makes of that is tests/bgp/kernel_test.cpp's.
#include "bgp/speaker/kernel_routes.h"

#include <gtest/gtest.h>

#include <set>

#include "netlink/fake.h"

namespace weft::bgp {
namespace {

/// Counts, and has next hops that it does not take.
class CountingKernel : public netlink::FakeKernel {
 public:
  using FakeKernel::FakeKernel;
  Result<std::vector<netlink::Route>> routes(const netlink::RouteFilter& f) override {
    ++dumps;
    return FakeKernel::routes(f);
  }
  Result<> replace_route(const netlink::Route& r) override {
    ++writes;
    if (r.via && bad.contains(*r.via)) return fail(Errc::invalid, "no such gateway");
    for (const auto& hop : r.hops)
      if (bad.contains(*hop.via)) return fail(Errc::invalid, "no such gateway");
    return FakeKernel::replace_route(r);
  }
  int dumps = 0, writes = 0;
  std::set<Address> bad;
};

Address address(const std::string& text) { return Address::parse(text).value(); }
Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }

struct World {
  std::shared_ptr<netlink::FakeWorld> world = std::make_shared<netlink::FakeWorld>();
  CountingKernel kernel{world};
  KernelRoutes routes{kernel};
  std::vector<netlink::Route>& table() { return world->namespaces[""].routes; }
};

KernelRoute route(const Prefix& p, std::vector<std::string> hops, std::uint32_t metric = 200) {
  KernelRoute r{p, 254, metric, {}};
  for (const auto& h : hops) r.hops.push_back({address(h), ""});
  return r;
}

std::map<Prefix, std::vector<KernelRoute>> one(const KernelRoute& r) { return {{r.prefix, {r}}}; }

TEST(KernelRoutes, a_new_route_costs_one_request_and_no_look_at_the_others) {
  World w;
  std::vector<KernelRoute> all;
  for (std::uint32_t i = 0; i < 1000; ++i) all.push_back(route(Prefix(Address::v4(i << 8), 24), {"10.0.0.2"}));
  EXPECT_TRUE(w.routes.apply(all, true).empty());
  EXPECT_EQ(w.kernel.dumps, 1) << "what an earlier run left";
  EXPECT_EQ(w.kernel.writes, 1000);
  for (std::uint32_t i = 0; i < 5; ++i)
    EXPECT_TRUE(w.routes.change(one(route(Prefix(Address::v4(0x0b000000 + (i << 8)), 24), {"10.0.0.2"}))).empty());
  EXPECT_TRUE(w.routes.change({{prefix("0.0.1.0/24"), {}}}).empty());
  EXPECT_EQ(w.kernel.dumps, 1);
  EXPECT_EQ(w.kernel.writes, 1005);
  EXPECT_EQ(w.table().size(), 1004u);
}

TEST(KernelRoutes, a_change_leaves_the_prefix_with_what_it_says_and_nothing_else) {
  World w;
  const Prefix p = prefix("10.1.0.0/16");
  EXPECT_TRUE(w.routes.apply({route(p, {"10.0.0.2"}), route(prefix("10.2.0.0/16"), {"10.0.0.2"})}, true).empty());
  EXPECT_TRUE(w.routes.change({{p, {route(p, {"10.0.0.3"}, 300), KernelRoute{p, 254, 0, {}}}}}).empty());
  ASSERT_EQ(w.table().size(), 3u);
  for (const netlink::Route& r : w.table()) {
    const bool other = r.destination != p;
    EXPECT_TRUE(other || r.metric == 300 || r.metric == KernelRoutes::kBlackholeMetric);
  }
}

TEST(KernelRoutes, a_place_that_somebody_else_has_is_refused_without_a_look_at_the_table) {
  World w;
  const Prefix p = prefix("10.1.0.0/16");
  netlink::Route other;
  other.destination = p;
  other.via = address("10.0.0.9");
  other.table = 254;
  other.metric = 200;
  other.protocol = 4;
  w.table().push_back(other);
  EXPECT_TRUE(w.routes.apply({}, true).empty());
  for (int i = 0; i < 3; ++i) {
    const auto errors = w.routes.change(one(route(p, {"10.0.0.2"})));
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].code, Errc::conflict);
    EXPECT_TRUE(w.routes.missing().contains(p));
  }
  EXPECT_EQ(w.kernel.dumps, 1);
  EXPECT_EQ(w.table(), std::vector{other});
  w.table().clear();
  EXPECT_TRUE(w.routes.change(one(route(p, {"10.0.0.2"}))).empty());
  EXPECT_TRUE(w.routes.missing().empty());
}

TEST(KernelRoutes, the_other_next_hops_go_in_without_the_one_that_is_refused) {
  World w;
  w.kernel.bad = {address("10.0.0.9")};
  const Prefix p = prefix("10.1.0.0/16");
  EXPECT_TRUE(w.routes.apply({route(p, {"10.0.0.2", "10.0.0.3", "10.0.0.9"})}, true).empty());
  ASSERT_EQ(w.table().size(), 1u);
  EXPECT_EQ(w.table()[0].hops.size(), 2u);
  const auto refused = w.routes.take_refused();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].prefix, p);
  EXPECT_EQ(refused[0].hop.via, address("10.0.0.9"));
  EXPECT_NE(refused[0].why.find("no such gateway"), std::string::npos);
  EXPECT_TRUE(w.routes.missing().empty());
  const int writes = w.kernel.writes;
  EXPECT_TRUE(w.routes.change(one(route(p, {"10.0.0.2", "10.0.0.3"}))).empty());
  EXPECT_EQ(w.kernel.writes, writes) << "it is so already";
}

TEST(KernelRoutes, a_refused_replacement_leaves_the_old_route_where_it_is) {
  World w;
  w.kernel.bad = {address("10.0.0.9")};
  const Prefix p = prefix("10.1.0.0/16");
  EXPECT_TRUE(w.routes.apply({route(p, {"10.0.0.2"})}, true).empty());
  EXPECT_TRUE(w.routes.change(one(route(p, {"10.0.0.9"}))).empty()) << "told by take_refused()";
  EXPECT_EQ(w.routes.take_refused().size(), 1u);
  EXPECT_TRUE(w.routes.missing().contains(p));
  ASSERT_EQ(w.table().size(), 1u);
  EXPECT_EQ(w.table()[0].via, address("10.0.0.2"));
}

TEST(KernelRoutes, doubt_restores_what_differs_and_writes_nothing_else) {
  World w;
  const std::vector<KernelRoute> all{route(prefix("10.1.0.0/16"), {"10.0.0.2"}),
                                     route(prefix("10.2.0.0/16"), {"10.0.0.2", "10.0.0.3"}),
                                     KernelRoute{prefix("10.0.0.0/8"), 254, 0, {}}};
  EXPECT_TRUE(w.routes.apply(all, true).empty());
  for (netlink::Route& r : w.table()) {  // as the kernel shows them
    if (r.via) r.ifindex = 7;
    for (auto& hop : r.hops) hop.ifindex = 7;
  }
  w.kernel.writes = 0;
  w.routes.doubt();
  EXPECT_TRUE(w.routes.apply(all, true).empty());
  EXPECT_EQ(w.kernel.writes, 0);
  std::erase_if(w.table(), [](const netlink::Route& r) { return r.destination.length() == 8; });
  w.table()[0].via = address("10.0.0.77");
  w.routes.doubt();
  EXPECT_TRUE(w.routes.apply(all, true).empty());
  EXPECT_EQ(w.kernel.writes, 2);
  EXPECT_EQ(w.table().size(), 3u);
}

}  // namespace
}  // namespace weft::bgp
