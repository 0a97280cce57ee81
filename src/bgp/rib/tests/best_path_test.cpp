#include "bgp/rib/best_path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::address;

RouteSource external(const char* peer, Asn asn = 65100) {
  return {.peer_as = asn, .router_id = {address(peer).to_v4()}, .address = address(peer)};
}

struct Case {
  RouteAttributes attributes = test::with_path({65100, 65200});
  RouteSource source = external("10.0.0.2");
  Candidate candidate() const { return {&attributes, &source}; }
};

/// `better` wins by `rule`, whichever is asked first.
void expect_better(const Case& better, const Case& worse, Rule rule) {
  const Comparison forth = compare(better.candidate(), worse.candidate());
  EXPECT_TRUE(forth.first_wins) << why_preferred(rule);
  EXPECT_EQ(forth.rule, rule) << why_preferred(forth.rule);
  const Comparison back = compare(worse.candidate(), better.candidate());
  EXPECT_FALSE(back.first_wins) << why_preferred(rule);
  EXPECT_EQ(back.rule, rule) << why_preferred(back.rule);
}

TEST(BestPath, our_own_route_beats_what_is_received) {
  Case ours;
  ours.source = {.local = true};
  Case theirs;
  theirs.attributes.path.local_pref = 900;
  expect_better(ours, theirs, Rule::local_route);
}

TEST(BestPath, a_higher_local_preference_wins_and_100_stands_for_none) {
  Case high;
  high.attributes.path.local_pref = 101;
  high.attributes.path.as_path.prepend(1, 5);
  expect_better(high, Case{}, Rule::local_preference);
  Case low;
  low.attributes.path.local_pref = 99;
  expect_better(Case{}, low, Rule::local_preference);
}

TEST(BestPath, a_shorter_as_path_wins_and_a_set_counts_once) {
  Case shorter;
  shorter.attributes.path.as_path.segments = {{AsPathSegment::Type::sequence, {65100}},
                                              {AsPathSegment::Type::set, {1, 2, 3}}};
  Case longer;
  longer.attributes = test::with_path({65100, 1, 2});
  longer.attributes.path.origin = Origin::igp;
  shorter.attributes.path.origin = Origin::incomplete;
  expect_better(shorter, longer, Rule::as_path_length);
}

TEST(BestPath, then_origin_then_med) {
  Case igp;
  igp.attributes.path.med = 9;
  Case egp;
  egp.attributes.path.origin = Origin::egp;
  expect_better(igp, egp, Rule::origin);
  Case none;
  Case nine;
  nine.attributes.path.med = 9;
  expect_better(none, nine, Rule::med);
}

TEST(BestPath, med_is_compared_only_within_one_neighbouring_as) {
  Case a;
  a.attributes.path.med = 9;
  Case b;
  b.attributes = test::with_path({65300, 65200});
  b.source = external("10.0.0.3", 65300);
  expect_better(a, b, Rule::router_id);
}

TEST(BestPath, an_external_route_beats_an_internal_one) {
  Case inside;
  inside.source.ibgp = true;
  inside.source.router_id = {1};
  expect_better(Case{}, inside, Rule::external);
}

TEST(BestPath, router_id_originator_cluster_list_and_address_decide_last) {
  Case low;
  Case high;
  high.source = external("10.0.0.3");
  expect_better(low, high, Rule::router_id);
  high.attributes.path.originator_id = RouterId{1};
  expect_better(high, low, Rule::router_id);

  Case reflected;
  reflected.attributes.path.cluster_list = {{1}};
  expect_better(low, reflected, Rule::cluster_list);

  Case second_session;
  second_session.source.address = address("10.0.0.9");
  expect_better(low, second_session, Rule::peer_address);
  EXPECT_EQ(compare(low.candidate(), Case{}.candidate()).rule, Rule::same);
}

TEST(BestPath, routes_that_only_identifiers_tell_apart_are_taken_together) {
  Case a;
  Case b;
  b.source = external("10.0.0.3", 65300);
  b.attributes = test::with_path({65300, 65200});
  Case longer;
  longer.attributes.path.as_path.prepend(65100);
  longer.source = external("10.0.0.4");
  const Candidate all[] = {longer.candidate(), b.candidate(), a.candidate()};
  const Ranking ranking = rank(all);
  EXPECT_EQ(ranking.best, 2U);
  EXPECT_TRUE(ranking.places[2].best);
  EXPECT_TRUE(ranking.places[2].multipath);
  EXPECT_TRUE(ranking.places[1].multipath);
  EXPECT_FALSE(ranking.places[0].multipath);
  EXPECT_EQ(ranking.places[0].lost_by, Rule::as_path_length);
  EXPECT_EQ(ranking.places[0].lost_to, 2U);
  EXPECT_EQ(ranking.places[1].lost_by, Rule::router_id);
}

// The example that makes MED depend on arrival when routes are only compared pairwise.
TEST(BestPath, med_is_deterministic) {
  Case a;  // AS 1, low router id, but a worse MED than c
  a.attributes = test::with_path({1, 9});
  a.attributes.path.med = 20;
  a.source = external("10.0.0.1", 1);
  Case b;  // AS 2
  b.attributes = test::with_path({2, 9});
  b.source = external("10.0.0.2", 2);
  Case c;  // AS 1
  c.attributes = test::with_path({1, 9});
  c.attributes.path.med = 10;
  c.source = external("10.0.0.3", 1);
  std::vector<const Case*> order{&a, &b, &c};
  std::sort(order.begin(), order.end());
  do {
    std::vector<Candidate> candidates;
    for (const Case* x : order) candidates.push_back(x->candidate());
    const Ranking ranking = rank(candidates);
    EXPECT_EQ(order[ranking.best], &b);
    for (std::size_t i = 0; i < 3; ++i) {
      if (order[i] == &a) {
        EXPECT_EQ(ranking.places[i].lost_by, Rule::med);
        EXPECT_EQ(order[ranking.places[i].lost_to], &c);
        EXPECT_FALSE(ranking.places[i].multipath);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(BestPath, does_not_depend_on_the_order_of_candidates) {
  std::mt19937 random(4);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Case> cases(2 + below(5));
    for (std::size_t i = 0; i < cases.size(); ++i) {
      cases[i].attributes = test::with_path({1 + below(3), 9});
      if (below(2) != 0) cases[i].attributes.path.med = below(3);
      if (below(4) == 0) cases[i].attributes.path.local_pref = 100 + below(2);
      cases[i].source = external(("10.0.0." + std::to_string(i + 1)).c_str());
      cases[i].source.ibgp = below(3) == 0;
      cases[i].source.router_id = {below(3)};
    }
    std::vector<std::size_t> order(cases.size());
    std::iota(order.begin(), order.end(), 0);
    std::optional<std::size_t> best;
    for (int shuffle = 0; shuffle < 5; ++shuffle) {
      std::vector<Candidate> candidates;
      for (const std::size_t i : order) candidates.push_back(cases[i].candidate());
      const Ranking ranking = rank(candidates);
      const std::size_t winner = order[ranking.best];
      if (!best) best = winner;
      ASSERT_EQ(winner, *best) << "round " << round;
      std::shuffle(order.begin(), order.end(), random);
    }
  }
}

}  // namespace
}  // namespace weft::bgp
