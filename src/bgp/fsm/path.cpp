// What BFD says of the path to the peer (RFC 5882 §4), and what becomes of the session then.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "bgp/fsm/session.h"
#include "bgp/fsm/timers.h"
#include "bgp/fsm/words.h"

namespace weft::bgp::fsm {
namespace {

using Kind = DownReason::Kind;

}  // namespace

void Session::handle(event::BfdDown& e) {
  // RFC 5882 §4.3.2: with the C bit clear BFD shares the fate of the control plane, and this may be its restart. One
  // that we know of already goes on: neither its routes nor the new session are disturbed.
  if (!e.control_plane_independent && !stale_.empty()) return;
  const std::string why = e.words.empty() ? "" : ": " + e.words;
  const Connection* c = up();
  DownReason reason{.kind = Kind::bfd_down, .notification = {}, .words = "", .at = {}};
  if (c && !e.control_plane_independent && !c->negotiated->kept().empty()) {
    reason.words = "BFD is down" + why + " (taken for a restart of the peer: its C bit is clear)";
    fall_with_path(std::nullopt, std::move(reason));
    if (phase_ == Phase::running) begin();
    return;
  }
  const bool failed_anew = !std::exchange(path_dead_, true);
  if (c && now_ - c->since >= config_.damping.forgive_after) path_failures_ = 0;
  if (failed_anew) ++path_failures_;
  const Notification cease{ErrorCode::cease, cease::kBfdDown, {}};
  if (c) reason.notification = cease;
  reason.words = "BFD is down" + why + ": is the node or the link down?";
  flush(stale_, "BFD says that the peer is dead" + why);
  fall_with_path(cease, std::move(reason));
  if (phase_ == Phase::running) begin();
}

/// Ends all that is with this path. It is no fall in the sense of damping: nothing oscillates but the path, and BFD
/// says when that is back, after a handshake of a second or more.
void Session::fall_with_path(const std::optional<Notification>& cease, DownReason reason) {
  if (phase_ != Phase::running) return;  // what it is idle for has not changed
  const bool tried = attempting_ || std::ranges::any_of(connections_, [](const auto& entry) {
                       return entry.second.stage > Connection::Stage::tracked;
                     });
  abandon_attempt();
  clear(kRetry);
  const Gone ended = drop_all(cease, true);
  attempts_ = 0;
  if (ended.established) {
    keep_routes(*ended.negotiated, reason, !cease);
  } else if (tried) {
    out_.push_back(action::AttemptFailed{reason});
  }
  down_ = std::move(reason);
}

void Session::handle(event::BfdClear&) {
  path_dead_ = false;
  clear(kPath);
  if (phase_ != Phase::running || config_.passive || !connections_.empty()) return;
  // An attempt that was begun while the path was dead sits in the kernel's back-off.
  abandon_attempt();
  clear(kRetry);
  attempts_ = 0;
  connect();
}

void Session::path_given_up_on() {
  path_dead_ = false;
  if (phase_ == Phase::running) begin();
}

}  // namespace weft::bgp::fsm
