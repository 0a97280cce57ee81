// What the controller asks of a speaker. The agent puts bgp::Speaker behind it, tests one of their own.
#pragma once

#include <string>
#include <vector>

#include "async/signal.h"
#include "bgp/speaker/diff.h"
#include "bgp/speaker/status.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp::control {

class SpeakerEdge {
 public:
  virtual ~SpeakerEdge() = default;
  virtual std::vector<PeerFault> apply(Wanted wanted) = 0;
  virtual std::vector<PeerStatus> peers() const = 0;
  virtual RouteViews routes_available(const RouteQuery& query) const = 0;
  virtual RouteViews routes_advertised(const RouteQuery& query) const = 0;
  virtual RouteViews routes_received(const RouteQuery& query) const = 0;
  /// Whether each peer has the prefix from us, and why (not).
  virtual std::vector<PrefixAnswer> why(const Prefix& prefix) const = 0;
  /// What could not be done and is no peer's fault: a sentence each.
  virtual std::vector<std::string> troubles() const { return {}; }
  /// Notified when a status may show something else.
  virtual Notifier& changes() = 0;
  virtual Task<> stop(std::string text, bool graceful) = 0;
};

}  // namespace weft::bgp::control
