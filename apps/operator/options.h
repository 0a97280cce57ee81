// What the operator is told: the files of the weft-config ConfigMap, overridden by flags of the same names.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/net.h"

namespace weft::op {

struct Options {
  std::string kubeconfig;                                 // kubeconfig, empty = in cluster
  std::string ns;                                         // $K8S_NAMESPACE, else the service account's
  std::string crd_dir;                                    // crd-dir, empty = the ones built in
  bool install_crds = true;                               // skip-crd-creation: "false"
  std::chrono::seconds identity_gc_interval{900};         // identity-gc-interval, 0 = never
  std::chrono::seconds identity_heartbeat_timeout{1800};  // identity-heartbeat-timeout
  std::chrono::seconds endpoint_gc_interval{300};         // cilium-endpoint-gc-interval, 0 = never
  std::chrono::seconds node_gc_interval{300};             // nodes-gc-interval, 0 = never
  std::chrono::seconds lease_duration{15};                // leader-election-lease-duration
  std::chrono::seconds renew_deadline{10};                // leader-election-renew-deadline
  std::chrono::seconds retry_period{2};                   // leader-election-retry-period
  bool bgp = false;                                       // enable-bgp-control-plane
  std::string bgp_secrets_namespace = "kube-system";      // bgp-secrets-namespace
  std::optional<Prefix> bgp_router_ids;                   // bgp-router-id-allocation-ip-pool, of mode ip-pool
  double qps = 100;                                       // operator-k8s-client-qps
  unsigned burst = 200;                                   // operator-k8s-client-burst
  Port health_port = 9234;                                // operator-health-port, on 127.0.0.1; 0 = none
  log::Level log_level = log::Level::info;                // debug: "true"
  log::Format log_format = log::Format::text;             // log-format: text | json
};

/// Keys that the operator does not know are other components' and are passed over (is_known says which are its own). An
/// error names key, value and mend.
Result<Options> parse_options(const std::map<std::string, std::string>& values);

bool is_known(const std::string& key);

/// Go's form: "15m0s", "1h", "90s", "500ms" rounded up to a second; a plain number is seconds.
Result<std::chrono::seconds> parse_duration(const std::string& text);

}  // namespace weft::op
