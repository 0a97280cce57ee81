#include "apps/agent/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>

#include "base/file.h"

namespace weft::agent {
namespace {

using Setter = std::function<Result<>(Options&, const std::string&)>;

Result<bool> boolean(const std::string& v) {
  if (v == "true" || v == "1") return true;
  if (v == "false" || v == "0" || v.empty()) return false;
  return fail(Errc::invalid, "use true or false");
}

template <class T>
Result<T> number(const std::string& v, std::uint64_t low, std::uint64_t high) {
  std::uint64_t n = 0;
  const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), n);
  if (ec != std::errc{} || end != v.data() + v.size() || n < low || n > high)
    return fail(Errc::invalid, fmt::format("use a number from {} to {}", low, high));
  return static_cast<T>(n);
}

// Go's durations as people write them here: 0s, 15m, 1m30s, 500ms is refused (whole seconds only).
Result<std::chrono::seconds> duration(const std::string& v) {
  std::chrono::seconds total{0};
  std::size_t at = 0;
  while (at < v.size()) {
    std::uint64_t n = 0;
    const auto [end, ec] = std::from_chars(v.data() + at, v.data() + v.size(), n);
    if (ec != std::errc{} || end == v.data() + v.size() || n > 1'000'000)
      return fail(Errc::invalid, "use a duration such as 30s or 15m");
    switch (*end) {
      case 'h': total += std::chrono::hours(n); break;
      case 'm': total += std::chrono::minutes(n); break;
      case 's': total += std::chrono::seconds(n); break;
      default: return fail(Errc::invalid, "use a duration such as 30s or 15m");
    }
    at = static_cast<std::size_t>(end - v.data()) + 1;
  }
  if (v.empty()) return fail(Errc::invalid, "use a duration such as 30s or 15m");
  return total;
}

Setter text(std::string Options::* field) {
  return [field](Options& o, const std::string& v) -> Result<> {
    o.*field = v;
    return {};
  };
}
Setter flag(bool Options::* field) {
  return [field](Options& o, const std::string& v) -> Result<> {
    auto r = boolean(v);
    if (!r) return fail(r.error());
    o.*field = *r;
    return {};
  };
}
template <class T>
Setter num(T Options::* field, std::uint64_t low, std::uint64_t high) {
  return [=](Options& o, const std::string& v) -> Result<> {
    auto r = number<T>(v, low, high);
    if (!r) return fail(r.error());
    o.*field = *r;
    return {};
  };
}
Setter secs(std::chrono::seconds Options::* field) {
  return [field](Options& o, const std::string& v) -> Result<> {
    auto r = duration(v);
    if (!r) return fail(r.error());
    o.*field = *r;
    return {};
  };
}
/// A prefix of one family; empty: none.
Setter cidr(std::optional<Prefix> Options::* field, Family family) {
  return [=](Options& o, const std::string& v) -> Result<> {
    (o.*field).reset();
    if (v.empty()) return {};
    const auto p = Prefix::parse(v);
    if (!p || p->family() != family)
      return fail(Errc::invalid, fmt::format("use an {} prefix such as {}", to_string(family),
                                             family == Family::v4 ? "10.0.0.0/8" : "fd00::/8"));
    o.*field = *p;
    return {};
  };
}
/// One of a few words.
template <class T>
Setter word(T Options::* field, std::map<std::string, T> words) {
  return [field, words = std::move(words)](Options& o, const std::string& v) -> Result<> {
    const auto it = words.find(v);
    if (it != words.end()) {
      o.*field = it->second;
      return {};
    }
    std::string all;
    for (const auto& [name, value] : words) all += (all.empty() ? "" : ", ") + name;
    return fail(Errc::invalid, "use one of " + all);
  };
}

bool is_prime(std::uint32_t n) {
  for (std::uint32_t d = 2; d <= n / d; ++d)
    if (n % d == 0) return false;
  return n > 1;
}

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> all{
      {"node-name", text(&Options::node_name)},
      {"cluster-name", text(&Options::cluster_name)},
      {"cluster-id", num(&Options::cluster_id, 0, 511)},
      {"max-connected-clusters", word<ClusterId>(&Options::max_connected_clusters, {{"255", 255}, {"511", 511}})},
      {"enable-ipv4", flag(&Options::ipv4)},
      {"enable-ipv6", flag(&Options::ipv6)},
      {"enable-ipv4-masquerade", flag(&Options::masquerade_v4)},
      {"enable-ipv6-masquerade", flag(&Options::masquerade_v6)},
      {"routing-mode",
       word<routing::Mode>(&Options::routing, {{"native", routing::Mode::native}, {"tunnel", routing::Mode::tunnel}})},
      {"tunnel-protocol", word<std::string>(&Options::tunnel_protocol, {{"vxlan", "vxlan"}})},
      {"underlay-protocol",
       word<routing::UnderlayProtocol>(&Options::underlay, {{"auto", routing::UnderlayProtocol::automatic},
                                                            {"ipv4", routing::UnderlayProtocol::ipv4},
                                                            {"ipv6", routing::UnderlayProtocol::ipv6}})},
      {"auto-direct-node-routes", flag(&Options::auto_direct_node_routes)},
      {"ipv4-native-routing-cidr", cidr(&Options::native_routing_cidr4, Family::v4)},
      {"ipv6-native-routing-cidr", cidr(&Options::native_routing_cidr6, Family::v6)},
      {"labels",
       [](Options& o, const std::string& v) -> Result<> {
         auto r = identity::LabelsFilter::with(v);
         if (!r) return fail(r.error());
         o.labels = std::move(*r);
         return {};
       }},
      {"tunnel-port", num(&Options::tunnel_port, 1, 65535)},
      {"mtu", num(&Options::mtu, 0, 65535)},
      {"clustermesh-config", text(&Options::clustermesh_config)},
      {"clustermesh-sync-timeout", secs(&Options::clustermesh_sync_timeout)},
      {"clustermesh-cache-ttl", secs(&Options::clustermesh_cache_ttl)},
      {"mesh-status-namespace", text(&Options::mesh_status_namespace)},
      {"bpf-lb-algorithm",
       word<LbAlgorithm>(&Options::lb_algorithm, {{"random", LbAlgorithm::random}, {"maglev", LbAlgorithm::maglev}})},
      {"bpf-lb-service-map-max", num(&Options::lb_service_map_max, 256, 16'000'000)},
      {"bpf-lb-backend-map-max", num(&Options::lb_backend_map_max, 256, 16'000'000)},
      {"bpf-lb-slot-map-max", num(&Options::lb_slot_map_max, 0, 268'435'456)},
      {"bpf-lb-member-map-max", num(&Options::lb_member_map_max, 0, 268'435'456)},
      {"bpf-lb-affinity-map-max", num(&Options::lb_affinity_map_max, 0, 268'435'456)},
      {"bpf-lb-rev-nat-map-max", num(&Options::lb_rev_nat_map_max, 0, 268'435'456)},
      {"bpf-lb-maglev-table-size",
       [](Options& o, const std::string& v) -> Result<> {
         auto r = number<std::uint32_t>(v, 251, 131071);
         if (!r || !is_prime(*r)) return fail(Errc::invalid, "use a prime from 251 to 131071, such as 16381");
         o.lb_maglev_table_size = *r;
         return {};
       }},
      {"enable-service-topology", flag(&Options::service_topology)},
      {"bpf-root", text(&Options::bpf_root)},
      {"cgroup-root", text(&Options::cgroup_root)},
      {"state-dir", text(&Options::state_dir)},
      {"socket-path", text(&Options::socket_path)},
      {"write-cni-conf-to", text(&Options::cni_conf_dir)},
      {"install-cni-bin-to", text(&Options::cni_bin_dir)},
      {"bfd-socket-path", text(&Options::bfd_socket_path)},
      {"enable-bgp-control-plane", flag(&Options::bgp)},
      {"enable-bgp-control-plane-status-report", flag(&Options::bgp_status_report)},
      {"bgp-secrets-namespace", text(&Options::bgp_secrets_namespace)},
      {"enable-bgp-legacy-origin-attribute", flag(&Options::bgp_legacy_origin)},
      {"enable-no-service-endpoints-routable", flag(&Options::no_service_endpoints_routable)},
      {"bgp-stop-grace", secs(&Options::bgp_stop_grace)},
      {"kubeconfig", text(&Options::kubeconfig)},
      {"agent-health-port", num(&Options::health_port, 0, 65535)},
      {"prometheus-serve-addr",
       [](Options& o, const std::string& v) -> Result<> {
         o.metrics_address.reset();
         if (v.empty()) return {};
         const auto address = SocketAddress::parse(v.starts_with(":") ? "[::]" + v : v);
         if (!address || address->port == 0) return fail(Errc::invalid, "use :9962, or address:port");
         o.metrics_address = *address;
         return {};
       }},
      {"k8s-client-qps",
       [](Options& o, const std::string& v) -> Result<> {
         const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), o.k8s_qps);
         if (ec != std::errc{} || end != v.data() + v.size() || !(o.k8s_qps >= 0 && o.k8s_qps <= 100'000))
           return fail(Errc::invalid, "use a number from 0 (no limit) to 100000");
         return {};
       }},
      {"k8s-client-burst", num(&Options::k8s_burst, 1, 100'000)},
      {"debug",
       [](Options& o, const std::string& v) -> Result<> {
         auto r = boolean(v);
         if (!r) return fail(r.error());
         o.log_level = *r ? log::Level::debug : log::Level::info;
         return {};
       }},
      {"log-format",
       word<log::Format>(&Options::log_format, {{"text", log::Format::text}, {"json", log::Format::json}})},
  };
  return all;
}

// Keys of the same ConfigMap that only the others read: apps/operator/options.cpp, apps/clustermesh/options.cpp.
bool of_another_process(const std::string& key) {
  static const std::set<std::string> keys{"crd-dir",
                                          "skip-crd-creation",
                                          "identity-gc-interval",
                                          "identity-heartbeat-timeout",
                                          "cilium-endpoint-gc-interval",
                                          "nodes-gc-interval",
                                          "leader-election-lease-duration",
                                          "leader-election-renew-deadline",
                                          "leader-election-retry-period",
                                          "operator-k8s-client-qps",
                                          "operator-k8s-client-burst",
                                          "operator-health-port",
                                          "bgp-router-id-allocation-mode",
                                          "bgp-router-id-allocation-ip-pool",
                                          "clustermesh-default-global-namespace"};
  return keys.contains(key);
}

}  // namespace

Result<Options> parse_options(const std::map<std::string, std::string>& values, std::vector<std::string>* unknown) {
  Options o;
  for (const auto& [key, value] : values) {
    const auto it = setters().find(key);
    if (it == setters().end()) {
      if (unknown && !of_another_process(key)) unknown->push_back(key);
      continue;
    }
    if (auto r = it->second(o, value); !r)
      return fail(Errc::invalid, fmt::format("{} \"{}\" cannot be used: {}", key, value, r.error().message));
  }
  if (o.node_name.empty()) {
    if (const char* env = std::getenv("K8S_NODE_NAME")) o.node_name = env;
  }
  if (o.node_name.empty()) {
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    o.node_name = host;
  }
  WEFT_TRY(validate_cluster_name(o.cluster_name, o.cluster_id));
  if (o.cluster_id != 0) WEFT_TRY(validate_cluster_id(o.cluster_id, o.max_connected_clusters));
  if (!o.ipv4 && !o.ipv6)
    return fail(Errc::invalid, "enable-ipv4 and enable-ipv6 are both \"false\": turn one of them on");
  return o;
}

Result<std::map<std::string, std::string>> read_config_dir(const std::string& dir) {
  std::map<std::string, std::string> out;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ec)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".") || !entry.is_regular_file()) continue;
    auto content = read_file(entry.path());
    if (!content) return fail(content.error());
    while (content->ends_with('\n')) content->pop_back();
    out[name] = std::move(*content);
  }
  if (ec) return fail(errno_error("config-dir " + dir, ec.value()));
  return out;
}

}  // namespace weft::agent
