// What a peer does wrong, message by message: a RawPeer sends it, the subject must answer as the RFCs say and live.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/interop/bystander.h"
#include "tests/interop/harness/raw_peer.h"

namespace weft::interop {
namespace {

using namespace packet;
using namespace std::chrono_literals;

// The raw peer is AS 65002 on 10.0.0.2, where nothing listens.
class Faults : public BesideBystander {
 protected:
  void SetUp() override { begin(); }

  // A speaker that has just closed a session for a fault takes the next one a while later (RFC 4271 §8.1.1).
  RawPeer connect() {
    const auto deadline = std::chrono::steady_clock::now() + 2 * kPatience;
    do {
      RawPeer peer(faulty_host_, "10.0.0.2", "10.0.0.1");
      if (peer.greeted()) return peer;
      std::this_thread::sleep_for(50ms);
    } while (std::chrono::steady_clock::now() < deadline);
    throw std::runtime_error("the subject takes no session:\n" + subject_->log());
  }
  static Open good_open() {
    return {.asn = 65002, .router_id = "192.0.2.2", .capabilities = usual_capabilities(65002)};
  }
  RawPeer up() {
    RawPeer peer = connect();
    peer.handshake(good_open());
    return peer;
  }
  static std::string good_attributes() { return origin() + as_path({65002}) + next_hop("10.0.0.2"); }

  void expect_notification(RawPeer& peer, unsigned code, std::initializer_list<unsigned> subcodes) {
    const auto m = peer.notification();
    ASSERT_TRUE(m) << "no NOTIFICATION, want " << code << "\n" << subject_->log();
    const bool right = std::ranges::any_of(subcodes, [&](unsigned s) { return m->is_notification(code, s); });
    EXPECT_TRUE(right) << m->to_string() << ", want " << code << "/" << *subcodes.begin();
    EXPECT_TRUE(peer.closed()) << "the connection stays open";
  }
  // The session is up: a route sent now arrives.
  void expect_alive(RawPeer& peer, const std::string& prefix_text) {
    peer.send(update({}, good_attributes(), prefix(prefix_text)));
    EXPECT_TRUE(learned(*subject_, prefix_text)) << subject_->log();
    EXPECT_TRUE(subject_->peer().established());
  }
};

// RFC 4271 §6.1
TEST_F(Faults, a_wrong_header_is_answered_with_a_header_error) {
  struct Case {
    const char* what;
    std::string bytes;
    unsigned subcode;
  };
  std::string marker = keepalive();
  marker[3] = 0;
  const Case cases[] = {
      {"marker", marker, 1},
      {"length below 19", std::string(16, '\xff') + u16(18) + u8(kKeepalive), 2},
      {"length above 4096", std::string(16, '\xff') + u16(4097) + u8(kUpdate), 2},
      {"OPEN that is too short", std::string(16, '\xff') + u16(28) + u8(kOpen) + std::string(9, '\0'), 2},
      {"KEEPALIVE with a body", message(kKeepalive, "x"), 2},
      {"type", message(77, ""), 3}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    RawPeer peer = connect();
    peer.send(c.bytes);
    expect_notification(peer, 1, {c.subcode});
  }
}

// RFC 4271 §6.2, RFC 5492, RFC 6286
TEST_F(Faults, an_open_that_cannot_be_is_answered_with_an_open_error) {
  struct Case {
    const char* what;
    Open open;
    unsigned subcode;
  };
  std::vector<Case> cases(5, {"", good_open(), 0});
  cases[0].what = "version", cases[0].open.version = 3, cases[0].subcode = 1;
  cases[1].what = "another AS", cases[1].open.asn = 65009, cases[1].open.capabilities = usual_capabilities(65009),
  cases[1].subcode = 2;
  cases[2].what = "router id 0.0.0.0", cases[2].open.router_id = "0.0.0.0", cases[2].subcode = 3;
  cases[3].what = "hold time of 2 s", cases[3].open.hold_time = 2, cases[3].subcode = 6;
  cases[4].what = "hold time of 1 s", cases[4].open.hold_time = 1, cases[4].subcode = 6;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    RawPeer peer = connect();
    peer.send(open(c.open));
    expect_notification(peer, 2, {c.subcode});
  }
}

// RFC 6608
TEST_F(Faults, a_message_out_of_turn_is_answered_with_the_state_it_came_in) {
  {
    SCOPED_TRACE("KEEPALIVE instead of OPEN");
    RawPeer peer = connect();
    peer.send(keepalive());
    expect_notification(peer, 5, {1});
  }
  {
    SCOPED_TRACE("UPDATE instead of KEEPALIVE");
    RawPeer peer = connect();
    peer.send(open(good_open()));
    peer.send(update({}, {}, {}));
    expect_notification(peer, 5, {2});
  }
  {
    SCOPED_TRACE("OPEN in Established");
    RawPeer peer = up();
    peer.send(open(good_open()));
    expect_notification(peer, 5, {3});
  }
}

// RFC 7606: the prefixes of such an UPDATE are withdrawn, and the session stays.
TEST_F(Faults, a_malformed_attribute_withdraws_its_routes_and_keeps_the_session) {
  struct Case {
    const char* what;
    std::string attributes;
  };
  const Case cases[] = {
      {"no ORIGIN", as_path({65002}) + next_hop("10.0.0.2")},
      {"no AS_PATH", origin() + next_hop("10.0.0.2")},
      {"no NEXT_HOP", origin() + as_path({65002})},
      {"ORIGIN 7", origin(7) + as_path({65002}) + next_hop("10.0.0.2")},
      {"ORIGIN of two bytes", attribute(kWellKnown, 1, u16(0)) + as_path({65002}) + next_hop("10.0.0.2")},
      {"AS_PATH with a segment that overruns it",
       origin() + attribute(kWellKnown, 2, u8(2) + u8(9) + u32(65002)) + next_hop("10.0.0.2")},
      {"NEXT_HOP of three bytes", origin() + as_path({65002}) + attribute(kWellKnown, 3, "abc")},
      {"MED of three bytes", good_attributes() + attribute(kOptional, 4, "abc")},
      {"COMMUNITIES of five bytes", good_attributes() + attribute(kOptional | kTransitive, 8, "abcde")},
      {"EXTENDED COMMUNITIES of seven bytes", good_attributes() + attribute(kOptional | kTransitive, 16, "abcdefg")},
      {"LARGE_COMMUNITY of eleven bytes", good_attributes() + attribute(kOptional | kTransitive, 32, "abcdefghijk")},
      {"ORIGIN with the flags of an optional attribute",
       attribute(kOptional | kTransitive, 1, u8(0)) + as_path({65002}) + next_hop("10.0.0.2")},
  };
  RawPeer peer = up();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    expect_alive(peer, "198.51.100.0/24");
    peer.send(update({}, c.attributes, prefix("198.51.100.0/24")));
    EXPECT_TRUE(gone(*subject_, "198.51.100.0/24")) << subject_->log();
    EXPECT_TRUE(subject_->peer().established()) << subject_->peer().raw;
  }
}

// RFC 7606: such an attribute is left away, and its routes stay.
TEST_F(Faults, a_malformed_attribute_that_decides_nothing_is_discarded) {
  RawPeer peer = up();
  const std::pair<const char*, std::string> cases[] = {
      {"ATOMIC_AGGREGATE with a value", attribute(kWellKnown, 6, "x")},
      {"AGGREGATOR of five bytes", attribute(kOptional | kTransitive, 7, "abcde")},
      {"an unknown optional one", attribute(kOptional, 250, "what?")},
      {"LOCAL_PREF from another system", attribute(kWellKnown, 5, u32(700))}};
  for (const auto& [what, bytes] : cases) {
    SCOPED_TRACE(what);
    peer.send(update({}, good_attributes() + bytes, prefix("198.51.100.0/24")));
    EXPECT_TRUE(
        learned(*subject_, "198.51.100.0/24", [](const RouteView& r) { return r.local_pref.value_or(100) == 100; }));
    peer.send(update(prefix("198.51.100.0/24"), {}, {}));
    EXPECT_TRUE(gone(*subject_, "198.51.100.0/24"));
  }
  EXPECT_TRUE(subject_->peer().established());
}

// RFC 7606 §3, RFC 4271 §6.3
TEST_F(Faults, an_update_whose_parts_cannot_be_told_apart_resets_the_session) {
  struct Case {
    const char* what;
    std::string bytes;
    std::initializer_list<unsigned> subcodes;
  };
  const Case cases[] = {
      {"withdrawn routes that overrun it", message(kUpdate, u16(99) + u16(0)), {1}},
      {"attributes that overrun it", message(kUpdate, u16(0) + u16(99)), {1}},
      {"a prefix of 33 bits", update({}, good_attributes(), u8(33) + "abcde"), {10}},
      {"a prefix that overruns it", update({}, good_attributes(), u8(24) + "a"), {10}},
      {"MP_REACH twice",
       update({},
              origin() + as_path({65002}) + mp_reach("fd00::2", prefix("2001:db8::/32")) +
                  mp_reach("fd00::2", prefix("2001:db8::/32")),
              {}),
       {1}},
      {"an unknown well-known attribute",
       update({}, good_attributes() + attribute(kWellKnown, 99, "x"), prefix("198.51.100.0/24")),
       {2}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    RawPeer peer = up();
    peer.send(c.bytes);
    expect_notification(peer, 3, c.subcodes);
  }
}

// RFC 4271 §6.5
TEST_F(Faults, silence_is_answered_when_the_hold_time_is_over) {
  RawPeer peer = connect();
  Open o = good_open();
  o.hold_time = 3;
  peer.handshake(o);
  const auto m = peer.notification(60s);
  ASSERT_TRUE(m) << subject_->log();
  EXPECT_TRUE(m->is_notification(4, 0)) << m->to_string();
}

// RFC 4271 §6.8: of two connections with one peer, one is closed.
TEST_F(Faults, a_second_connection_of_a_peer_that_is_up_is_refused) {
  RawPeer first = up();
  RawPeer second(faulty_host_, "10.0.0.2", "10.0.0.1");
  second.send(open(good_open()));
  const auto m = second.notification();
  ASSERT_TRUE(m || second.closed()) << subject_->log();
  if (m) {
    EXPECT_TRUE(m->is_notification(6, 7)) << m->to_string();
  }
  expect_alive(first, "198.51.100.0/24");
}

// RFC 2918, RFC 7313
TEST_F(Faults, a_route_refresh_that_cannot_be_is_survived) {
  RawPeer peer = up();
  const auto route_comes = [&] {
    for (;;) {
      const auto m = peer.receive();
      if (!m) return false;
      if (m->type == kUpdate && m->body.find(prefix("192.0.2.0/24")) != std::string::npos) return true;
    }
  };
  ASSERT_TRUE(route_comes()) << subject_->log();
  peer.send(message(kRouteRefresh, u16(99) + u8(0) + u8(77)));  // a family that was not agreed on
  expect_alive(peer, "198.51.100.0/24");
  peer.send(message(kRouteRefresh, u16(1) + u8(0) + u8(1)));
  EXPECT_TRUE(route_comes()) << "the route was not sent again\n" << subject_->log();
}

TEST_F(Faults, a_thousand_prefixes_with_a_thousand_paths_come_and_go) {
  RawPeer peer = up();
  std::string all, none;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::string p = prefix("10." + std::to_string(20 + i / 250) + "." + std::to_string(i % 250) + ".0/24");
    all += update({}, origin() + as_path({65002, 70000 + i}) + next_hop("10.0.0.2"), p);
    none += update(p, {}, {});
  }
  peer.send(all);
  EXPECT_TRUE(eventually(kPatience, "1000 routes",
                         [&] { return Seen{subject_->peer().received == 1000, subject_->peer().raw}; }));
  peer.send(none);
  EXPECT_TRUE(
      eventually(kPatience, "no routes", [&] { return Seen{subject_->peer().received == 0, subject_->peer().raw}; }));
}

}  // namespace
}  // namespace weft::interop
