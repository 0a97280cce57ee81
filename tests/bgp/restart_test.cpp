// Graceful restart (RFC 4724, 8538) between two speakers of ours, and BFD together with it.
#include <poll.h>

#include <gmock/gmock.h>

#include "bgp/bench.h"

namespace weft::bgp::test {
namespace {

using ::testing::HasSubstr;

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

TEST_F(RestartTest, bfd_sessions_of_an_earlier_run_wait_for_passwords_that_are_being_read) {
  FakeBfd bfd;
  Pair p;
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd}, SpeakerOptions{.restarting = true});
  p.b.peer().bfd = PeerBfd{};
  p.b.peer().held_down = "Secret kube-system/tor is not read yet";
  p.b.peer().held_for_now = true;
  p.b.wanted.complete = true;
  p.start();
  p.loop.turn(200ms);
  EXPECT_EQ(bfd.calls, 0) << "an empty set would end the session that the peer watches us with";
  EXPECT_FALSE(p.b.up("a"));
  p.b.peer().held_down.clear();
  p.b.peer().held_for_now = false;
  p.b.apply();
  ASSERT_TRUE(p.loop.until("the BFD session", [&] { return bfd.wanted.contains("main/a"); }, p.seen()));
  EXPECT_EQ(bfd.calls, 1);
  EXPECT_TRUE(p.meet());
}

TEST_F(RestartTest, a_peer_whose_bfd_is_back_first_waits_for_ours_and_the_session_is_up_without_a_detour) {
  FakeBfd bfd_a, bfd_b;
  Pair p;
  p.a.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd_a}, SpeakerOptions{});
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd_b}, SpeakerOptions{});
  p.a.peer().bfd = p.b.peer().bfd = PeerBfd{};
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(
      p.loop.until("both BFD sessions", [&] { return !bfd_a.wanted.empty() && !bfd_b.wanted.empty(); }, p.seen()));
  for (int i = 0; i < 3; ++i) {  // however often: a path is not damped
    bfd_a.say("main/b", BfdEdge::Status::State::failed, true);
    bfd_b.say("main/a", BfdEdge::Status::State::failed, true);
    EXPECT_FALSE(p.a.up() || p.b.up("a"));
    bfd_a.say("main/b", BfdEdge::Status::State::up);
    // A is connected, and B has not answered.
    ASSERT_TRUE(p.loop.until("A to wait", [&] { return p.a.status().state == SessionState::open_sent; }, p.seen()));
    p.loop.turn(200ms);
    EXPECT_EQ(p.a.status().state, SessionState::open_sent) << p.seen()();
    EXPECT_EQ(p.b.status("a").state, SessionState::idle) << p.seen()();
    bfd_b.say("main/a", BfdEdge::Status::State::up);
    ASSERT_TRUE(p.meet());
    EXPECT_EQ(p.a.status().down.kind, DownReason::Kind::bfd_down) << "no attempt failed: " << p.seen()();
  }
}

// B, whose BFD says that the path to 10.99.0.3 is dead, and a connection from there that waits for it to be back.
class ParkedTest : public NetTest {
 protected:
  void SetUp() override {
    NetTest::SetUp();
    if (IsSkipped()) return;
    loop_ = std::make_unique<Loop>();
    b_ = std::make_unique<Node>(*loop_, Speaker::Edges{.bfd = &bfd_});
    b_->config() = instance(kAsB, "10.99.0.2");
    b_->config().peers = {peer("raw", "10.99.0.3", "10.99.0.2", 65003)};
    b_->peer().passive = true;
    b_->peer().bfd = PeerBfd{};
    b_->apply();
    ASSERT_TRUE(loop_->until("the BFD session", [&] { return bfd_.wanted.contains("main/raw"); }, seen()));
    bfd_.say("main/raw", BfdEdge::Status::State::up);
    bfd_.say("main/raw", BfdEdge::Status::State::failed);
    parked_ = std::make_unique<RawPeer>("10.99.0.3", "10.99.0.2");
    loop_->turn(200ms);
    ASSERT_EQ(pending(), 0) << "it is neither answered nor closed";
  }
  void TearDown() override { b_.reset(); }
  std::function<std::string()> seen() {
    return [this] { return b_->seen(); };
  }
  // Whether the parked connection has something to read, be it its end.
  int pending() const {
    pollfd p{parked_->fd(), POLLIN, 0};
    return ::poll(&p, 1, 0);
  }

  FakeBfd bfd_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Node> b_;
  std::unique_ptr<RawPeer> parked_;
};

TEST_F(ParkedTest, a_connection_is_taken_when_the_path_is_back) {
  bfd_.say("main/raw", BfdEdge::Status::State::up);
  EXPECT_TRUE(parked_->open(*loop_, 65003)) << seen()();
  EXPECT_TRUE(loop_->until("the session", [&] { return b_->up("raw"); }, seen()));
}

TEST_F(ParkedTest, a_connection_that_the_peer_gave_up_is_no_session_that_failed) {
  parked_.reset();
  loop_->turn(50ms);
  bfd_.say("main/raw", BfdEdge::Status::State::up);
  loop_->turn(100ms);
  EXPECT_EQ(b_->status("raw").down.kind, DownReason::Kind::bfd_down) << seen()();
  EXPECT_EQ(b_->status("raw").state, SessionState::active) << "the next one is welcome: " << seen()();
  RawPeer next("10.99.0.3", "10.99.0.2");
  EXPECT_TRUE(next.open(*loop_, 65003)) << seen()();
}

TEST_F(ParkedTest, a_graceful_stop_says_nothing_on_it) {
  loop_->run(b_->speaker->stop("", true));
  ASSERT_TRUE(loop_->until("its end", [&] { return pending() != 0; }, seen()));
  EXPECT_FALSE(parked_->receive()) << "a word, where it is to look like a crash";
}

TEST_F(ParkedTest, a_connection_from_before_the_peer_had_a_password_is_not_taken_after) {
  b_->peer().password = "s3cret";
  b_->apply();
  bfd_.say("main/raw", BfdEdge::Status::State::up);
  ASSERT_TRUE(loop_->until("its end, or a word on it", [&] { return pending() != 0; }, seen()));
  EXPECT_FALSE(parked_->receive()) << "an OPEN without a signature";
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

class FakeKernel : public KernelEdge {
 public:
  std::vector<Error> apply(const std::vector<KernelRoute>& routes, bool prune) override {
    last = routes;
    pruned = prune;
    ++calls;
    return {};
  }
  std::vector<Error> change(const std::map<Prefix, std::vector<KernelRoute>>& routes) override {
    std::erase_if(last, [&](const KernelRoute& r) { return routes.contains(r.prefix); });
    for (const auto& [prefix, some] : routes) last.insert(last.end(), some.begin(), some.end());
    ++calls;
    return {};
  }
  std::vector<KernelRoute> last;
  bool pruned = false;
  int calls = 0;
};

TEST_F(RestartTest, routes_of_an_earlier_run_are_pruned_when_every_peer_has_said_all_it_has) {
  FakeKernel kernel;
  Pair p;
  offer(p);
  p.b.speaker =
      std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &kernel}, SpeakerOptions{.restarting = true});
  ImportPolicy all;
  all.rules = {{*Prefix::parse("10.0.0.0/8"), 8, 32, true}};
  p.b.peer().import = all;
  p.b.wanted.instances["main"].blackholes = {*Prefix::parse("10.64.0.0/16")};
  p.a.set() = routes("10.1.0.0", 10);
  p.a.wanted.complete = false;  // A has not said everything, so B does not know what is gone
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("10 routes and the blackhole", [&] { return kernel.last.size() == 11; }, p.seen()));
  EXPECT_FALSE(kernel.pruned);
  p.a.wanted.complete = true;
  p.a.apply();
  ASSERT_TRUE(p.loop.until("pruning", [&] { return kernel.pruned; }, p.seen()));
  EXPECT_EQ(kernel.last.size(), 11u);
}

TEST_F(RestartTest, a_peer_that_is_met_elsewhere_is_gone_for_its_old_end_and_nothing_is_kept_on_either) {
  for (const bool local : {false, true}) {
    FakeKernel kernel;
    Pair p;
    offer(p);
    p.a.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &kernel}, SpeakerOptions{});
    ImportPolicy all;
    all.rules = {{*Prefix::parse("10.0.0.0/8"), 8, 32, true}};
    p.a.peer().import = all;
    if (!local) p.b.peer().passive = true;  // no attempt of its own has the last word
    p.a.set() = routes("10.1.0.0", 10);
    p.b.set() = routes("10.2.0.0", 5);
    p.start();
    ASSERT_TRUE(p.meet());
    ASSERT_TRUE(
        p.loop.until("routes both ways", [&] { return p.b.received("a") == 10 && kernel.last.size() == 5; }, p.seen()));
    // Nobody is there, or B knows nobody there.
    (local ? p.a.peer().local_address : p.a.peer().address) = *Address::parse(local ? "10.99.0.4" : "10.99.0.9");
    p.a.apply();
    EXPECT_THAT(p.a.status("b").down.words, HasSubstr("met elsewhere"));
    EXPECT_EQ(p.a.status("b").flaps, 1u);
    EXPECT_EQ(p.a.received("b"), 0u) << p.seen()();
    ASSERT_TRUE(p.loop.until("the end", [&] { return p.b.status("a").flaps == 1; }, p.seen()));
    EXPECT_EQ(p.b.received("a"), 0u) << "nobody comes back for them: " << p.seen()();
    if (local) {
      p.loop.turn(1500ms);  // it calls where A was met before
      EXPECT_FALSE(p.a.up("b") || p.b.up("a")) << p.seen()();
    } else {
      EXPECT_THAT(p.b.status("a").down.words, HasSubstr("Hard Reset with"));
      EXPECT_THAT(p.b.status("a").down.words, HasSubstr("De-configured"));
    }
    EXPECT_TRUE(p.loop.until("nothing in the kernel", [&] { return kernel.last.empty(); }, p.seen()));
  }
}

TEST_F(RestartTest, a_peer_that_takes_the_place_of_another_on_the_same_path_knows_what_bfd_said_of_it) {
  for (const bool whole : {false, true}) {
    FakeBfd bfd;
    Pair p;
    p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.bfd = &bfd}, SpeakerOptions{});
    p.b.peer().bfd = PeerBfd{};
    p.start();
    ASSERT_TRUE(p.meet());
    ASSERT_TRUE(p.loop.until("BFD", [&] { return bfd.wanted.contains("main/a"); }, p.seen()));
    const auto another = [&] {
      if (whole)
        p.b.config().router_id.value += 1;  // all peers of the instance are new
      else
        p.b.peer().source_interface += "lo";  // which the local address goes before
      p.b.apply();
    };
    bfd.say("main/a", BfdEdge::Status::State::up);
    another();
    ASSERT_TRUE(p.loop.until("its word", [&] { return p.b.status("a").bfd == "up"; }, p.seen()));
    ASSERT_TRUE(p.meet());
    bfd.say("main/a", BfdEdge::Status::State::failed, true);
    another();
    p.loop.turn(1500ms);
    EXPECT_FALSE(p.b.up("a")) << "the path is dead for whoever is met on it: " << p.seen()();
    EXPECT_EQ(p.b.status("a").bfd, "down: control detection time expired");
    EXPECT_EQ(bfd.calls, 1) << "the session of BFD goes on";
    // Another path is another matter.
    p.b.peer().local_address = *Address::parse("10.99.0.5");
    p.b.apply();
    ASSERT_TRUE(p.loop.until("the other session", [&] { return bfd.calls == 2; }, p.seen()));
    EXPECT_EQ(p.b.status("a").bfd, "waiting");
  }
}

TEST_F(RestartTest, a_route_that_the_kernel_refuses_is_not_counted_as_imported_and_says_why) {
  struct Refusing : FakeKernel {
    std::map<Prefix, std::string> missing() const override {
      if (last.empty()) return {};
      return {{last.front().prefix, "no such device"}};
    }
  } kernel;
  Pair p;
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &kernel}, SpeakerOptions{});
  ImportPolicy all;
  all.rules = {{*Prefix::parse("10.0.0.0/8"), 8, 32, true}};
  p.b.peer().import = all;
  p.a.set() = routes("10.1.0.0", 3);
  p.start();
  ASSERT_TRUE(p.meet());
  ASSERT_TRUE(p.loop.until("3 routes", [&] { return kernel.last.size() == 3; }, p.seen()));
  EXPECT_EQ(p.b.status("a").families[kIpv4Unicast].imported, 2u);
  const Prefix refused = kernel.last.front().prefix;
  EXPECT_EQ(p.b.speaker->missing_in_kernel().size(), 1u);
  EXPECT_EQ(p.b.speaker->routes_received({.prefix = refused}).at(0).note, "not in the kernel: no such device");
}

TEST_F(RestartTest, a_peer_that_never_comes_back_delays_pruning_for_a_bounded_time) {
  FakeKernel kernel;
  Pair p;
  p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &kernel},
                                          SpeakerOptions{.restarting = true, .selection_deferral = 1s});
  p.b.peer().import = ImportPolicy{};
  p.b.apply();
  ASSERT_TRUE(p.loop.until("a first call", [&] { return kernel.calls > 0; }, p.seen()));
  EXPECT_FALSE(kernel.pruned);
  ASSERT_TRUE(p.loop.until("pruning", [&] { return kernel.pruned; }, p.seen()));
}

TEST_F(RestartTest, a_stop_for_good_takes_imported_routes_out_and_a_restart_leaves_them) {
  for (const bool graceful : {false, true}) {
    FakeKernel kernel;
    Pair p;
    p.b.speaker = std::make_unique<Speaker>(p.loop.io, Speaker::Edges{.kernel = &kernel}, SpeakerOptions{});
    p.b.wanted.instances["main"].blackholes = {*Prefix::parse("10.64.0.0/16")};
    p.b.apply();
    ASSERT_TRUE(p.loop.until("the blackhole", [&] { return kernel.last.size() == 1; }, p.seen()));
    p.loop.run(p.b.speaker->stop("", graceful));
    EXPECT_EQ(kernel.last.size(), graceful ? 1u : 0u);
  }
}

}  // namespace
}  // namespace weft::bgp::test
