// Graceful restart as the helper: the peer's routes through its restart (RFC 4724 §4.2, 8538 §4).
#include <algorithm>

#include "bgp/fsm/session.h"

namespace weft::bgp::fsm {
namespace {

constexpr Timer kRestart{Timer::Kind::restart, 0};
constexpr Timer kStale{Timer::Kind::stale, 0};

bool forwards(const Negotiated& n, AfiSafi family) {
  if (!n.peer_restart || std::ranges::find(n.families, family) == n.families.end()) return false;
  return std::ranges::any_of(n.peer_restart->families,
                             [&](const auto& t) { return t.family == family && t.forwarding; });
}

}  // namespace

/// The session that had negotiated `n` is down: says so, and what stays of the peer's routes.
void Session::keep_routes(const Negotiated& n, const DownReason& reason, bool keep) {
  std::vector<AfiSafi> kept = keep ? n.kept() : std::vector<AfiSafi>{};
  if (!kept.empty()) {
    // RFC 4724 §4.2: a route that was stale already does not live through another restart. RFC 8538 §4.1 lets it, and
    // then the time that began with the first return bounds all its restarts together.
    std::vector<AfiSafi> gone = stale_;
    if (n.notification_restart)
      std::erase_if(gone, [&](AfiSafi f) { return std::ranges::find(kept, f) != kept.end(); });
    flush(gone, "the peer restarted again before it had sent all its routes");
  }
  clear(kRestart);
  stale_ = std::move(kept);
  std::erase_if(stale_until_,
                [&](const auto& entry) { return std::ranges::find(stale_, entry.first) == stale_.end(); });
  arm_stale();
  action::Down down{.reason = reason, .retain = stale_, .restart_time = {}};
  if (!stale_.empty()) {
    down.restart_time = std::chrono::seconds{n.peer_restart->restart_time};
    set(kRestart, down.restart_time);
  }
  out_.push_back(std::move(down));
}

/// Before the session is reported up: a family whose forwarding state the peer has lost goes now, the others wait for
/// its End-of-RIB.
void Session::peer_is_back(const Negotiated& n) {
  clear(kRestart);
  std::vector<AfiSafi> gone;
  for (const AfiSafi& f : stale_)
    if (!forwards(n, f)) gone.push_back(f);
  flush(gone, "the peer came back without the forwarding state of this family");
  for (const AfiSafi& f : stale_) stale_until_.try_emplace(f, now_ + config_.stale_time);
  arm_stale();
}

void Session::stale_overdue() {
  std::vector<AfiSafi> due;
  for (const auto& [family, until] : stale_until_)
    if (until <= now_) due.push_back(family);
  flush(due, "the peer did not send End-of-RIB in time after it came back");
}

void Session::arm_stale() {
  if (stale_until_.empty()) return clear(kStale);
  const auto first = std::ranges::min_element(stale_until_, {}, [](const auto& entry) { return entry.second; })->second;
  const auto running = timers_.find(kStale);
  if (running != timers_.end() && running->second == first) return;
  set(kStale, first - now_);
}

void Session::end_of_rib(AfiSafi family) {
  out_.push_back(action::EndOfRib{family});
  if (std::ranges::find(stale_, family) != stale_.end()) flush({family}, "the peer has sent all its routes");
}

/// `families` is a copy on purpose where it is stale_ itself.
void Session::flush(const std::vector<AfiSafi>& families, const std::string& words) {
  const std::vector<AfiSafi> all = families;
  for (const AfiSafi& f : all) {
    std::erase(stale_, f);
    stale_until_.erase(f);
    out_.push_back(action::FlushStale{f, words});
  }
  if (stale_.empty()) clear(kRestart);
  arm_stale();
}

}  // namespace weft::bgp::fsm
