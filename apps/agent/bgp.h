// BGP on this node, wired: the controller, the speaker behind its edge, status, views, metrics, and the marker that
// tells the next run that this one left sessions with graceful restart behind.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "api/server.h"
#include "apps/agent/farewell.h"
#include "apps/agent/options.h"
#include "apps/agent/tables.h"
#include "async/scope.h"
#include "bgp/control/node_controller.h"
#include "bgp/control/speaker_edge.h"
#include "bgp/control/status_publisher.h"
#include "bgp/control/views.h"
#include "kube/client.h"
#include "metrics/registry.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// `restarting`: a run before this one left its sessions without a word, and peers may keep our routes (RFC 4724).
using MakeSpeaker = std::function<std::unique_ptr<bgp::control::SpeakerEdge>(bool restarting)>;

/// What is left of a run with BGP when it is off: learned routes and blackholes in the kernel, files in state_dir.
Result<> forget_bgp(const Options& options, netlink::Kernel& kernel);

class BgpPart {
 public:
  BgpPart(kube::Client& client, const Options& options, Tables& tables, netlink::Kernel& kernel,
          const MakeSpeaker& make_speaker);
  ~BgpPart();

  void start();
  /// Says goodbye: peers with graceful restart are left without a word, the others get marked routes for a moment and
  /// then a Cease. A node whose drain is over or that shuts down leaves for good, and so does one without graceful
  /// restart: learned routes and blackholes leave the kernel with the sessions.
  Task<> stop();

  void add_views(api::Server& server);
  void add_metrics(metrics::Registry& registry);
  /// What metrics say of peers and instances at this moment.
  void report(metrics::Samples& out) const;
  bgp::control::NodeController& controller() { return controller_; }
  bgp::control::SpeakerEdge& speaker() { return *speaker_; }
  /// What came of the plan, for views::why_view.
  bgp::control::Delivery delivery() const;

 private:
  Task<> keep_marker();
  void set_marker();
  bool any_graceful_restart() const;
  Farewell farewell() const;

  Options options_;
  Tables& tables_;
  std::string marker_;
  std::optional<bool> marked_;  // as this run left it
  std::unique_ptr<bgp::control::SpeakerEdge> speaker_;
  bgp::control::NodeController controller_;
  Scope scope_;
  bgp::control::StatusPublisher status_;
};

}  // namespace weft::agent
