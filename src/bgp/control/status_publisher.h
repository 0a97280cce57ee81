// Keeps the status of this node's CiliumBGPNodeConfig as the sessions are, and records events when they change.
#pragma once

#include <map>
#include <string>

#include "bgp/control/node_controller.h"
#include "kube/events.h"

namespace weft::bgp::control {

/// Writes at most once a `every`: sessions come and go faster than anybody reads. Without `write_status`
/// (bgpControlPlane.statusReport.enabled: false) it records events only.
class StatusPublisher {
 public:
  struct Options {
    std::string node;
    bool write_status = true;
    std::chrono::milliseconds every{1000};
    std::chrono::milliseconds counts_every{10'000};  // route counts change without a notification
  };
  StatusPublisher(kube::Client& client, Scope& scope, NodeController& controller, SpeakerEdge& speaker,
                  Options options);
  Task<> run();

 private:
  void record_changes(const std::vector<PeerStatus>& peers);
  Task<Result<>> write(json::array instances, std::string trouble, std::int64_t generation);

  kube::Client& client_;
  NodeController& controller_;
  SpeakerEdge& speaker_;
  Options options_;
  kube::EventRecorder events_;
  std::map<std::pair<std::string, std::string>, bool> up_;  // peer → established
  std::string trouble_;
};

}  // namespace weft::bgp::control
