// Route refresh (RFC 2918), and its beginning and end as the peer marks them (RFC 7313).
#include <fmt/core.h>

#include <algorithm>

#include "bgp/fsm/session.h"

namespace weft::bgp::fsm {

void Session::refresh_received(Connection& c, const RouteRefresh& refresh) {
  using Subtype = RouteRefresh::Subtype;
  if (c.stage != Connection::Stage::established) return unexpected(c, MessageType::route_refresh);
  const Negotiated& n = *c.negotiated;
  const AfiSafi family = refresh.family;
  // RFC 2918 §4 and 7313 §5: what was not negotiated is ignored.
  if (std::ranges::find(n.families, family) == n.families.end()) return;
  if (refresh.subtype != Subtype::request && !n.enhanced_route_refresh) return;
  if (refresh.subtype == Subtype::begin) {
    // RFC 7313 §4: of a peer that offered graceful restart not before its End-of-RIB, which sweeps by itself.
    if (n.theirs.capabilities.graceful_restart && !c.ended.contains(family)) {
      out_.push_back(action::Ignored{
          fmt::format("the peer began a refresh of {} before its End-of-RIB (RFC 7313 §4)", family.to_string())});
      return;
    }
    c.refreshing[family] = now_ + config_.stale_time;
    arm_refresh(c);
  } else if (refresh.subtype == Subtype::end) {
    if (c.refreshing.erase(family) == 0) return;  // the end of none, or of one that we gave up
    arm_refresh(c);
  }
  out_.push_back(action::Refresh{family, refresh.subtype});
}

/// RFC 7313 §4 leaves the bound to us: a peer that never ends what it began would keep routes here that it has no more.
void Session::refresh_overdue(Connection& c) {
  std::erase_if(c.refreshing, [&](const auto& entry) {
    if (entry.second > now_) return false;
    out_.push_back(action::FlushStale{entry.first, "the peer did not end the refresh that it began", true});
    return true;
  });
  arm_refresh(c);
}

void Session::arm_refresh(const Connection& c) {
  const Timer timer{Timer::Kind::refresh, c.id};
  if (c.refreshing.empty()) return clear(timer);
  const auto first = std::ranges::min_element(c.refreshing, {}, [](const auto& entry) { return entry.second; });
  const auto running = timers_.find(timer);
  if (running != timers_.end() && running->second == first->second) return;
  set(timer, first->second - now_);
}

}  // namespace weft::bgp::fsm
