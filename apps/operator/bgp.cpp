#include "apps/operator/bgp.h"

#include <unistd.h>

namespace weft::op {

namespace {

bgp::control::ClusterController::Options controller_options(const Options& o) {
  char host[256] = "weft-operator";
  ::gethostname(host, sizeof host - 1);
  bgp::control::ClusterController::Options out;
  out.secrets_namespace = o.bgp_secrets_namespace;
  out.host = host;
  if (o.bgp_router_ids) out.router_ids = bgp::control::RouterIdPool{*o.bgp_router_ids};
  return out;
}

}  // namespace

// cilium-compat section 9: the histogram has the plain namespace in the source of Cilium.
Bgp::Bgp(kube::Client& client, const Options& options, metrics::Registry& registry)
    : client_(client),
      options_(controller_options(options)),
      passes_(registry.histogram("cilium_bgp_control_plane_reconcile_run_duration_seconds",
                                 "How long one pass over the cluster's BGP objects took.", {},
                                 {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10})) {
  registry.collect([this](metrics::Samples& out) {
    auto errors = errors_before_;
    if (controller_)
      for (const auto& [object, count] : controller_->errors()) errors[object] += count;
    for (const auto& [object, count] : errors)
      out.counter("cilium_operator_bgp_control_plane_reconcile_errors_total", "What could not be written, by object.",
                  {{"resource_kind", object.kind}, {"resource_name", object.name}}, static_cast<double>(count));
  });
}

Task<> Bgp::run() {
  if (controller_)
    for (const auto& [object, count] : controller_->errors()) errors_before_[object] += count;
  controller_ = std::make_unique<bgp::control::ClusterController>(client_, options_);
  controller_->on_pass = [this](double seconds) { passes_.Observe(seconds); };
  return controller_->run();
}

}  // namespace weft::op
