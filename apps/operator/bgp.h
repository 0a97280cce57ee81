// BGP in the operator, wired: NodeConfigs and conditions while this process leads, and their metrics.
#pragma once

#include "apps/operator/options.h"
#include "async/task.h"
#include "bgp/control/cluster_controller.h"
#include "kube/client.h"
#include "metrics/registry.h"

namespace weft::op {

class Bgp {
 public:
  Bgp(kube::Client& client, const Options& options, metrics::Registry& registry);
  /// Until cancelled; again when the lease comes back.
  Task<> run();

 private:
  kube::Client& client_;
  bgp::control::ClusterController::Options options_;
  metrics::Histogram& passes_;
  std::map<bgp::control::ObjectRef, std::uint64_t> errors_before_;  // of earlier times as leader
  std::unique_ptr<bgp::control::ClusterController> controller_;
};

}  // namespace weft::op
