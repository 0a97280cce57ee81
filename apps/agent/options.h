// What the agent is told: flags and the files of the weft-config ConfigMap, one file a key.
// Keys and defaults are Cilium's where Cilium has them (cilium-compat sections 1.12 to 1.14, 8).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/net.h"
#include "identity/labels_filter.h"
#include "model/names.h"
#include "model/service.h"
#include "routing/plan.h"

namespace weft::agent {

struct Options {
  std::string node_name;                          // node-name, else $K8S_NODE_NAME, else the host's name
  std::string cluster_name = "default";           // cluster-name
  ClusterId cluster_id = 0;                       // cluster-id
  ClusterId max_connected_clusters = 255;         // max-connected-clusters: 255 or 511
  bool ipv4 = true;                               // enable-ipv4
  bool ipv6 = true;                               // enable-ipv6
  bool masquerade_v4 = true;                      // enable-ipv4-masquerade
  bool masquerade_v6 = true;                      // enable-ipv6-masquerade
  routing::Mode routing = routing::Mode::native;  // routing-mode
  std::string tunnel_protocol = "vxlan";          // tunnel-protocol: nothing else is offered
  std::uint16_t tunnel_port = 8472;               // tunnel-port
  // underlay-protocol: auto | ipv4 | ipv6, the same in every cluster of the mesh
  routing::UnderlayProtocol underlay = routing::UnderlayProtocol::automatic;
  bool auto_direct_node_routes = true;         // auto-direct-node-routes: native mode, nodes on the same link
  std::optional<Prefix> native_routing_cidr4;  // ipv4-native-routing-cidr: not masqueraded besides pod CIDRs
  std::optional<Prefix> native_routing_cidr6;  // ipv6-native-routing-cidr
  identity::LabelsFilter labels;               // labels: rules for identity-relevant labels
  unsigned mtu = 0;                            // mtu: of the underlay, 0 = read from the device
  std::string clustermesh_config = "/var/lib/cilium/clustermesh/";  // clustermesh-config
  std::chrono::seconds clustermesh_sync_timeout{60};                // clustermesh-sync-timeout
  std::chrono::seconds clustermesh_cache_ttl{0};                    // clustermesh-cache-ttl, 0 = never
  std::string mesh_status_namespace;                                // mesh-status-namespace, empty = the pod's
  LbAlgorithm lb_algorithm = LbAlgorithm::random;                   // bpf-lb-algorithm
  std::uint32_t lb_service_map_max = 65536;                         // bpf-lb-service-map-max: frontends
  std::uint32_t lb_backend_map_max = 65536;                         // bpf-lb-backend-map-max: distinct backends
  std::uint32_t lb_slot_map_max = 0;                                // bpf-lb-slot-map-max, 0 = from the two above
  std::uint32_t lb_member_map_max = 0;                              // bpf-lb-member-map-max, 0 = from the two above
  std::uint32_t lb_affinity_map_max = 0;          // bpf-lb-affinity-map-max, 0 = the default of datapath/lb_maps.h
  std::uint32_t lb_rev_nat_map_max = 0;           // bpf-lb-rev-nat-map-max, 0 = the default
  std::uint32_t lb_maglev_table_size = 16381;     // bpf-lb-maglev-table-size, a prime
  bool service_topology = false;                  // enable-service-topology
  std::string bpf_root = "/sys/fs/bpf";           // bpf-root
  std::string cgroup_root;                        // cgroup-root, empty = the cgroup2 mount of /proc/mounts
  std::string state_dir = "/var/run/weft/state";  // state-dir
  std::string socket_path = "/var/run/weft/weft.sock";     // socket-path
  std::string cni_conf_dir;                                // write-cni-conf-to, empty = leave CNI alone
  std::string cni_bin_dir;                                 // install-cni-bin-to
  std::string bfd_socket_path = "/var/run/weft/bfd.sock";  // bfd-socket-path: weft-bfd's
  bool bgp = false;                                        // enable-bgp-control-plane
  bool bgp_status_report = true;                           // enable-bgp-control-plane-status-report
  std::string bgp_secrets_namespace = "kube-system";       // bgp-secrets-namespace
  bool bgp_legacy_origin = false;                          // enable-bgp-legacy-origin-attribute
  bool no_service_endpoints_routable = true;               // enable-no-service-endpoints-routable
  std::chrono::seconds bgp_stop_grace{2};        // bgp-stop-grace: marked routes before a clean stop, 0 = none
  std::string kubeconfig;                        // kubeconfig, empty = in cluster
  Port health_port = 9879;                       // agent-health-port, on 127.0.0.1
  std::optional<SocketAddress> metrics_address;  // prometheus-serve-addr: ":9962" is every address; none = off
  double k8s_qps = 10;                           // k8s-client-qps, 0 = no limit
  unsigned k8s_burst = 20;                       // k8s-client-burst
  log::Level log_level = log::Level::info;       // debug: "true"
  log::Format log_format = log::Format::text;    // log-format: text | json
};

/// Reads key → value pairs. Unknown keys are kept aside in `unknown` (a newer chart must not stop an older agent), but
/// for those of weft-config that only the operator reads;
/// a value that cannot be right is an error that names key, value and mend.
Result<Options> parse_options(const std::map<std::string, std::string>& values,
                              std::vector<std::string>* unknown = nullptr);

/// Files of a mounted ConfigMap: name → content without the trailing newline. Names beginning with '.' are skipped.
Result<std::map<std::string, std::string>> read_config_dir(const std::string& dir);

}  // namespace weft::agent
