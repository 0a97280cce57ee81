// Every state of RFC 4271 §8.2.2 with every event that means something there: what is done, and where it leads.
#include "play.h"

namespace weft::bgp::fsm {
namespace {

using enum SessionState;
using Lines = std::vector<std::string>;

const Timer kRetry{Timer::Kind::connect_retry, 0}, kIdle{Timer::Kind::idle_hold, 0}, kHold{Timer::Kind::hold, 1},
    kKeepalive{Timer::Kind::keepalive, 1};

Event received(Message m) { return event::Received{1, std::move(m)}; }
Notification malformed() { return {ErrorCode::update_message, update_error::kMalformedAttributes, {}}; }

struct Cell {
  SessionState from;
  Event event;
  Lines done;
  SessionState to;
  Duration after{};  // time before the event
};

void check(const std::vector<Cell>& cells) {
  for (const Cell& cell : cells) {
    SCOPED_TRACE(std::string(to_string(cell.from)) + ", " + describe(cell.event));
    Play p;
    p.reach(cell.from);
    p.now += cell.after;
    p.give(cell.event).expect(cell.done).expect(cell.to);
  }
}

// What every fall of a young session ends in.
const std::string kAttempt = "attempt failed: ", kDamped = "set idle_hold to 0.75s";
// What BFD keeps from coming up again.
const std::string kHeld = "set path to 2s";

TEST(States, idle_ignores_everything_but_start_and_refuses_connections) {
  check({
      {idle, event::Start{}, {"connect", "set connect_retry to 10s"}, connect},
      {idle, event::Stop{cease_of(2), ""}, {}, idle},
      {idle, event::Reset{cease_of(4), "", {}}, {}, idle},
      {idle, event::Connected{1, false}, {"send NOTIFICATION 6/5 on 1", "close 1"}, idle},
      {idle, event::ConnectFailed{}, {}, idle},
      {idle, event::Reachable{}, {}, idle},
      {idle, received(theirs()), {}, idle},
      {idle, event::Closed{1, ""}, {}, idle},
      {idle, event::TimerFired{kRetry}, {}, idle},
      {idle, event::TimerFired{kIdle}, {}, idle},
      {idle, event::BfdDown{true, ""}, {}, idle},
      {idle, event::BfdClear{}, {}, idle},
  });
}

TEST(States, connect) {
  check({
      {connect, event::Start{}, {}, connect},
      {connect, event::Stop{cease_of(2), ""}, {"clear connect_retry", "abandon connect"}, idle},
      {connect,
       event::Reset{cease_of(4), "", {}},
       {"clear connect_retry", "abandon connect", "connect", "set connect_retry to 10s"},
       connect},
      {connect,
       event::Connected{1, true},
       {"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"},
       open_sent},
      {connect, event::Connected{1, false}, {"send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"}, open_sent},
      {connect, event::ConnectFailed{}, {"attempt failed: connect_failed", "set connect_retry to 1s"}, active},
      {connect, event::Reachable{}, {}, connect},
      {connect, event::TimerFired{kRetry}, {}, connect},  // too early: a replaced timer
      {connect,
       event::TimerFired{kRetry},
       {"abandon connect", "attempt failed: connect_failed", "connect", "set connect_retry to 10s"},
       connect,
       10s},
      {connect,
       event::BfdDown{true, ""},
       {"clear connect_retry", "abandon connect", "attempt failed: bfd_down", kHeld},
       idle},
      {connect,
       event::BfdClear{},
       {"clear connect_retry", "abandon connect", "connect", "set connect_retry to 10s"},
       connect},
      {connect, event::Closed{1, ""}, {}, connect},
  });
}

TEST(States, active) {
  check({
      {active, event::Start{}, {}, active},
      {active, event::Stop{cease_of(2), ""}, {"clear connect_retry"}, idle},
      {active, event::Connected{1, true}, {"close 1"}, active},  // we had given that attempt up
      {active,
       event::Connected{1, false},
       {"clear connect_retry", "send OPEN as 65001 hold 90 on 1", "set hold 1 to 240s"},
       open_sent},
      {active, event::ConnectFailed{}, {}, active},
      {active, event::Reachable{}, {"clear connect_retry", "connect", "set connect_retry to 10s"}, connect},
      {active, event::TimerFired{kRetry}, {"connect", "set connect_retry to 10s"}, connect, 1s},
      {active, event::BfdDown{false, ""}, {"clear connect_retry", kHeld}, idle},
      {active, event::BfdClear{}, {"clear connect_retry", "connect", "set connect_retry to 10s"}, connect},
  });
}

Lines fails(const std::string& notification, const std::string& kind) {
  return {"clear hold 1", "send NOTIFICATION " + notification + " on 1", "close 1", kAttempt + kind, kDamped};
}

TEST(States, open_sent) {
  check({
      {open_sent, event::Start{}, {}, open_sent},
      {open_sent, event::Stop{cease_of(2), ""}, {"clear hold 1", "send NOTIFICATION 6/2 on 1", "close 1"}, idle},
      {open_sent, event::Stop{}, {"clear hold 1", "close 1"}, idle},
      {open_sent,
       event::Reset{cease_of(4), "", {}},
       {"clear hold 1", "send NOTIFICATION 6/4 on 1", "close 1", "connect", "set connect_retry to 10s"},
       connect},
      {open_sent, event::Connected{2, true}, {"close 2"}, open_sent},
      {open_sent,
       received(theirs()),
       {"set hold 1 to 90s", "send KEEPALIVE on 1", "set keepalive 1 to 22.5s"},
       open_confirm},
      {open_sent, received(theirs(64999)), fails("2/2", "open_rejected"), idle},
      {open_sent, received(Keepalive{}), fails("5/1", "notification_sent"), idle},
      {open_sent, received(some_update()), fails("5/1", "notification_sent"), idle},
      {open_sent, received(RouteRefresh{kIpv4Unicast}), fails("5/1", "notification_sent"), idle},
      {open_sent,
       received(cease_of(5)),
       {"clear hold 1", "close 1", "attempt failed: notification_received", kDamped},
       idle},
      {open_sent, event::ReceiveError{1, malformed()}, fails("3/1", "notification_sent"), idle},
      {open_sent, event::ReceiveError{1, {ErrorCode::open_message, open_error::kUnsupportedVersion, {0, 4}}},
       fails("2/1", "open_rejected"), idle},
      {open_sent, event::ReceiveError{1, {ErrorCode::message_header, header_error::kNotSynchronized, {}}},
       fails("1/1", "notification_sent"), idle},
      {open_sent,
       event::Closed{1, "connection reset"},
       {"clear hold 1", "attempt failed: connection_lost", kDamped},
       idle},
      {open_sent, event::TimerFired{kHold}, {}, open_sent},
      {open_sent,
       event::TimerFired{kHold},
       {"send NOTIFICATION 4/0 on 1", "close 1", "attempt failed: hold_timer_expired", kDamped},
       idle,
       240s},
      {open_sent, event::TimerFired{kRetry}, {}, open_sent, 500s},
      {open_sent,
       event::BfdDown{true, ""},
       {"clear hold 1", "send NOTIFICATION 6/10 on 1", "close 1", "attempt failed: bfd_down", kHeld},
       idle},
      {open_sent, event::BfdClear{}, {}, open_sent},
      {open_sent, event::Reachable{}, {}, open_sent},
  });
}

Lines confirm_fails(const std::string& notification, const std::string& kind) {
  return {"clear hold 1", "clear keepalive 1", "send NOTIFICATION " + notification + " on 1",
          "close 1",      kAttempt + kind,     kDamped};
}

Open another_open() {
  Open open = theirs();
  ++open.hold_time;
  return open;
}

TEST(States, open_confirm) {
  check({
      {open_confirm,
       event::Stop{cease_of(3), ""},
       {"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/3 on 1", "close 1"},
       idle},
      {open_confirm, received(Keepalive{}), {"established on 1"}, established},
      {open_confirm, received(theirs()), {}, open_confirm},
      {open_confirm, received(another_open()), confirm_fails("5/2", "notification_sent"), idle},
      {open_confirm, received(some_update()), confirm_fails("5/2", "notification_sent"), idle},
      {open_confirm, received(RouteRefresh{kIpv4Unicast}), confirm_fails("5/2", "notification_sent"), idle},
      {open_confirm,
       received(Notification{ErrorCode::open_message, open_error::kBadPeerAs, {}}),
       {"clear hold 1", "clear keepalive 1", "close 1", "attempt failed: notification_received", kDamped},
       idle},
      {open_confirm, event::ReceiveError{1, malformed()}, confirm_fails("3/1", "notification_sent"), idle},
      {open_confirm,
       event::Closed{1, ""},
       {"clear hold 1", "clear keepalive 1", "attempt failed: connection_lost", kDamped},
       idle},
      {open_confirm,
       event::TimerFired{kKeepalive},
       {"send KEEPALIVE on 1", "set keepalive 1 to 22.5s"},
       open_confirm,
       22500ms},
      {open_confirm,
       event::TimerFired{kHold},
       {"clear keepalive 1", "send NOTIFICATION 4/0 on 1", "close 1", "attempt failed: hold_timer_expired", kDamped},
       idle,
       90s},
      {open_confirm,
       event::BfdDown{true, ""},
       {"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/10 on 1", "close 1", "attempt failed: bfd_down",
        kHeld},
       idle},
  });
}

Lines falls(const std::string& notification, const std::string& kind) {
  return {"clear hold 1", "clear keepalive 1", "send NOTIFICATION " + notification + " on 1",
          "close 1",      "down: " + kind,     kDamped};
}

Lines path_dies() {
  return {"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/10 on 1", "close 1", "down: bfd_down", kHeld};
}

TEST(States, established) {
  check({
      {established, event::Start{}, {}, established},
      {established,
       event::Stop{cease_of(2), ""},
       {"clear hold 1", "clear keepalive 1", "send NOTIFICATION 6/2 on 1", "close 1", "down: admin"},
       idle},
      {established, event::Stop{}, {"clear hold 1", "clear keepalive 1", "close 1", "down: admin"}, idle},
      {established, event::Connected{2, true}, {"close 2"}, established},
      {established, event::Connected{2, false}, {"set hold 2 to 240s"}, established},  // tracked until its OPEN
      {established, received(Keepalive{}), {}, established},
      {established, received(some_update()), {"deliver"}, established},
      {established, received(end_of_rib(kIpv4Unicast)), {"end of rib ipv4/unicast"}, established},
      {established, received(end_of_rib({25, 70})), {}, established},  // no family of this session
      {established, received(RouteRefresh{kIpv4Unicast}), {"refresh ipv4/unicast 0"}, established},
      {established, received(RouteRefresh{{25, 70}}), {}, established},
      {established, received(RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::begin}), {}, established},
      {established, received(theirs()), falls("5/3", "notification_sent"), idle},
      {established,
       received(cease_of(2)),
       {"clear hold 1", "clear keepalive 1", "close 1", "down: notification_received", kDamped},
       idle},
      {established, event::ReceiveError{1, malformed()}, falls("3/1", "notification_sent"), idle},
      {established,
       event::Closed{1, ""},
       {"clear hold 1", "clear keepalive 1", "down: connection_lost", kDamped},
       idle},
      {established,
       event::TimerFired{kKeepalive},
       {"send KEEPALIVE on 1", "set keepalive 1 to 22.5s"},
       established,
       22500ms},
      {established, event::TimerFired{kKeepalive}, {}, established, 22s},
      {established,
       event::TimerFired{kHold},
       {"clear keepalive 1", "send NOTIFICATION 4/0 on 1", "close 1", "down: hold_timer_expired", "connect",
        "set connect_retry to 10s"},
       connect,
       90s},
      {established, event::BfdDown{true, "time expired"}, path_dies(), idle},
      {established, event::BfdDown{false, ""}, path_dies(), idle},  // no graceful restart agreed on
      {established, event::BfdClear{}, {}, established},
      {established, event::Reachable{}, {}, established},
      {established, event::ConnectFailed{}, {}, established},
      {established, event::TimerFired{kRetry}, {}, established, 500s},
  });
}

TEST(States, events_of_a_connection_that_is_gone_change_nothing) {
  Play p;
  p.reach();
  p.give(event::Closed{1, ""});
  for (const Event& e :
       std::vector<Event>{received(Keepalive{}), received(theirs()), received(cease_of(2)), event::Closed{1, ""},
                          event::ReceiveError{1, malformed()}, event::TimerFired{kHold}, event::TimerFired{kKeepalive}})
    p.give(e).expect(Lines{}).expect(idle);
}

TEST(States, an_unexpected_message_names_its_type_to_the_peer) {
  Play p;
  p.reach(open_sent);
  p.give(received(some_update()));
  const auto* sent = find<action::Send>(p.actions);
  EXPECT_THAT(std::get<Notification>(sent->message).data, testing::ElementsAre(2));
}

TEST(States, have_the_names_of_the_status_field) {
  EXPECT_EQ(to_string(open_sent), "open_sent");
  EXPECT_EQ(to_string(established), "established");
  EXPECT_EQ(to_string(DownReason::Kind::hold_timer_expired), "hold_timer_expired");
}

}  // namespace
}  // namespace weft::bgp::fsm
