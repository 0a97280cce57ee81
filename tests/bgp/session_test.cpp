// Two speakers of ours against each other.
#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

#include "bgp/bench.h"
#include "bgp/speaker/tcp.h"

namespace weft::bgp::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SessionTest : public NetTest {};

TEST_F(SessionTest, routes_of_both_families_reach_the_other_side_and_leave_it) {
  for (const bool v6 : {false, true}) {
    Pair p(v6);
    p.a.set() = routes("10.1.0.0", 300);
    p.a.set().set({*Prefix::parse("2001:db8::/32"), {}});
    p.start();
    ASSERT_TRUE(p.meet());
    ASSERT_TRUE(p.loop.until(
        "301 routes", [&] { return p.b.received("a", kIpv4Unicast) == 300 && p.b.received("a", kIpv6Unicast) == 1; },
        p.seen()));
    ASSERT_TRUE(p.loop.until(
        "End-of-RIB of both",
        [&] {
          auto s = p.b.status("a");
          return s.families[kIpv4Unicast].end_of_rib_received && s.families[kIpv6Unicast].end_of_rib_received;
        },
        p.seen()));
    const auto received = p.b.speaker->routes_received({.prefix = Prefix::parse("10.1.0.7/32").value()});
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0].attributes.as_path.to_string(), "65001");
    EXPECT_EQ(received[0].next_hop.address, *Address::parse("10.99.0.1"));
    p.a.set() = {};
    p.a.apply();
    ASSERT_TRUE(p.loop.until(
        "no routes", [&] { return p.b.received("a", kIpv4Unicast) == 0 && p.b.received("a", kIpv6Unicast) == 0; },
        p.seen()));
    EXPECT_EQ(p.a.status().flaps, 0u);
  }
}

TEST_F(SessionTest, four_octet_numbers_and_an_internal_session_carry_local_preference) {
  Pair p;
  p.a.config() = instance(kAsB, "10.99.0.1");
  p.a.config().router_id = RouterId{7};
  p.a.config().peers = {peer("b", "10.99.0.2", "10.99.0.1", kAsB)};
  p.b.peer().remote_as = {PeerAs::Kind::internal, 0};
  RouteAttributes attributes;
  attributes.path.local_pref = 50;
  p.a.set().set({*Prefix::parse("10.0.0.0/8"), attributes});
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the route", [&] { return p.b.received("a") == 1; }, p.seen()));
  const auto r = p.b.speaker->routes_received().at(0);
  EXPECT_EQ(r.attributes.local_pref, 50u);
  EXPECT_EQ(r.attributes.as_path.to_string(), "");
  EXPECT_EQ(p.b.status("a").peer_as, kAsB);
}

TEST_F(SessionTest, connecting_both_ways_at_once_leaves_one_session) {
  for (int round = 0; round < 5; ++round) {
    Pair p;
    p.start();
    ASSERT_TRUE(p.meet());
    p.loop.turn(300ms);
    EXPECT_TRUE(p.a.up() && p.b.up("a")) << p.seen()();
    EXPECT_EQ(p.a.status().flaps + p.b.status("a").flaps, 0u) << p.seen()();
  }
}

TEST_F(SessionTest, the_source_interface_gives_our_address_where_it_has_one_of_the_family) {
  shell("ip link add s0 type veth peer name s1 && ip addr add 10.99.1.1/32 dev s0");
  for (const bool v6 : {false, true}) {
    Pair p(v6);
    p.a.peer().local_address.reset();
    p.a.peer().source_interface = "s0";
    // s0 has no IPv6 address: routes decide, and from one address of loopback to another that is the other.
    p.b.peer().address = v6 ? p.a.peer().address : Address::parse("10.99.1.1").value();
    p.b.peer().passive = true;
    p.start();
    ASSERT_TRUE(p.meet());
    EXPECT_EQ(p.a.status().local_address, p.b.peer().address);
  }
  shell("ip link del s0");
}

TEST_F(SessionTest, bfd_comes_from_where_bgp_comes_and_never_from_another_address_before) {
  shell("ip link add s0 type veth peer name s1 && ip addr add 10.99.1.1/32 dev s0");
  for (const bool v6 : {false, true}) {
    struct Noting : FakeBfd {
      void want(const std::map<std::string, Session>& sessions) override {
        FakeBfd::want(sessions);
        for (const auto& [name, s] : sessions) from.insert(s.local ? s.local->to_string() : "as routes say");
      }
      std::set<std::string> from;
    } bfd;
    Pair p(v6);
    p.a.speaker =
        std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd}, SpeakerOptions{.first_retry = 200ms});
    p.a.peer().local_address.reset();
    p.a.peer().source_interface = "s0";
    p.a.peer().bfd = PeerBfd{};
    p.b.peer().address = v6 ? p.a.peer().address : Address::parse("10.99.1.1").value();
    p.b.peer().passive = true;
    p.a.apply();
    p.loop.turn(100ms);
    EXPECT_EQ(bfd.wanted.size(), v6 ? 0u : 1u) << "s0 has an IPv4 address only";
    p.b.apply();
    ASSERT_TRUE(p.meet());
    ASSERT_TRUE(p.loop.until("BFD", [&] { return bfd.wanted.contains("main/b"); }, p.seen()));
    EXPECT_FALSE(bfd.wanted.at("main/b").multihop);
    EXPECT_EQ(bfd.from, std::set{p.a.status().local_address->to_string()});
  }
  shell("ip link del s0");
}

TEST_F(SessionTest, next_hops_of_the_other_family_follow_the_addresses_of_the_interface) {
  shell(
      "ip link add s0 type veth peer name s1 && ip addr add 10.98.0.1/32 dev s0 && ip link set s1 up && "
      "ip link set s0 addrgenmode none && ip link set s0 up");
  {
    Pair p;
    p.a.config() = instance(kAsA, "10.98.0.1");
    p.a.config().peers = {peer("b", "10.99.0.2", "10.98.0.1", kAsB)};
    p.b.peer().address = *Address::parse("10.98.0.1");
    const Prefix prefix = *Prefix::parse("2001:db8::/48");
    p.a.set().set({prefix, {}});
    p.start();
    ASSERT_TRUE(p.meet());
    const auto why = [&] { return p.a.speaker->why(prefix).at(0).why; };
    ASSERT_TRUE(p.loop.until("a refusal", [&] { return why().find("no local address") != std::string::npos; }, why));
    const auto next_hop = [&] {
      const auto r = p.b.speaker->routes_received({.prefix = prefix});
      return r.empty() ? std::string("no route") : r[0].next_hop.address.to_string();
    };
    const auto becomes = [&](const std::string& wanted) {
      return p.loop.until(
          "next hop " + wanted, [&] { return next_hop() == wanted; }, [&] { return next_hop() + "\n" + p.seen()(); });
    };
    // The first to come is one that may move to another node, and better than none.
    shell("ip addr add 2001:db8:9::100/128 dev s0 nodad");
    EXPECT_TRUE(becomes("2001:db8:9::100"));
    shell("ip addr add 2001:db8:9::5/64 dev s0 nodad");
    EXPECT_TRUE(becomes("2001:db8:9::5"));
    // The network is renumbered: the old address works for a while, and is not for anything new.
    shell("ip addr add 2001:db8:a::5/64 dev s0 nodad && ip addr change 2001:db8:9::5/64 dev s0 preferred_lft 0");
    EXPECT_TRUE(becomes("2001:db8:a::5"));
    shell("ip -6 addr flush dev s0 scope global");
    EXPECT_TRUE(becomes("no route"));
    EXPECT_EQ(p.a.status().flaps, 0u);
  }
  shell("ip link del s0");
}

TEST_F(SessionTest, changing_a_community_sends_that_route_and_resets_nothing) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 1000);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 1000; }, p.seen()));
  p.loop.turn(100ms);
  const auto before = p.a.status();
  RouteAttributes attributes;
  attributes.path.communities = {*parse_community("65001:7")};
  p.a.set().set({*Prefix::parse("10.1.0.5/32"), attributes});
  p.a.apply();
  ASSERT_TRUE(p.loop.until(
      "the community",
      [&] {
        const auto r = p.b.speaker->routes_received({.prefix = Prefix::parse("10.1.0.5/32").value()});
        return r.size() == 1 && r[0].attributes.communities == attributes.path.communities;
      },
      p.seen()));
  const auto after = p.a.status();
  EXPECT_EQ(after.updates_out - before.updates_out, 1u);
  EXPECT_EQ(after.flaps, 0u);
  EXPECT_EQ(after.established_at, before.established_at);
}

TEST_F(SessionTest, changing_what_open_carries_resets_that_session_alone) {
  Pair p;
  Node c(p.loop);
  c.config() = instance(65003, "10.99.0.3");
  c.config().peers = {peer("a", "10.99.0.1", "10.99.0.3", kAsA)};
  p.a.config().peers.push_back(peer("c", "10.99.0.3", "10.99.0.1", 65003));
  c.apply();
  p.start();
  ASSERT_TRUE(p.meet());
  const auto seen = p.seen();
  ASSERT_TRUE(p.loop.until("the third", [&] { return p.a.up("c"); }, seen));
  p.a.peer(0).hold_time = 33s;
  p.a.peer(1).max_received = 100;
  p.a.apply();
  ASSERT_TRUE(p.loop.until("another hold time", [&] { return p.b.up("a") && p.b.status("a").hold_time == 33s; }, seen));
  EXPECT_EQ(p.a.status("b").flaps, 1u);
  EXPECT_EQ(p.a.status("c").flaps, 0u);
  EXPECT_THAT(p.b.status("a").down.words, HasSubstr("Configuration Change"));
}

TEST_F(SessionTest, a_peer_moves_to_another_route_set_without_a_reset) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 100);
  p.a.set("other") = routes("10.1.0.50", 100);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 100; }, p.seen()));
  p.a.peer().routes = {{kIpv4Unicast, "other"}};
  p.a.apply();
  ASSERT_TRUE(p.loop.until(
      "the other set",
      [&] {
        return p.b.received("a") == 100 &&
               p.b.speaker->routes_received({.prefix = Prefix::parse("10.1.0.149/32").value()}).size() == 1;
      },
      p.seen()));
  EXPECT_EQ(p.b.speaker->routes_received({.prefix = Prefix::parse("10.1.0.0/32").value()}).size(), 0u);
  EXPECT_EQ(p.a.status().flaps, 0u);
}

TEST_F(SessionTest, passwords_decide_who_meets) {
  struct Case {
    std::optional<std::string> a, b;
    bool meet;
  };
  for (const Case& c : {Case{"secret", "secret", true}, Case{"secret", "other", false}, Case{"secret", {}, false},
                        Case{{}, "secret", false}}) {
    Pair p;
    p.a.peer().password = c.a;
    p.b.peer().password = c.b;
    p.start();
    if (c.meet) {
      EXPECT_TRUE(p.meet());
    } else {
      p.loop.turn(2500ms);
      EXPECT_FALSE(p.a.up() || p.b.up("a")) << p.seen()();
      // Mended, they meet: the listeners have the new password before the next attempt.
      p.b.peer().password = c.a;
      p.b.apply();
      EXPECT_TRUE(p.meet());
    }
  }
}

TEST_F(SessionTest, ttl_security_refuses_a_peer_that_does_not_send_255) {
  Pair p;
  p.a.peer().ttl_security = 1;
  p.b.peer().ttl_security = 1;
  p.start();
  ASSERT_TRUE(p.meet());
  Pair q;
  q.a.peer().ttl_security = 1;
  q.start();
  q.loop.turn(2500ms);
  EXPECT_FALSE(q.a.up() || q.b.up("a")) << q.seen()();
}

TEST_F(SessionTest, a_peer_that_is_held_down_neither_calls_nor_answers) {
  Pair p;
  p.a.peer().held_down = "Secret kube-system/bgp is missing";
  p.start();
  p.loop.turn(1500ms);
  EXPECT_FALSE(p.b.up("a"));
  EXPECT_EQ(p.a.status().down.kind, DownReason::Kind::held_down);
  EXPECT_THAT(p.a.status().down.words, HasSubstr("Secret kube-system/bgp is missing"));
  p.a.peer().held_down.clear();
  p.a.apply();
  EXPECT_TRUE(p.meet());
}

TEST_F(SessionTest, the_text_of_a_clean_stop_arrives) {
  Pair p;
  p.start();
  ASSERT_TRUE(p.meet());
  p.loop.run(p.a.speaker->stop("rack 7 is moved", false));
  ASSERT_TRUE(p.loop.until("the end", [&] { return !p.b.up("a"); }, p.seen()));
  EXPECT_THAT(p.b.status("a").down.words, HasSubstr("rack 7 is moved"));
}

TEST_F(SessionTest, an_operator_resets_and_shuts_a_peer) {
  Pair p;
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.a.speaker->reset("main", "b", "try again"));
  ASSERT_TRUE(p.loop.until("a flap", [&] { return p.b.status("a").flaps == 1; }, p.seen()));
  EXPECT_THAT(p.b.status("a").down.words, HasSubstr("try again"));
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.a.speaker->shut("main", "b", "for the night"));
  ASSERT_TRUE(p.loop.until(
      "the text", [&] { return p.b.status("a").down.words.find("for the night") != std::string::npos; }, p.seen()));
  p.loop.turn(1500ms);
  EXPECT_FALSE(p.b.up("a"));
  EXPECT_FALSE(p.a.speaker->reset("main", "nobody", ""));
  ASSERT_TRUE(p.a.speaker->reset("main", "b", ""));
  EXPECT_TRUE(p.meet());
}

TEST_F(SessionTest, a_peer_that_an_operator_shut_stays_shut_when_it_is_met_elsewhere) {
  Pair p;
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.a.speaker->shut("main", "b", "for the night"));
  p.a.peer().source_interface = "lo";  // which the local address goes before
  p.a.apply();
  p.loop.turn(1500ms);
  EXPECT_FALSE(p.a.up() || p.b.up("a")) << p.seen()();
  EXPECT_THAT(p.a.status().down.words, HasSubstr("for the night"));
  ASSERT_TRUE(p.a.speaker->reset("main", "b", ""));
  EXPECT_TRUE(p.meet());
}

TEST_F(SessionTest, route_refresh_brings_everything_again) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 500);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 500; }, p.seen()));
  const auto before = p.b.status("a").updates_in;
  ASSERT_TRUE(p.b.speaker->refresh("main", "a"));
  ASSERT_TRUE(p.loop.until("them again", [&] { return p.b.status("a").updates_in > before; }, p.seen()));
  p.loop.turn(200ms);
  EXPECT_EQ(p.b.received("a"), 500u);
  EXPECT_EQ(p.b.status("a").flaps, 0u);
}

TEST_F(SessionTest, too_many_prefixes_end_the_session_with_the_limit_in_words) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 20);
  p.b.peer().max_received = 10;
  p.start();
  ASSERT_TRUE(p.loop.until("the end", [&] { return p.b.status("a").flaps == 1; }, p.seen()));
  EXPECT_THAT(p.b.status("a").down.words, HasSubstr("more than 10"));
  EXPECT_EQ(p.b.received("a"), 0u);
  ASSERT_TRUE(p.loop.until("the other side to know", [&] { return p.a.status().flaps == 1; }, p.seen()));
  EXPECT_THAT(p.a.status().down.words, HasSubstr("Maximum Number of Prefixes"));
}

TEST_F(SessionTest, why_says_for_every_peer_what_became_of_a_prefix) {
  Pair p;
  p.a.set().set({*Prefix::parse("10.1.0.0/16"), {}});
  p.start();
  const auto prefix = *Prefix::parse("10.1.0.0/16");
  EXPECT_FALSE(p.a.speaker->why(prefix).at(0).advertised);
  EXPECT_THAT(p.a.speaker->why(prefix).at(0).why, HasSubstr("session"));
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the route", [&] { return p.b.received("a") == 1; }, p.seen()));
  EXPECT_TRUE(p.a.speaker->why(prefix).at(0).advertised);
  EXPECT_THAT(p.a.speaker->why(*Prefix::parse("10.2.0.0/16")).at(0).why, HasSubstr("not among the routes"));
}

TEST_F(SessionTest, routes_are_shown_whole_by_family_and_by_prefix) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 5);
  p.a.set().set({*Prefix::parse("2001:db8::/32"), {}});
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until(
      "the routes", [&] { return p.b.received("a") == 5 && p.b.received("a", kIpv6Unicast) == 1; }, p.seen()));
  const auto counts = [&](const RouteQuery& q) {
    return std::vector{p.a.speaker->routes_available(q).size(), p.a.speaker->routes_advertised(q).size(),
                       p.b.speaker->routes_received(q).size()};
  };
  using Counts = std::vector<std::size_t>;
  EXPECT_EQ(counts({}), (Counts{6, 6, 6}));
  EXPECT_EQ(counts({.family = Family::v6}), (Counts{1, 1, 1}));
  EXPECT_EQ(counts({.prefix = *Prefix::parse("10.1.0.3/32")}), (Counts{1, 1, 1}));
  EXPECT_EQ(counts({.prefix = *Prefix::parse("10.1.0.0/16")}), (Counts{0, 0, 0}));
  EXPECT_EQ(counts({.limit = 2}), (Counts{2, 2, 2}));
  EXPECT_EQ(counts({.limit = 0}), (Counts{0, 0, 0}));
  const auto more = [&](const RouteQuery& q) {
    return Counts{p.a.speaker->routes_available(q).more, p.a.speaker->routes_advertised(q).more,
                  p.b.speaker->routes_received(q).more};
  };
  EXPECT_EQ(more({}), (Counts{0, 0, 0}));
  EXPECT_EQ(more({.limit = 2}), (Counts{4, 4, 4}));
  EXPECT_EQ(more({.family = Family::v4, .limit = 2}), (Counts{3, 3, 3}));
  EXPECT_EQ(more({.prefix = *Prefix::parse("10.1.0.3/32"), .limit = 0}), (Counts{1, 1, 1}));
}

TEST_F(SessionTest, received_routes_show_the_best_and_why_another_is_preferred) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 2);
  p.b.set().set({*Prefix::parse("10.1.0.1/32"), {}});  // B has one of them itself
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 2; }, p.seen()));
  const auto one = [&](const char* prefix) {
    return p.b.speaker->routes_received({.prefix = *Prefix::parse(prefix)}).at(0);
  };
  EXPECT_TRUE(one("10.1.0.0/32").best);
  EXPECT_FALSE(one("10.1.0.1/32").best);
  EXPECT_NE(one("10.1.0.1/32").note.find("our own route is preferred"), std::string::npos) << one("10.1.0.1/32").note;
}

// Connections of this namespace that wait for an answer to their SYN.
std::size_t unanswered() {
  std::ifstream table("/proc/self/net/tcp");
  std::size_t n = 0;
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string slot, local, remote, state;
    words >> slot >> local >> remote >> state;
    if (state == "02") ++n;
  }
  return n;
}

TEST_F(SessionTest, an_attempt_that_is_given_up_calls_the_peer_no_more) {
  // A listener that wants a signature drops what has none: nobody answers.
  const auto silent = open_listener(*Address::parse("10.99.0.9"), 179);
  ASSERT_TRUE(silent) << silent.error().message;
  ASSERT_TRUE(set_listener_password(silent->get(), *Address::parse("10.99.0.1"), "secret"));
  Pair p;
  p.a.config().peers = {peer("silent", "10.99.0.9", "10.99.0.1", kAsB)};
  p.a.apply();
  const auto seen = [&] { return fmt::format("{} connections without an answer", unanswered()); };
  ASSERT_TRUE(p.loop.until("the attempt", [&] { return unanswered() == 1; }, seen));
  p.a.config().peers.clear();
  p.a.apply();
  EXPECT_TRUE(p.loop.until("its end", [&] { return unanswered() == 0; }, seen));
}

TEST_F(SessionTest, a_removed_peer_is_told_and_its_routes_go) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 5);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 5; }, p.seen()));
  p.a.config().peers.clear();
  p.a.apply();
  ASSERT_TRUE(p.loop.until("the end", [&] { return !p.b.up("a") && p.b.received("a") == 0; }, p.seen()));
  EXPECT_THAT(p.b.status("a").down.words, HasSubstr("De-configured"));
  // RFC 9003 gives a text to Administrative Shutdown and Reset alone.
  EXPECT_THAT(p.b.status("a").down.words, Not(HasSubstr("data")));
}

TEST_F(SessionTest, a_port_that_is_taken_is_named_and_taken_over_when_it_is_free) {
  Pair p;
  {
    const auto other = open_listener(*Address::parse("10.99.0.1"), 179);
    ASSERT_TRUE(other);
    p.a.apply();
    EXPECT_THAT(p.a.speaker->listeners().at(0).problem, HasSubstr("listening on 10.99.0.1:179"));
  }
  ASSERT_TRUE(p.loop.until("listening", [&] { return p.a.speaker->listeners().at(0).problem.empty(); }, p.seen()));
}

TEST_F(SessionTest, graceful_shutdown_marks_every_route_on_the_running_session) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 10);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 10; }, p.seen()));
  p.a.peer().graceful_shutdown = true;
  p.a.apply();
  ASSERT_TRUE(p.loop.until(
      "the community on all of them",
      [&] {
        const auto all = p.b.speaker->routes_received();
        return std::all_of(all.begin(), all.end(),
                           [](const RouteView& r) { return r.attributes.has_community(kGracefulShutdown); });
      },
      p.seen()));
  EXPECT_EQ(p.a.status().flaps, 0u);
}

TEST_F(SessionTest, another_asn_of_the_instance_is_told_and_everything_begins_anew) {
  Pair p;
  p.a.set() = routes("10.1.0.0", 10);
  p.start();
  ASSERT_TRUE(p.meet());
  p.a.config().local_as = 65009;
  p.b.peer().remote_as = {PeerAs::Kind::exact, 65009};
  p.a.apply();
  p.b.apply();
  ASSERT_TRUE(p.loop.until(
      "a session with the other number",
      [&] { return p.b.up("a") && p.b.status("a").peer_as == 65009 && p.b.received("a") == 10; }, p.seen()));
}

}  // namespace
}  // namespace weft::bgp::test
