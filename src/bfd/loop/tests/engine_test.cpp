// All sessions of a system, with a transport made of paper.
#include "bfd/loop/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

class PaperTransport final : public Transport {
 public:
  Result<Path> open(std::uint32_t id, const SessionKey& key) override {
    ++opened;
    if (open_fails) return fail(Errc::unavailable, "no route");
    keys[id] = key;
    Path p;
    p.source = {key.local.value_or(*Address::parse("10.0.0.1")), 50000};
    if (key.interface == "eth1") p.interface_index = 1;
    if (key.interface == "eth2") p.interface_index = 2;
    return p;
  }
  void close(std::uint32_t id) override { keys.erase(id); }
  void release(std::uint32_t id) override {
    keys.erase(id);
    released.push_back(id);
  }
  Result<> send(std::uint32_t id, std::span<const std::uint8_t> datagram) override {
    if (send_fails) return fail(*send_fails, "it broke");
    sent.emplace_back(id, *decode(datagram));
    return {};
  }
  std::vector<ControlPacket> to(const char* peer) const {
    std::vector<ControlPacket> out;
    for (const auto& [id, p] : sent)
      if (const auto at = keys.find(id); at != keys.end() && at->second.peer == *Address::parse(peer)) out.push_back(p);
    return out;
  }

  bool open_fails = false;
  std::optional<Errc> send_fails;
  int opened = 0;
  std::map<std::uint32_t, SessionKey> keys;
  std::vector<std::uint32_t> released;
  std::vector<std::pair<std::uint32_t, ControlPacket>> sent;
};

SessionConfig to(const char* peer) {
  SessionConfig c;
  c.key.peer = *Address::parse(peer);
  c.min_tx = c.min_rx = 50ms;
  return c;
}

class EngineTest : public testing::Test {
 protected:
  void pass(Duration d) {
    const Time end = now + d;
    while (engine.next_deadline() <= end) {
      now = std::max(now, engine.next_deadline());
      engine.tick(now);
    }
    now = end;
  }
  /// A packet from `source`, as if it had come over the link `interface`.
  void hear(const char* source, ControlPacket p, int ttl = 255, unsigned interface = 1, Hops hops = Hops::single,
            const char* destination = "10.0.0.1") {
    const auto bytes = encode(p);
    engine.receive({bytes, *Address::parse(source), *Address::parse(destination), interface, ttl, hops}, now);
  }
  static ControlPacket down(std::uint32_t mine = 42, std::uint32_t yours = 0) {
    ControlPacket p;
    p.state = State::down;
    p.multiplier = 3;
    p.my_discriminator = mine;
    p.your_discriminator = yours;
    p.desired_min_tx = p.required_min_rx = 50ms;
    return p;
  }
  SessionStatus status(const char* peer) {
    for (auto& s : engine.snapshot())
      if (s.key.peer == *Address::parse(peer)) return s;
    ADD_FAILURE() << "no session to " << peer;
    return {};
  }

  PaperTransport transport;
  Engine engine{transport, true, 1};
  Time now{Time(1h)};
};

TEST_F(EngineTest, sessions_start_one_after_the_other) {
  std::vector<SessionConfig> many;
  for (unsigned i = 1; i <= 100; ++i) many.push_back(to(("10.0.1." + std::to_string(i)).c_str()));
  engine.set_sessions(many, now);
  EXPECT_EQ(transport.opened, 0) << "nothing is opened in the call";
  engine.tick(now);
  EXPECT_EQ(transport.opened, 1);
  pass(100ms);
  EXPECT_EQ(transport.sent.size(), 100u);
}

TEST_F(EngineTest, the_first_packet_is_found_by_address_the_next_by_discriminator) {
  engine.set_sessions({to("10.0.0.2"), to("10.0.0.3")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  EXPECT_EQ(status("10.0.0.2").state, State::init);
  EXPECT_EQ(status("10.0.0.3").state, State::down);
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  hear("10.0.0.77", up);  // §6.3: the source may change, the discriminator decides
  EXPECT_EQ(status("10.0.0.2").state, State::up);
}

TEST_F(EngineTest, strangers_are_counted) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.9", down());
  hear("10.0.0.2", down(42, 4711));
  hear("10.0.0.9", down(), 254);
  EXPECT_EQ(engine.strays()[Discard::no_session], 1u);
  EXPECT_EQ(engine.strays()[Discard::your_discriminator], 1u);
  EXPECT_EQ(engine.strays()[Discard::ttl], 1u);
  EXPECT_EQ(status("10.0.0.2").state, State::down);
}

TEST_F(EngineTest, a_single_hop_packet_with_a_lower_ttl_came_from_elsewhere) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  for (const int ttl : {254, 64, 0, -1}) hear("10.0.0.2", down(), ttl);
  const auto s = status("10.0.0.2");
  EXPECT_EQ(s.state, State::down);
  EXPECT_EQ(s.counters.discarded[Discard::ttl], 4u);
  EXPECT_THAT(s.why, testing::HasSubstr("came from further away"));
}

TEST_F(EngineTest, multihop_sessions_are_told_apart_by_both_addresses_and_have_their_own_ttl) {
  auto a = to("10.9.0.2"), b = to("10.9.0.2");
  a.key.hops = b.key.hops = Hops::multi;
  a.key.local = *Address::parse("10.8.0.1");
  b.key.local = *Address::parse("10.8.0.2");
  b.min_ttl = 250;
  engine.set_sessions({a, b}, now);
  pass(10ms);
  hear("10.9.0.2", down(), 40, 5, Hops::multi, "10.8.0.1");
  hear("10.9.0.2", down(43), 249, 5, Hops::multi, "10.8.0.2");
  const auto all = engine.snapshot();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, State::init);
  EXPECT_EQ(all[1].state, State::down);
  EXPECT_EQ(all[1].counters.discarded[Discard::ttl], 1u);
  hear("10.9.0.2", down(43), 250, 5, Hops::multi, "10.8.0.2");
  EXPECT_EQ(engine.snapshot()[1].state, State::init);
  hear("10.9.0.2", down(), 255, 5, Hops::single, "10.8.0.1");
  EXPECT_EQ(engine.strays()[Discard::no_session], 1u) << "the single hop port is another world";
}

TEST_F(EngineTest, the_same_link_local_address_on_two_links_is_two_peers) {
  auto a = to("fe80::1"), b = to("fe80::1");
  a.key.interface = "eth1";
  b.key.interface = "eth2";
  engine.set_sessions({a, b}, now);
  pass(10ms);
  hear("fe80::1", down(), 255, 2, Hops::single, "fe80::99");
  const auto all = engine.snapshot();
  EXPECT_EQ(all[0].state, State::down);
  EXPECT_EQ(all[1].state, State::init);
  hear("fe80::1", down(), 255, 3, Hops::single, "fe80::99");
  EXPECT_EQ(engine.strays()[Discard::no_session], 1u);
}

TEST_F(EngineTest, the_same_wanted_set_again_changes_nothing) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  const auto before = status("10.0.0.2");
  engine.take_reports();
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  EXPECT_EQ(status("10.0.0.2").local_discriminator, before.local_discriminator);
  EXPECT_EQ(status("10.0.0.2").state, State::init);
  EXPECT_THAT(engine.take_reports(), testing::IsEmpty());
}

TEST_F(EngineTest, what_is_not_wanted_any_more_says_admin_down_and_goes) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  hear("10.0.0.2", up);
  transport.sent.clear();
  engine.set_sessions({}, now);
  ASSERT_EQ(transport.sent.size(), 1u);
  EXPECT_EQ(transport.sent[0].second.state, State::admin_down);
  EXPECT_EQ(transport.sent[0].second.diag, Diag::admin_down);
  EXPECT_FALSE(engine.empty()) << "the peer may have missed it";
  EXPECT_THAT(engine.snapshot(), testing::IsEmpty());
  const auto id = transport.sent[0].first;
  hear("10.0.0.2", down(42, id));
  EXPECT_TRUE(engine.empty());
  EXPECT_THAT(transport.released, testing::ElementsAre(id));
  EXPECT_EQ(engine.next_deadline(), Time::max());
}

TEST_F(EngineTest, a_farewell_nobody_answers_ends_by_itself) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  hear("10.0.0.2", up);
  engine.set_sessions({}, now);
  pass(2s);
  EXPECT_FALSE(engine.empty());
  pass(2s);
  EXPECT_TRUE(engine.empty());
}

TEST_F(EngineTest, a_farewell_to_a_peer_that_listens_once_an_hour_ends_as_well) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  up.required_min_rx = 1h;
  hear("10.0.0.2", up);
  engine.set_sessions({}, now);
  pass(12s);
  EXPECT_TRUE(engine.empty());
}

TEST_F(EngineTest, a_first_packet_goes_to_the_session_that_names_most_and_stays) {
  auto exact = to("10.0.0.2");
  exact.key.local = *Address::parse("10.0.0.1");
  engine.set_sessions({to("10.0.0.2"), exact}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  const auto state_of = [&](const SessionKey& key) {
    for (const auto& s : engine.snapshot())
      if (s.key == key) return s.state;
    return State::admin_down;
  };
  EXPECT_EQ(state_of(exact.key), State::init);
  EXPECT_EQ(state_of(to("10.0.0.2").key), State::down);
  engine.set_sessions({to("10.0.0.2")}, now);
  hear("10.0.0.2", down());
  EXPECT_EQ(state_of(to("10.0.0.2").key), State::init) << "the other one is leaving";
}

TEST_F(EngineTest, a_session_wanted_again_during_its_farewell_comes_back) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  engine.set_sessions({}, now);
  engine.set_sessions({to("10.0.0.2")}, now);
  hear("10.0.0.2", down());
  EXPECT_EQ(status("10.0.0.2").state, State::init);
  pass(10s);
  EXPECT_FALSE(engine.empty());
}

TEST_F(EngineTest, every_change_of_state_is_told_in_order) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  hear("10.0.0.2", up);
  hear("10.0.0.2", down(42, up.your_discriminator));
  std::vector<State> told;
  for (const auto& s : engine.take_reports()) told.push_back(s.state);
  EXPECT_THAT(told, testing::ElementsAre(State::down, State::init, State::up, State::down));
}

TEST_F(EngineTest, other_changes_are_told_at_most_ten_times_a_second) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  hear("10.0.0.2", down());
  auto up = down(42, status("10.0.0.2").local_discriminator);
  up.state = State::up;
  hear("10.0.0.2", up);
  engine.take_reports();
  for (int i = 0; i < 1000; ++i) {
    up.multiplier = static_cast<std::uint8_t>(3 + i % 2);
    hear("10.0.0.2", up);
    pass(1ms);
  }
  const auto reports = engine.take_reports();
  EXPECT_GE(reports.size(), 8u);
  EXPECT_LE(reports.size(), 11u);
}

TEST_F(EngineTest, a_session_without_a_way_out_says_so_and_tries_again) {
  transport.open_fails = true;
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(200ms);
  const auto reports = engine.take_reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(reports[0].why, testing::HasSubstr("our packets do not leave: no route"));
  pass(5s);
  EXPECT_GE(transport.opened, 4);
  EXPECT_LE(transport.opened, 9);
  transport.open_fails = false;
  pass(2s);
  EXPECT_GT(transport.sent.size(), 0u);
  EXPECT_THAT(engine.take_reports().back().why, testing::Not(testing::HasSubstr("do not leave")));
}

TEST_F(EngineTest, a_broken_socket_is_opened_again_with_the_next_packet_and_a_full_queue_is_waited_for) {
  engine.set_sessions({to("10.0.0.2")}, now);
  pass(10ms);
  EXPECT_EQ(transport.opened, 1);
  transport.send_fails = Errc::unavailable;
  pass(2s);
  EXPECT_EQ(transport.opened, 1);
  transport.send_fails = Errc::not_found;
  pass(3s);
  EXPECT_GE(transport.opened, 2);
  const auto s = status("10.0.0.2");
  EXPECT_GE(s.counters.send_errors, 2u);
  EXPECT_THAT(s.why, testing::HasSubstr("it broke"));
}

TEST_F(EngineTest, more_sessions_than_the_limit_are_not_taken) {
  std::vector<SessionConfig> many;
  for (unsigned i = 0; i < Engine::kMaxSessions + 5; ++i) {
    auto c = to("10.0.0.2");
    c.key.peer = Address::v4(0x0a000000u + i + 1);
    many.push_back(c);
  }
  engine.set_sessions(many, now);
  EXPECT_EQ(engine.snapshot().size(), Engine::kMaxSessions);
}

}  // namespace
}  // namespace weft::bfd
