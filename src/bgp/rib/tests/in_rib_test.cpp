#include "bgp/rib/in_rib.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::address;
using test::kSanitized;
using test::prefix;
using test::via;

InRib::PeerFacts peer(const char* text, Asn asn) {
  return {.source = {.peer_as = asn, .router_id = {address(text).to_v4()}, .address = address(text)}};
}

InRib::PeerFacts importing(const char* text, Asn asn, ImportPolicy policy) {
  InRib::PeerFacts facts = peer(text, asn);
  facts.import = std::move(policy);
  return facts;
}

ImportPolicy everything() { return {.rules = {{prefix("0.0.0.0/0"), 0, 32}, {prefix("::/0"), 0, 128}}}; }

Update announce(std::vector<Prefix> prefixes, std::vector<Asn> path, const char* next_hop) {
  Update u;
  u.attributes = test::with_path(std::move(path)).path;
  u.announced = {{via(next_hop), std::move(prefixes)}};
  return u;
}

Update withdraw(std::vector<Prefix> prefixes) {
  Update u;
  u.withdrawn = std::move(prefixes);
  return u;
}

std::vector<ImportedHop> hops(std::initializer_list<const char*> vias) {
  std::vector<ImportedHop> out;
  for (const char* v : vias) out.push_back({address(v), ""});
  return out;
}

constexpr Asn kUs = 65001;

// The prefix from three peers: of "a" and "b" equally good, of "longer" not.
InRib equal_and_longer(const Prefix& p, const char* next_hop_of_a) {
  InRib rib(kUs, {1});
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  rib.set_peer("b", importing("10.0.0.3", 65200, everything()));
  rib.set_peer("longer", importing("10.0.0.4", 65300, everything()));
  rib.apply("a", announce({p}, {65100}, next_hop_of_a), 0);
  rib.apply("b", announce({p}, {65200}, "10.0.0.3"), 0);
  rib.apply("longer", announce({p}, {65300, 65301}, "10.0.0.4"), 0);
  return rib;
}

TEST(InRib, keeps_and_counts_what_peers_send_and_imports_nothing_by_itself) {
  InRib rib(kUs, {1});
  rib.set_peer("a", peer("10.0.0.2", 65100));
  const auto applied = rib.apply("a", announce({prefix("10.1.0.0/16"), prefix("10.2.0.0/16")}, {65100}, "10.0.0.2"), 7);
  EXPECT_EQ(applied.announced, 2U);
  EXPECT_EQ(rib.received("a", Family::v4)->size(), 2U);
  EXPECT_EQ(rib.received("b", Family::v4), nullptr);
  EXPECT_EQ(rib.apply("a", withdraw({prefix("10.2.0.0/16"), prefix("10.3.0.0/16")}), 8).withdrawn, 1U);
  EXPECT_TRUE(rib.imported().empty());
  EXPECT_EQ(rib.why_not_imported("a", prefix("10.1.0.0/16")), NotImported::no_policy);
  EXPECT_EQ(rib.why_not_imported("a", prefix("10.2.0.0/16")), NotImported::not_received);
}

TEST(InRib, tells_when_a_peer_sends_more_than_it_may) {
  InRib rib(kUs, {1});
  auto facts = peer("10.0.0.2", 65100);
  facts.max_prefixes = 2;
  rib.set_peer("a", facts);
  EXPECT_FALSE(
      rib.apply("a", announce({prefix("10.1.0.0/16"), prefix("10.2.0.0/16")}, {65100}, "10.0.0.2"), 0).over_limit);
  EXPECT_FALSE(rib.apply("a", announce({prefix("fd00::/64")}, {65100}, "fd00::2"), 0).over_limit);
  EXPECT_TRUE(rib.apply("a", announce({prefix("10.3.0.0/16")}, {65100}, "10.0.0.2"), 0).over_limit);
}

TEST(InRib, keeps_no_attribute_that_it_does_not_know) {
  InRib rib(kUs, {1});
  rib.set_peer("a", peer("10.0.0.2", 65100));
  Update u = announce({prefix("10.1.0.0/16")}, {65100}, "10.0.0.2");
  u.attributes->unknown = {{0xe0, 99, std::vector<std::uint8_t>(60'000)}};
  EXPECT_EQ(rib.apply("a", u, 0).announced, 1U);
  const auto kept = rib.received("a", Family::v4)->find(prefix("10.1.0.0/16"));
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->attributes->path.unknown.empty());
  EXPECT_LT(rib.received("a", Family::v4)->attribute_bytes(), 1000U);
}

Update with_communities(Prefix p, std::uint32_t first, std::uint32_t count) {
  Update u = announce({p}, {65100}, p.family() == Family::v4 ? "10.0.0.2" : "fd00::2");
  for (std::uint32_t i = 0; i < count; ++i) u.attributes->communities.push_back(first + i);
  return u;
}

TEST(InRib, tells_when_the_attributes_of_a_peer_take_more_memory_than_they_may) {
  InRib rib(kUs, {1});
  auto facts = peer("10.0.0.2", 65100);
  facts.max_attribute_bytes = 1 << 20;
  rib.set_peer("a", facts);
  rib.set_peer("b", peer("10.0.0.3", 65100));
  const auto nth = [](std::uint32_t i) { return Prefix(Address::v4(0x0a000000 + (i << 8)), 24); };
  const auto bytes = [&] { return rib.received("a", Family::v4)->attribute_bytes(); };
  // 4000 octets each; a shared set counts once, an own one each time.
  for (std::uint32_t i = 0; i < 2000; ++i)
    ASSERT_FALSE(rib.apply("a", with_communities(nth(i), 0, 1000), 0).over_bytes);
  EXPECT_LT(bytes(), 5000U);
  std::uint32_t n = 0;
  while (n < 2000 && !rib.apply("a", with_communities(nth(n), n, 1000), 0).over_bytes) ++n;
  EXPECT_GT(n, 200U);
  EXPECT_LT(n, 260U);
  EXPECT_FALSE(rib.apply("b", with_communities(nth(n), n, 1000), 0).over_bytes) << "b has no bound";
  // The other family counts with it, and what is withdrawn or replaced gives its memory back.
  EXPECT_TRUE(rib.apply("a", with_communities(prefix("fd00::/64"), 7, 1), 0).over_bytes);
  for (std::uint32_t i = 0; i < 100; ++i) rib.apply("a", withdraw({nth(i)}), 0);
  const std::size_t before = bytes();
  for (std::uint32_t i = 0; i < 2000; ++i)
    ASSERT_FALSE(rib.apply("a", with_communities(nth(0), 100'000 + i, 1000), 0).over_bytes) << i;
  EXPECT_LT(bytes(), before + 10'000);
  rib.clear("a", Family::v4);
  EXPECT_EQ(bytes(), 0U);
}

TEST(InRib, the_losing_route_says_to_whom_and_why) {
  InRib rib(kUs, {1});
  rib.set_peer("tor-1", peer("10.0.0.2", 65100));
  rib.set_peer("tor-2", peer("10.0.0.3", 65200));
  rib.set_peer("loop", peer("10.0.0.4", 65300));
  rib.apply("tor-1", announce({prefix("10.1.0.0/16")}, {65100, 65900}, "10.0.0.2"), 0);
  rib.apply("tor-2", announce({prefix("10.1.0.0/16")}, {65200}, "10.0.0.3"), 0);
  rib.apply("loop", announce({prefix("10.1.0.0/16")}, {65300, kUs}, "10.0.0.4"), 0);
  const auto ranked = rib.rank(prefix("10.1.0.0/16"));
  ASSERT_EQ(ranked.size(), 3U);
  EXPECT_EQ(ranked[0].peer, "tor-2");
  EXPECT_TRUE(ranked[0].best);
  EXPECT_EQ(ranked[0].note, "");
  EXPECT_EQ(ranked[1].peer, "tor-1");
  EXPECT_EQ(ranked[1].note, "tor-2 is preferred: its AS path is shorter");
  EXPECT_EQ(ranked[2].note, "our own ASN is in its AS path");
  EXPECT_FALSE(ranked[2].best);

  const auto with_ours = rib.rank(prefix("10.1.0.0/16"), SharedAttributes());
  EXPECT_EQ(with_ours[0].peer, "");
  EXPECT_TRUE(with_ours[0].best);
  EXPECT_EQ(with_ours[1].note, "our own route is preferred: it is announced by this node");
  EXPECT_TRUE(rib.rank(prefix("10.9.0.0/16")).empty());
}

TEST(Import, follows_the_first_rule_that_matches) {
  const ImportPolicy policy{.rules = {{prefix("10.1.0.0/16"), 16, 32, false}, {prefix("10.0.0.0/8"), 16, 24, true}}};
  EXPECT_TRUE(policy.permits(prefix("10.2.0.0/16")));
  EXPECT_TRUE(policy.permits(prefix("10.2.3.0/24")));
  EXPECT_FALSE(policy.permits(prefix("10.2.3.0/25")));
  EXPECT_FALSE(policy.permits(prefix("10.0.0.0/8")));
  EXPECT_FALSE(policy.permits(prefix("10.1.2.0/24")));
  EXPECT_FALSE(policy.permits(prefix("11.0.0.0/16")));
  EXPECT_FALSE(policy.permits(prefix("fd00::/64")));
}

TEST(Import, takes_equal_routes_of_several_peers_together) {
  const Prefix p = prefix("10.1.0.0/16");
  InRib rib = equal_and_longer(p, "10.0.0.2");
  ASSERT_TRUE(rib.imported().contains(p));
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.2", "10.0.0.3"}));
  EXPECT_EQ(rib.imported().at(p).peers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(rib.imported().at(p).metric, 200U);
  EXPECT_EQ(rib.why_not_imported("longer", p), NotImported::not_best);
  EXPECT_EQ(rib.why_not_imported("a", p), std::nullopt);
  EXPECT_EQ(rib.imported_count("a", Family::v4), 1U);

  const auto revision = rib.import_revision();
  rib.apply("longer", announce({prefix("10.1.0.0/16")}, {65300, 65302}, "10.0.0.4"), 0);
  rib.imported();
  EXPECT_EQ(rib.import_revision(), revision) << "nothing changed in the kernel";
  rib.apply("a", withdraw({p}), 0);
  rib.apply("b", withdraw({p}), 0);
  EXPECT_EQ(rib.imported().at(p).peers, (std::vector<std::string>{"longer"}));
  EXPECT_GT(rib.import_revision(), revision);
}

TEST(Import, a_route_that_an_external_peer_shuts_down_gracefully_is_the_last_choice) {
  for (const bool v6 : {false, true}) {
    const Prefix p = prefix(v6 ? "fd00:1::/64" : "10.1.0.0/16");
    const char* const at_a = v6 ? "fd00::2" : "10.0.0.2";
    const char* const at_b = v6 ? "fd00::3" : "10.0.0.3";
    InRib rib(kUs, {1});
    rib.set_peer("a", importing(at_a, 65100, everything()));
    rib.set_peer("b", importing(at_b, 65200, everything()));
    rib.apply("a", announce({p}, {65100}, at_a), 0);
    rib.apply("b", announce({p}, {65200, 65201}, at_b), 0);
    EXPECT_EQ(rib.imported().at(p).hops, hops({at_a})) << "by the shorter path";
    Update marked = announce({p}, {65100}, at_a);
    marked.attributes->communities = {1, kGracefulShutdown};
    EXPECT_EQ(rib.apply("a", marked, 0).announced, 1U);
    EXPECT_EQ(rib.imported().at(p).hops, hops({at_b}));
    EXPECT_EQ(rib.why_not_imported("a", p), NotImported::not_best);

    const auto of_a = rib.received("a", p.family())->find(p);
    ASSERT_TRUE(of_a);
    EXPECT_EQ(of_a->attributes->path.local_pref, 0U);
    EXPECT_EQ(of_a->attributes->path.communities, marked.attributes->communities);
    EXPECT_EQ(rib.received("b", p.family())->find(p)->attributes->path.local_pref, std::nullopt);
    const auto ranked = rib.rank(p);
    ASSERT_EQ(ranked.size(), 2U);
    EXPECT_EQ(ranked[0].peer, "b");
    EXPECT_EQ(ranked[1].note,
              "b is preferred: its local preference is higher (this route is being shut down gracefully, RFC 8326)");

    rib.apply("b", withdraw({p}), 0);
    EXPECT_EQ(rib.imported().at(p).hops, hops({at_a})) << "better than none";
    rib.apply("b", announce({p}, {65200, 65201}, at_b), 0);
    rib.apply("a", announce({p}, {65100}, at_a), 0);
    EXPECT_EQ(rib.imported().at(p).hops, hops({at_a})) << "the mark is gone";
  }
}

TEST(Import, an_internal_peer_says_itself_what_a_graceful_shutdown_is_worth) {
  InRib rib(kUs, {1});
  auto facts = importing("10.0.0.2", kUs, everything());
  facts.source.ibgp = true;
  rib.set_peer("a", facts);
  const Prefix p = prefix("10.1.0.0/16");
  Update marked = announce({p}, {65100}, "10.0.0.2");
  marked.attributes->communities = {kGracefulShutdown};
  marked.attributes->local_pref = 50;
  rib.apply("a", marked, 0);
  EXPECT_EQ(rib.received("a", Family::v4)->find(p)->attributes->path.local_pref, 50U);
}

TEST(Import, a_link_local_next_hop_keeps_the_link_of_its_peer) {
  InRib rib(kUs, {1});
  const std::vector<std::pair<std::string, std::string>> links{{"leaf-1", "eth1"}, {"leaf-2", "eth2"}, {"far", ""}};
  for (const auto& [name, link] : links) {
    auto facts = importing("fe80::1", 65100, everything());
    facts.link = link;
    rib.set_peer(name, facts);
  }
  const Prefix p = prefix("10.1.0.0/16");
  // Routers of one make often have the same link-local address on every link.
  rib.apply("leaf-1", announce({p}, {65100}, "fe80::1"), 0);
  rib.apply("leaf-2", announce({p}, {65100}, "fe80::1"), 0);
  Update both = announce({p}, {65100}, "fd00::3");
  both.announced[0].next_hop.link_local = address("fe80::3");
  rib.apply("far", both, 0);
  EXPECT_EQ(
      rib.imported().at(p).hops,
      (std::vector<ImportedHop>{{address("fd00::3"), ""}, {address("fe80::1"), "eth1"}, {address("fe80::1"), "eth2"}}));
  auto moved = importing("fe80::1", 65100, everything());
  moved.link = "eth3";
  rib.set_peer("leaf-2", moved);
  EXPECT_EQ(rib.imported().at(p).hops.back(), (ImportedHop{address("fe80::1"), "eth3"}));
}

TEST(Import, equal_next_hops_of_several_peers_are_one) {
  InRib rib(kUs, {1});
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  rib.set_peer("b", importing("10.0.0.3", 65100, everything()));
  const Prefix p = prefix("10.1.0.0/16");
  for (const char* name : {"a", "b"}) rib.apply(name, announce({p}, {65100}, "10.0.0.9"), 0);
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.9"}));
  EXPECT_EQ(rib.imported().at(p).peers, (std::vector<std::string>{"a", "b"}));
}

TEST(Import, never_takes_what_we_announce_ourselves) {
  InRib rib(kUs, {1});
  bool ours = true;
  rib.set_ours([&](const Prefix&) { return ours; });
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  const Prefix p = prefix("10.1.0.0/16");
  rib.apply("a", announce({p}, {65100}, "10.0.0.2"), 0);
  EXPECT_TRUE(rib.imported().empty());
  EXPECT_EQ(rib.why_not_imported("a", p), NotImported::ours);
  ours = false;
  rib.touch(p);
  EXPECT_EQ(rib.imported().size(), 1U);
}

TEST(Import, unusable_and_denied_routes_stay_out) {
  InRib rib(kUs, {1});
  rib.set_peer("a", importing("10.0.0.2", 65100, {.rules = {{prefix("10.0.0.0/8"), 8, 24}}}));
  rib.apply("a", announce({prefix("10.1.0.0/16")}, {65100, kUs}, "10.0.0.2"), 0);
  rib.apply("a", announce({prefix("10.2.0.1/32")}, {65100}, "10.0.0.2"), 0);
  EXPECT_TRUE(rib.imported().empty());
  EXPECT_EQ(rib.why_not_imported("a", prefix("10.1.0.0/16")), NotImported::unusable);
  EXPECT_EQ(rib.why_not_imported("a", prefix("10.2.0.1/32")), NotImported::denied);
}

TEST(Import, holds_back_what_exceeds_the_limit_until_there_is_room) {
  InRib rib(kUs, {1});
  ImportPolicy policy = everything();
  policy.limit = 2;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  rib.apply("a", announce({prefix("10.1.0.0/16"), prefix("10.2.0.0/16"), prefix("10.3.0.0/16")}, {65100}, "10.0.0.2"),
            0);
  EXPECT_EQ(rib.imported().size(), 2U);
  EXPECT_EQ(rib.why_not_imported("a", prefix("10.3.0.0/16")), NotImported::over_limit);
  rib.apply("a", announce({prefix("10.0.0.0/16")}, {65100}, "10.0.0.2"), 0);
  EXPECT_FALSE(rib.imported().contains(prefix("10.0.0.0/16"))) << "what is in stays in";
  rib.apply("a", withdraw({prefix("10.2.0.0/16")}), 0);
  EXPECT_EQ(rib.imported().size(), 2U);
  policy.limit = 10;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  EXPECT_EQ(rib.imported().size(), 3U);
  policy.limit = 1;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  EXPECT_EQ(rib.imported().size(), 1U);
}

TEST(Import, a_large_table_behind_a_small_limit_fills_up_again_and_again) {
  InRib rib(kUs, {1});
  ImportPolicy policy = everything();
  policy.limit = 100;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  std::vector<Prefix> all;
  for (std::uint32_t i = 0; i < 20000; ++i) all.emplace_back(Address::v4(0x0a000000 + (i << 8)), 24);
  rib.apply("a", announce(all, {65100}, "10.0.0.2"), 0);
  EXPECT_EQ(rib.imported().size(), 100U);
  for (int round = 0; round < 20; ++round) {
    std::vector<Prefix> in;
    for (const auto& [p, r] : rib.imported()) in.push_back(p);
    rib.apply("a", withdraw(in), 0);
    ASSERT_EQ(rib.imported().size(), 100U) << "round " << round;
  }
}

std::vector<Prefix> hosts(std::uint32_t count) {
  std::vector<Prefix> out;
  for (std::uint32_t i = 0; i < count; ++i) out.emplace_back(Address::v4(0x0a000000 + i), 32);
  return out;
}

// Each time that there was room again, all of what waited was looked at, and what was about to be swept got in.
TEST(Import, a_large_table_behind_a_small_limit_is_swept_in_the_time_that_it_took_to_come) {
  constexpr std::uint32_t kRoutes = kSanitized ? 70'000 : 700'000;
  const auto now = [] { return std::chrono::steady_clock::now(); };
  InRib rib(kUs, {1});
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  const std::vector<Prefix> all = hosts(kRoutes);
  const auto begun = now();
  rib.apply("a", announce(all, {65100}, "10.0.0.2"), 0);
  const std::size_t limit = rib.imported().size();
  const auto came = now() - begun;
  EXPECT_LT(limit, all.size() / 50);
  rib.mark_stale("a", Family::v4, Stale::refresh);
  // None of those that are in the kernel.
  rib.apply("a", announce({all.end() - 5000, all.end()}, {65100}, "10.0.0.2"), 0);
  const auto swept = now();
  EXPECT_EQ(rib.sweep("a", Family::v4, Stale::refresh), kRoutes - 5000);
  EXPECT_EQ(rib.imported().size(), limit);
  EXPECT_LT(now() - swept, 2 * came + std::chrono::milliseconds(500));
}

TEST(Import, a_small_limit_is_filled_again_when_most_of_what_waited_is_swept) {
  InRib rib(kUs, {1});
  ImportPolicy policy = everything();
  policy.limit = 4;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  const std::vector<Prefix> all = hosts(3000);
  rib.apply("a", announce(all, {65100}, "10.0.0.2"), 0);
  ASSERT_EQ(rib.imported().size(), 4U);
  rib.mark_stale("a", Family::v4, Stale::refresh);
  rib.apply("a", announce({all.end() - 100, all.end()}, {65100}, "10.0.0.2"), 0);
  rib.take_changed();
  EXPECT_EQ(rib.sweep("a", Family::v4, Stale::refresh), 2900U);
  rib.take_changed();
  EXPECT_EQ(rib.imported().size(), 4U);
}

TEST(Import, routes_of_a_peer_that_goes_leave_the_kernel) {
  InRib rib(kUs, {1});
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  rib.apply("a", announce({prefix("10.1.0.0/16")}, {65100}, "10.0.0.2"), 0);
  rib.apply("a", announce({prefix("fd00::/64")}, {65100}, "fd00::2"), 0);
  EXPECT_EQ(rib.imported().size(), 2U);
  rib.clear("a", Family::v6);
  EXPECT_EQ(rib.imported().size(), 1U);
  rib.mark_stale("a", Family::v4, Stale::restart);
  EXPECT_EQ(rib.imported().size(), 1U) << "stale routes are used until swept";
  EXPECT_EQ(rib.sweep("a", Family::v4, Stale::restart), 1U);
  EXPECT_TRUE(rib.imported().empty());
  rib.apply("a", announce({prefix("10.1.0.0/16")}, {65100}, "10.0.0.2"), 0);
  EXPECT_EQ(rib.imported().size(), 1U);
  rib.remove_peer("a");
  EXPECT_TRUE(rib.imported().empty());
}

TEST(Import, routes_for_another_table_do_not_join_the_best_one) {
  InRib rib(kUs, {1});
  ImportPolicy other = everything();
  other.table = 100;
  rib.set_peer("a", importing("10.0.0.2", 65100, everything()));
  rib.set_peer("b", importing("10.0.0.3", 65200, other));
  const Prefix p = prefix("10.1.0.0/16");
  rib.apply("a", announce({p}, {65100}, "10.0.0.2"), 0);
  rib.apply("b", announce({p}, {65200}, "10.0.0.3"), 0);
  EXPECT_EQ(rib.imported().at(p).peers, std::vector<std::string>{"a"});
  EXPECT_EQ(rib.why_not_imported("b", p), NotImported::other_table);
}

TEST(Import, leaves_out_next_hops_that_the_kernel_refuses) {
  const Prefix p = prefix("10.1.0.0/16");
  InRib rib = equal_and_longer(p, "192.0.2.9");
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.3", "192.0.2.9"}));
  rib.take_changed();
  rib.refuse(p, {address("192.0.2.9"), ""}, "off link");
  EXPECT_EQ(rib.take_changed(), std::set<Prefix>{p});
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.3"}));
  EXPECT_EQ(rib.why_not_imported("a", p), NotImported::refused);
  EXPECT_EQ(rib.why_not_imported("longer", p), NotImported::not_best);
  rib.refuse(p, {address("10.0.0.3"), ""}, "off link");
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.4"})) << "the next best path";
  EXPECT_EQ(rib.refused().at(p).size(), 2U);
  rib.forget_refused();
  EXPECT_EQ(rib.imported().at(p).hops, hops({"10.0.0.3", "192.0.2.9"}));
  EXPECT_EQ(rib.why_not_imported("a", p), std::nullopt);
}

TEST(Import, refused_routes_take_places_of_the_limit_and_are_forgotten_when_they_go) {
  InRib rib(kUs, {1});
  ImportPolicy policy = everything();
  policy.limit = 10;
  rib.set_peer("a", importing("10.0.0.2", 65100, policy));
  std::vector<Prefix> all;
  for (std::uint32_t i = 0; i < 1000; ++i) all.emplace_back(Address::v4(0x0a000000 + (i << 8)), 24);
  rib.apply("a", announce(all, {65100}, "192.0.2.9"), 0);
  std::size_t tried = 0;
  while (!rib.imported().empty() && tried < 1000) {
    ++tried;
    rib.refuse(rib.imported().begin()->first, {address("192.0.2.9"), ""}, "off link");
  }
  EXPECT_EQ(tried, 10U) << "a peer of bad next hops may not make the kernel try its whole table";
  rib.apply("a", withdraw(all), 0);
  EXPECT_TRUE(rib.imported().empty());
  EXPECT_TRUE(rib.refused().empty());
  rib.apply("a", announce({all[0]}, {65100}, "192.0.2.9"), 0);
  EXPECT_EQ(rib.imported().size(), 1U);
}

// Whatever happened before, what is in the kernel is what deciding everything from scratch would put there.
TEST(Import, ends_where_deciding_from_scratch_ends) {
  std::mt19937 random(6);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  const std::vector<std::string> names{"a", "b", "c"};
  InRib rib(kUs, {1});
  std::map<std::string, std::map<Prefix, unsigned>> model;  // prefix → length of its path
  for (unsigned i = 0; i < names.size(); ++i)
    rib.set_peer(names[i], importing(("10.0.0." + std::to_string(i + 2)).c_str(), 65100 + i, everything()));
  for (int step = 0; step < 5000; ++step) {
    const unsigned i = below(3);
    const Prefix p(Address::v4(below(200) << 8), 24);
    if (below(3) == 0) {
      rib.apply(names[i], withdraw({p}), 0);
      model[names[i]].erase(p);
    } else {
      const unsigned length = 1 + below(3);
      rib.apply(names[i], announce({p}, std::vector<Asn>(length, 65100 + i), "10.0.0.9"), 0);
      model[names[i]][p] = length;
    }
    if (step % 50 != 0) continue;
    std::map<Prefix, std::vector<std::string>> expected;
    for (std::uint32_t n = 0; n < 200; ++n) {
      const Prefix q(Address::v4(n << 8), 24);
      unsigned best = ~0U;
      for (const auto& [name, routes] : model)
        if (routes.contains(q)) best = std::min(best, routes.at(q));
      for (const auto& [name, routes] : model)
        if (routes.contains(q) && routes.at(q) == best) expected[q].push_back(name);
    }
    std::map<Prefix, std::vector<std::string>> seen;
    for (const auto& [q, r] : rib.imported()) seen[q] = r.peers;
    ASSERT_EQ(seen, expected) << "step " << step;
  }
}

}  // namespace
}  // namespace weft::bgp
