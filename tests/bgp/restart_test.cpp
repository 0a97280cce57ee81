// Graceful restart (RFC 4724, 8538) between two speakers of ours, and BFD together with it.
#include "bgp/bench.h"

namespace weft::bgp::test {
namespace {

class RestartTest : public NetTest {
 protected:
  static void offer(Pair& p) {
    p.a.peer().graceful_restart = GracefulRestartConfig{.restart_time = 20s};
    p.b.peer().graceful_restart = GracefulRestartConfig{.restart_time = 20s};
  }
  static std::size_t stale(const Node& n) { return n.status("a").families[kIpv4Unicast].stale; }
};

TEST_F(RestartTest, routes_stay_while_the_speaker_is_gone_and_what_it_has_no_more_goes_at_end_of_rib) {
  Pair p;
  offer(p);
  p.a.set() = routes("10.1.0.0", 100);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 100; }, p.seen()));
  p.loop.run(p.a.speaker->stop("", true));
  ASSERT_TRUE(p.loop.until("stale routes", [&] { return !p.b.up("a") && stale(p.b) == 100; }, p.seen()));
  // The next run knows half of its routes at first: nothing may be lost before it says that it is complete.
  p.a.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{}, SpeakerOptions{.restarting = true});
  p.a.set() = routes("10.1.0.0", 50);
  p.a.wanted.complete = false;
  p.a.apply();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("50 fresh routes", [&] { return stale(p.b) == 50; }, p.seen()));
  p.loop.turn(300ms);
  EXPECT_EQ(p.b.received("a"), 100u) << p.seen()();
  EXPECT_FALSE(p.b.status("a").families[kIpv4Unicast].end_of_rib_received);
  p.a.set() = routes("10.1.0.0", 80);
  p.a.wanted.complete = true;
  p.a.apply();
  ASSERT_TRUE(p.loop.until("80 routes", [&] { return p.b.received("a") == 80 && stale(p.b) == 0; }, p.seen()));
}

TEST_F(RestartTest, a_speaker_that_does_not_come_back_loses_its_routes_after_the_restart_time) {
  Pair p;
  offer(p);
  p.a.peer().graceful_restart->restart_time = 2s;
  p.a.set() = routes("10.1.0.0", 10);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 10; }, p.seen()));
  p.a.speaker.reset();
  ASSERT_TRUE(p.loop.until("stale routes", [&] { return stale(p.b) == 10; }, p.seen()));
  ASSERT_TRUE(p.loop.until("no routes", [&] { return p.b.received("a") == 0; }, p.seen()));
}

TEST_F(RestartTest, a_clean_stop_without_grace_leaves_nothing_even_where_restart_was_agreed_on) {
  Pair p;
  offer(p);
  p.a.set() = routes("10.1.0.0", 10);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 10; }, p.seen()));
  p.loop.run(p.a.speaker->stop("gone for good", false));
  ASSERT_TRUE(p.loop.until("no routes", [&] { return !p.b.up("a") && p.b.received("a") == 0; }, p.seen()));
}

class FakeBfd : public BfdEdge {
 public:
  void want(const std::map<std::string, Session>& sessions) override { wanted = sessions; }
  void on_change(std::function<void(const std::string&, const Status&)> told) override { told_ = std::move(told); }
  void say(const std::string& name, Status::State state, bool independent = false) {
    told_(name, {state, independent, "control detection time expired"});
  }
  std::map<std::string, Session> wanted;

 private:
  std::function<void(const std::string&, const Status&)> told_;
};

TEST_F(RestartTest, bfd_takes_a_session_down_at_once_and_keeps_it_down_until_the_path_is_back) {
  FakeBfd bfd;
  Pair p;
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd},
                                          SpeakerOptions{.first_retry = std::chrono::milliseconds(200)});
  p.b.peer().bfd = PeerBfd{};
  p.a.set() = routes("10.1.0.0", 10);
  p.start();
  ASSERT_TRUE(p.meet());  // BFD that is not up yet holds nothing back
  ASSERT_EQ(bfd.wanted.size(), 1u);
  EXPECT_EQ(bfd.wanted.at("main/a").remote, *Address::parse("10.99.0.1"));
  EXPECT_FALSE(bfd.wanted.at("main/a").multihop);
  ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 10; }, p.seen()));
  bfd.say("main/a", BfdEdge::Status::State::up);
  EXPECT_EQ(p.b.status("a").bfd, "up");
  bfd.say("main/a", BfdEdge::Status::State::failed);
  EXPECT_FALSE(p.b.up("a"));
  EXPECT_EQ(p.b.received("a"), 0u);
  EXPECT_EQ(p.b.status("a").down.kind, DownReason::Kind::bfd_down);
  p.loop.turn(2000ms);
  EXPECT_FALSE(p.b.up("a")) << p.seen()();
  bfd.say("main/a", BfdEdge::Status::State::up);
  EXPECT_TRUE(p.meet());
}

TEST_F(RestartTest, graceful_restart_holds_routes_only_of_a_node_whose_forwarding_may_live) {
  for (const bool independent : {false, true}) {
    FakeBfd bfd;
    Pair p;
    offer(p);
    p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd}, SpeakerOptions{});
    p.b.peer().bfd = PeerBfd{};
    p.a.set() = routes("10.1.0.0", 10);
    p.start();
    ASSERT_TRUE(p.meet());
    ASSERT_TRUE(p.loop.until("the routes", [&] { return p.b.received("a") == 10; }, p.seen()));
    bfd.say("main/a", BfdEdge::Status::State::failed, independent);
    EXPECT_FALSE(p.b.up("a"));
    // The peer's BFD shares fate with its control plane: it may be a restart. It does not: the node is dead.
    EXPECT_EQ(p.b.received("a"), independent ? 0u : 10u) << p.seen()();
  }
}

}  // namespace
}  // namespace weft::bgp::test
