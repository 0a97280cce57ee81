#include "bgp/fsm/describe.h"

#include <fmt/core.h>

namespace weft::bgp::fsm {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

std::string name(const Timer& t) {
  if (t.kind < Timer::Kind::hold) return std::string(to_string(t.kind));
  return fmt::format("{} {}", to_string(t.kind), t.connection);
}

std::string span(Duration d) { return fmt::format("{:g}s", std::chrono::duration<double>(d).count()); }

std::string each(const std::vector<AfiSafi>& families) {
  std::string out;
  for (const AfiSafi& f : families) out += " " + f.to_string();
  return out;
}

std::string numbers(const Notification& n) {
  // A Hard Reset shows what it carries.
  const bool hard = n.code == ErrorCode::cease && n.subcode == cease::kHardReset && n.data.size() >= 2;
  std::string out = fmt::format("{}/{}", static_cast<int>(n.code), n.subcode);
  if (hard) out += fmt::format("({}/{})", n.data[0], n.data[1]);
  return out;
}

}  // namespace

std::string_view to_string(Timer::Kind k) {
  switch (k) {
    case Timer::Kind::connect_retry: return "connect_retry";
    case Timer::Kind::idle_hold: return "idle_hold";
    case Timer::Kind::path: return "path";
    case Timer::Kind::restart: return "restart";
    case Timer::Kind::stale: return "stale";
    case Timer::Kind::hold: return "hold";
    case Timer::Kind::keepalive: return "keepalive";
    case Timer::Kind::refresh: return "refresh";
  }
  return "unknown";
}

std::string describe(const Message& message) {
  return std::visit(Overloaded{
                        [](const Open& o) { return fmt::format("OPEN as {} hold {}", o.asn, o.hold_time); },
                        [](const Update& u) -> std::string {
                          if (u.end_of_rib) return "END-OF-RIB " + u.end_of_rib->to_string();
                          return "UPDATE";
                        },
                        [](const Notification& n) { return "NOTIFICATION " + numbers(n); },
                        [](const Keepalive&) -> std::string { return "KEEPALIVE"; },
                        [](const RouteRefresh& r) {
                          return fmt::format("ROUTE-REFRESH {} {}", r.family.to_string(), static_cast<int>(r.subtype));
                        },
                    },
                    message);
}

std::string describe(const Event& event) {
  return std::visit(
      Overloaded{
          [](const event::Start&) -> std::string { return "start"; },
          [](const event::Stop& e) {
            return e.cease ? "stop with " + numbers(*e.cease) : std::string("stop silently");
          },
          [](const event::Reset& e) { return "reset with " + numbers(e.cease); },
          [](const event::ConfigChanged&) -> std::string { return "config changed"; },
          [](const event::Connected& e) {
            return fmt::format("{} {}", e.outgoing ? "connected" : "accepted", e.connection);
          },
          [](const event::ConnectFailed& e) { return "connect failed: " + e.words; },
          [](const event::Reachable&) -> std::string { return "reachable"; },
          [](const event::Received& e) { return fmt::format("received {} on {}", describe(e.message), e.connection); },
          [](const event::ReceiveError& e) {
            return fmt::format("receive error {} on {}", numbers(e.notification), e.connection);
          },
          [](const event::Closed& e) { return fmt::format("closed {}", e.connection); },
          [](const event::TimerFired& e) { return "fired " + name(e.timer); },
          [](const event::BfdDown& e) {
            return std::string("bfd down, C ") + (e.control_plane_independent ? "set" : "clear");
          },
          [](const event::BfdClear&) -> std::string { return "bfd clear"; },
      },
      event);
}

std::string describe(const Action& action) {
  return std::visit(
      Overloaded{
          [](const action::Connect&) -> std::string { return "connect"; },
          [](const action::AbandonConnect&) -> std::string { return "abandon connect"; },
          [](const action::Send& a) { return fmt::format("send {} on {}", describe(a.message), a.connection); },
          [](const action::Close& a) { return fmt::format("close {}", a.connection); },
          [](const action::SetTimer& a) { return fmt::format("set {} to {}", name(a.timer), span(a.after)); },
          [](const action::ClearTimer& a) { return "clear " + name(a.timer); },
          [](const action::Established& a) { return fmt::format("established on {}", a.connection); },
          [](const action::Down& a) {
            std::string out = fmt::format("down: {}", to_string(a.reason.kind));
            if (!a.retain.empty()) out += ", retain" + each(a.retain);
            return out;
          },
          [](const action::AttemptFailed& a) { return fmt::format("attempt failed: {}", to_string(a.reason.kind)); },
          [](const action::Deliver&) -> std::string { return "deliver"; },
          [](const action::EndOfRib& a) { return "end of rib " + a.family.to_string(); },
          [](const action::FlushStale& a) {
            return (a.of_refresh ? "flush unrefreshed " : "flush stale ") + a.family.to_string();
          },
          [](const action::Refresh& a) {
            return fmt::format("refresh {} {}", a.family.to_string(), static_cast<int>(a.subtype));
          },
          [](const action::Ignored&) -> std::string { return "ignored"; },
      },
      action);
}

}  // namespace weft::bgp::fsm
