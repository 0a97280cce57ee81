// Peers that flood, stop reading, flap and talk nonsense: the others do not notice, and nothing grows.
#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <thread>

#include "bgp/bench.h"

namespace weft::bgp::test {
namespace {

class HostileTest : public NetTest {
 protected:
  // A with a proper peer B at 10.99.0.2 and a passive peer "raw" at 10.99.0.3 that the test plays.
  HostileTest() {
    if (!enter_namespace()) return;
    p_ = std::make_unique<Pair>();
    PeerConfig raw = peer("raw", "10.99.0.3", "10.99.0.1", 65003);
    raw.passive = true;
    p_->a.config().peers.push_back(raw);
  }
  Pair& p() { return *p_; }

  static std::size_t descriptors() {
    std::size_t n = 0;
    DIR* d = ::opendir("/proc/self/fd");
    while (::readdir(d) != nullptr) ++n;
    ::closedir(d);
    return n;
  }
  static std::size_t resident_kib() {
    std::ifstream statm("/proc/self/statm");
    std::size_t all = 0, resident = 0;
    statm >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
  }

 private:
  std::unique_ptr<Pair> p_;
};

TEST_F(HostileTest, a_peer_that_stops_reading_delays_nobody_and_costs_bounded_memory) {
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  const int small = 4096;
  ::setsockopt(raw.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  ASSERT_TRUE(raw.open(p().loop, 65003)) << p().seen()();
  p().a.set() = routes("10.0.0.0", 200'000);
  p().a.apply();
  ASSERT_TRUE(p().loop.until("200000 routes at B", [&] { return p().b.received("a") == 200'000; }, p().seen(), 120s));
  const std::size_t before = resident_kib();
  for (std::uint32_t round = 1; round <= 20; ++round) {
    p().a.set() = routes("10.0.0.0", 200'000, round);
    p().a.apply();
    const auto probe = RouteQuery{.prefix = Prefix::host(*Address::parse("10.0.0.0"))};
    ASSERT_TRUE(p().loop.until(
        "the newest attributes at B",
        [&] {
          const auto r = p().b.speaker->routes_received(probe);
          return r.size() == 1 && r[0].attributes.med == round && p().b.received("a") == 200'000;
        },
        p().seen(), 120s));
  }
  auto status = p().a.status("raw");
  EXPECT_EQ(status.state, SessionState::established) << p().seen()();
  EXPECT_GT(status.families[kIpv4Unicast].pending, 100'000u);
  // 20 rounds are some 20 MB of messages that the peer has not taken; what is kept is one table and a few chunks.
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
  EXPECT_LT(resident_kib(), before + 64 * 1024);
#endif
}

TEST_F(HostileTest, a_flooding_peer_does_not_starve_the_others) {
  p().a.peer(1).max_received = 0;
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003));
  std::vector<std::uint8_t> flood;
  for (int i = 0; i < 20'000; ++i) {
    const auto k = encode(Keepalive{}, raw.context);
    flood.insert(flood.end(), k.begin(), k.end());
  }
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  std::size_t offset = 0;
  const auto pour = [&] {
    for (ssize_t n = 1; n > 0;) {
      n = ::send(raw.fd(), flood.data() + offset, flood.size() - offset, flags);
      if (n > 0) offset = (offset + static_cast<std::size_t>(n)) % flood.size();
    }
  };
  for (std::uint32_t round = 1; round <= 20; ++round) {
    p().a.set() = routes("10.1.0.0", 10, round);
    p().a.apply();
    ASSERT_TRUE(p().loop.until(
        "the change at B",
        [&] {
          pour();
          const auto r = p().b.speaker->routes_received({.prefix = Prefix::host(*Address::parse("10.1.0.0"))});
          return r.size() == 1 && r[0].attributes.med == round;
        },
        p().seen()));
  }
  EXPECT_TRUE(p().a.up("raw"));
  EXPECT_GT(p().a.status("raw").messages_in, 20'000u);
}

// Pours messages into a connection from a thread of its own, which keeps the socket full, for so long at most: the same
// ones again and again.
class Flood {
 public:
  Flood(RawPeer& peer, const std::vector<Message>& messages, std::chrono::seconds limit) : end_(Steady::now() + limit) {
    const timeval patience{0, 100'000};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    std::vector<std::uint8_t> flood;
    for (int i = 0; i < 20'000; ++i) {
      const auto m = encode(messages[static_cast<std::size_t>(i) % messages.size()], peer.context);
      flood.insert(flood.end(), m.begin(), m.end());
    }
    thread_ = std::thread([this, fd = peer.fd(), flood = std::move(flood)] {
      for (std::size_t offset = 0; !stop_ && Steady::now() < end_;) {
        const auto n = ::send(fd, flood.data() + offset, flood.size() - offset, MSG_NOSIGNAL);
        if (n > 0) offset = (offset + static_cast<std::size_t>(n)) % flood.size();
        if (n < 0 && errno != EAGAIN) return;
      }
    });
  }
  ~Flood() {
    stop_ = true;
    thread_.join();
  }

 private:
  Steady::time_point end_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST_F(HostileTest, a_flood_that_meets_the_hold_timer_does_not_hold_the_loop) {
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003, 3));
  ASSERT_TRUE(p().loop.until("up", [&] { return p().a.up("raw"); }, p().seen()));
  const Flood flood(raw, {Keepalive{}}, 20s);
  // The hold timer looks at the socket every 3 s at the latest: twice at least in 8 s.
  auto longest = Steady::duration::zero();
  for (const auto begun = Steady::now(); Steady::now() - begun < 8s;) {
    const auto before = Steady::now();
    p().loop.turn(10ms);
    longest = std::max(longest, Steady::now() - before);
  }
  EXPECT_LT(longest, 5s) << "the others waited for the flood to end";
  EXPECT_TRUE(p().a.up("raw")) << p().seen()();
  p().a.set() = routes("10.1.0.0", 10);
  p().a.apply();
  for (const auto end = Steady::now() + 8s; p().b.received("a") < 10 && Steady::now() < end;) p().loop.turn(10ms);
  EXPECT_EQ(p().b.received("a"), 10u) << "while the flood goes on: " << p().seen()();
}

// What a peer may say again and again, and what each would cost if it cost a pass over the peer's routes: one read turn
// holds 2849 messages of 23 octets.
struct Marks {
  const char* name;
  bool end_of_rib;  // otherwise BoRR
  bool route;       // one route after each
  bool end;         // EoRR after that
};
class HostileMarks : public HostileTest, public ::testing::WithParamInterface<Marks> {};
INSTANTIATE_TEST_SUITE_P(all, HostileMarks,
                         ::testing::Values(Marks{"end_of_rib", true, false, false},
                                           Marks{"refreshes_that_begin", false, false, false},
                                           Marks{"refreshes_that_begin_and_bring_one_route", false, true, false},
                                           Marks{"refreshes_of_one_route", false, true, true}),
                         [](const auto& of) { return std::string(of.param.name); });

TEST_P(HostileMarks, in_a_row_behind_many_routes_do_not_hold_the_loop) {
  constexpr std::size_t kRoutes = 500'000;
  p().a.peer(1).max_received = 0;
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  Capabilities offer;
  offer.route_refresh = offer.enhanced_route_refresh = true;
  ASSERT_TRUE(raw.open(p().loop, 65003, 90, offer));
  const auto announce = [](std::uint32_t first, std::size_t count) {
    Update u;
    u.attributes.emplace().as_path.prepend(65003);
    std::vector<Prefix> prefixes;
    for (std::uint32_t i = 0; i < count; ++i) prefixes.emplace_back(Address::v4(0x0a000000 + first + i), 32);
    u.announced = {{{*Address::parse("10.99.0.3"), std::nullopt}, std::move(prefixes)}};
    return u;
  };
  for (std::uint32_t first = 0; first < kRoutes; first += 500) {
    ASSERT_TRUE(raw.send(announce(first, 500)));
    if (first % 10'000 == 0) p().loop.turn(1ms);
  }
  ASSERT_TRUE(p().loop.until("the routes", [&] { return p().a.received("raw") == kRoutes; }, p().seen()));

  Update end_of_rib;
  end_of_rib.end_of_rib = kIpv4Unicast;
  std::vector<Message> again;
  if (GetParam().end_of_rib)
    again.emplace_back(end_of_rib);
  else
    again.emplace_back(RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::begin});
  if (GetParam().route) again.emplace_back(announce(7, 1));
  if (GetParam().end) again.emplace_back(RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::end});
  auto longest = Steady::duration::zero();
  const auto before = p().a.status("raw").messages_in;
  {
    const Flood flood(raw, again, 20s);
    p().a.set() = routes("10.1.0.0", 10);
    p().a.apply();
    for (const auto begun = Steady::now(); Steady::now() - begun < 4s;) {
      const auto from = Steady::now();
      p().loop.turn(10ms);
      longest = std::max(longest, Steady::now() - from);
    }
  }
  EXPECT_LT(longest, 1s) << "the others waited";
  EXPECT_EQ(p().b.received("a"), 10u) << "while the flood goes on: " << p().seen()();
  EXPECT_GT(p().a.status("raw").messages_in, before + 20'000);
  EXPECT_TRUE(p().a.up("raw")) << p().seen()();
  EXPECT_EQ(p().a.received("raw"), GetParam().end ? 1u : kRoutes);
}

TEST_F(HostileTest, connections_that_are_closing_are_few_however_often_the_peer_connects) {
  p().start();
  ASSERT_TRUE(p().meet());
  const std::size_t before = descriptors();
  std::vector<std::unique_ptr<RawPeer>> raw;
  for (int i = 0; i < 100; ++i) raw.push_back(std::make_unique<RawPeer>("10.99.0.3", "10.99.0.1"));
  // None of them reads or closes. Each is greeted, and the next one ends it.
  const auto answered = [&] {
    return static_cast<std::size_t>(std::count_if(raw.begin(), raw.end(), [](const auto& r) {
      pollfd waiting{r->fd(), POLLIN, 0};
      return ::poll(&waiting, 1, 0) > 0;
    }));
  };
  ASSERT_TRUE(p().loop.until(
      "a word on each", [&] { return answered() == raw.size(); },
      [&] { return fmt::format("{} of {}", answered(), raw.size()); }));
  EXPECT_LT(descriptors() - before - raw.size(), 12u);
  EXPECT_TRUE(p().a.up("b"));
}

TEST_F(HostileTest, a_peer_whose_attributes_fill_the_memory_loses_its_session) {
  p().a.speaker = std::make_unique<Speaker>(p().loop.io, Speaker::Edges{},
                                            SpeakerOptions{.most_attribute_bytes = 4 << 20, .first_retry = 200ms});
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003));
  ASSERT_TRUE(p().loop.until("up", [&] { return p().a.up("raw"); }, p().seen()));
  Update u;
  u.attributes.emplace().as_path.prepend(65003);
  // 3200 octets of communities of its own for each prefix: far from the limit of prefixes, 4 MiB after some 1300.
  std::vector<std::uint8_t> flood;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    u.attributes->communities.clear();
    for (std::uint32_t c = 0; c < 800; ++c) u.attributes->communities.push_back(i << 12 | c);
    u.announced = {{{*Address::parse("10.99.0.3"), std::nullopt}, {Prefix(Address::v4(0x0a010000 + i), 32)}}};
    const auto bytes = encode(u, raw.context);
    flood.insert(flood.end(), bytes.begin(), bytes.end());
  }
  std::size_t sent = 0;
  const auto pour = [&] {
    for (ssize_t n = 1; n > 0 && sent < flood.size();) {
      n = ::send(raw.fd(), flood.data() + sent, flood.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
  };
  ASSERT_TRUE(p().loop.until(
      "the end of the session",
      [&] {
        pour();
        return !p().a.up("raw");
      },
      p().seen()));
  p().loop.turn(300ms);  // for the last words
  EXPECT_NE(p().a.status("raw").down.words.find("more than 4 MiB"), std::string::npos) << p().seen()();
  std::optional<Notification> told;
  while (auto m = raw.receive())
    if (auto* n = std::get_if<Notification>(&*m)) told = *n;
  ASSERT_TRUE(told) << p().seen()();
  EXPECT_EQ(told->code, ErrorCode::cease);
  EXPECT_EQ(told->subcode, cease::kOutOfResources);
  EXPECT_EQ(p().a.received("raw"), 0u);
  EXPECT_TRUE(p().a.up("b"));
}

TEST_F(HostileTest, a_thousand_quick_flaps_leave_nothing_behind) {
  p().start();
  ASSERT_TRUE(p().meet());
  const std::size_t before = descriptors();
  for (int i = 0; i < 1000; ++i) {
    RawPeer raw("10.99.0.3", "10.99.0.1");
    if (i % 3 == 0) raw.send(Open{65003, 90, RouterId{9}, {.families = {kIpv4Unicast}, .four_octet_asn = 65003}});
    if (i % 3 == 1) raw.send(std::vector<std::uint8_t>(40, 0));
    p().loop.turn(1ms);
  }
  ASSERT_TRUE(p().loop.until(
      "the descriptors to be closed", [&] { return descriptors() <= before + 4; },
      [&] { return fmt::format("{} descriptors, {} before", descriptors(), before); }));
  EXPECT_TRUE(p().a.up("b"));
  EXPECT_EQ(p().a.status("b").flaps, 0u);
}

TEST_F(HostileTest, garbage_is_answered_with_a_notification_and_ends_that_connection_alone) {
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.send(std::vector<std::uint8_t>(19, 0x41)));
  p().loop.turn(300ms);
  std::optional<Notification> told;
  while (auto m = raw.receive())
    if (auto* n = std::get_if<Notification>(&*m)) told = *n;
  ASSERT_TRUE(told) << p().seen()();
  EXPECT_EQ(told->code, ErrorCode::message_header);
  EXPECT_EQ(told->subcode, header_error::kNotSynchronized);
  EXPECT_TRUE(p().a.up("b"));
}

TEST_F(HostileTest, a_malformed_attribute_withdraws_the_route_and_keeps_the_session) {
  p().start();
  ASSERT_TRUE(p().meet());
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003));
  // ORIGIN 9, AS_PATH of one number, NEXT_HOP; 10.9.0.0/16 (RFC 7606 §7.1: treat as withdrawn).
  std::vector<std::uint8_t> body{0, 0,    0,    20,   0x40, 1, 1,  9,  0x40, 2, 6,  2,  1, 0,
                                 0, 0xfd, 0xeb, 0x40, 3,    4, 10, 99, 0,    3, 16, 10, 9};
  std::vector<std::uint8_t> update(16, 0xff);
  update.push_back(0);
  update.push_back(static_cast<std::uint8_t>(kHeaderSize + body.size()));
  update.push_back(2);
  update.insert(update.end(), body.begin(), body.end());
  ASSERT_TRUE(raw.send(update));
  ASSERT_TRUE(
      p().loop.until("the fault to be counted", [&] { return p().a.status("raw").attribute_faults == 1; }, p().seen()));
  EXPECT_EQ(p().a.received("raw"), 0u);
  EXPECT_TRUE(p().a.up("raw"));
  EXPECT_NE(p().a.status("raw").last_fault.find("attribute 1"), std::string::npos) << p().a.status("raw").last_fault;
}

TEST_F(HostileTest, without_enhanced_route_refresh_every_route_refresh_is_a_request) {
  p().a.set() = routes("10.1.0.0", 3);
  p().start();
  RawPeer raw("10.99.0.3", "10.99.0.1");
  Capabilities offer;
  offer.route_refresh = true;
  ASSERT_TRUE(raw.open(p().loop, 65003, 90, offer));
  const timeval short_wait{0, 1000};
  ::setsockopt(raw.fd(), SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof short_wait);
  std::size_t announced = 0;
  const auto until_announced = [&](std::size_t wanted) {
    return p().loop.until(
        "routes at the raw peer",
        [&] {
          while (const auto message = raw.receive())
            if (const auto* update = std::get_if<Update>(&*message))
              for (const Reach& reach : update->announced) announced += reach.prefixes.size();
          return announced == wanted;
        },
        [&] { return fmt::format("{} announced\n{}", announced, p().a.seen()); });
  };
  ASSERT_TRUE(until_announced(3));
  // RFC 2918 §3: the third octet is reserved, and ignored whatever it is. RFC 7313 made a BoRR of this one.
  ASSERT_TRUE(raw.send(RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::begin}));
  EXPECT_TRUE(until_announced(6));
  EXPECT_TRUE(p().a.up("raw"));
}

TEST_F(HostileTest, strangers_are_closed_and_counted) {
  p().start();
  RawPeer stranger("10.99.0.9", "10.99.0.1");
  ASSERT_TRUE(p().loop.until("the stranger", [&] { return p().a.speaker->strangers() == 1; }, p().seen()));
  EXPECT_FALSE(stranger.receive());
}

TEST_F(HostileTest, silence_ends_the_session_by_the_hold_timer) {
  p().start();
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003, 3));
  ASSERT_TRUE(p().loop.until("up", [&] { return p().a.up("raw"); }, p().seen()));
  ASSERT_TRUE(p().loop.until("down", [&] { return !p().a.up("raw"); }, p().seen()));
  EXPECT_EQ(p().a.status("raw").down.kind, DownReason::Kind::hold_timer_expired) << p().seen()();
}

TEST_F(HostileTest, what_waits_in_the_socket_counts_before_the_hold_timer_does) {
  p().start();
  RawPeer raw("10.99.0.3", "10.99.0.1");
  ASSERT_TRUE(raw.open(p().loop, 65003, 3));
  ASSERT_TRUE(p().loop.until("up", [&] { return p().a.up("raw"); }, p().seen()));
  // The peer speaks while this process is stuck for longer than the hold time.
  ::usleep(1'500'000);
  ASSERT_TRUE(raw.send(Keepalive{}));
  ::usleep(2'000'000);
  p().loop.turn(500ms);
  EXPECT_TRUE(p().a.up("raw")) << p().seen()();
}

}  // namespace
}  // namespace weft::bgp::test
