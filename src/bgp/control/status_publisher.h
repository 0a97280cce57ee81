// Keeps the status of this node's CiliumBGPNodeConfig as the sessions are, and records events when they change.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bgp/control/node_controller.h"
#include "kube/events.h"
#include "kube/status.h"

namespace weft::bgp::control {

/// Writes at most once a `every`: sessions come and go faster than anybody reads. A status that is no longer kept,
/// since a CiliumBGPPeeringPolicy took over or without `write_status` (bgpControlPlane.statusReport.enabled: false), is
/// emptied and a condition says why.
class StatusPublisher {
 public:
  struct Options {
    std::string node;
    bool write_status = true;
    std::chrono::milliseconds every{1000};
    std::chrono::milliseconds counts_every{10'000};  // route counts change without a notification
    /// A session may be up without the BFD that it asks for this long before somebody is told.
    std::chrono::milliseconds bfd_patience{15'000};
  };
  StatusPublisher(kube::Client& client, Scope& scope, NodeController& controller, SpeakerEdge& speaker,
                  Options options);
  Task<> run();

 private:
  struct Report {
    json::array instances;
    std::vector<kube::Condition> conditions;
    bool closing = false;  // the last one: what is not there needs no such word
  };
  void record_changes(const std::vector<PeerStatus>& peers);
  void look_at_bfd(const std::vector<PeerStatus>& peers);
  Report report(const std::vector<PeerStatus>& peers) const;
  Task<Result<>> write(Report report);

  kube::Client& client_;
  NodeController& controller_;
  SpeakerEdge& speaker_;
  Options options_;
  kube::EventRecorder events_;
  using PeerName = std::pair<std::string, std::string>;  // instance, peer
  std::map<PeerName, bool> up_;                          // established
  std::map<PeerName, Steady::time_point> unwatched_;     // since when it is up without its BFD
  std::string trouble_, bfd_trouble_;
};

}  // namespace weft::bgp::control
