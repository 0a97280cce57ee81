#include "apps/operator/options.h"

#include <charconv>
#include <cmath>
#include <set>

namespace weft::op {

namespace {

template <class T>
Result<> read_number(const std::map<std::string, std::string>& values, const char* key, T& out, double least,
                     double most) {
  const auto it = values.find(key);
  if (it == values.end() || it->second.empty()) return {};
  double n = 0;
  const auto& text = it->second;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc{} || end != text.data() + text.size() || n < least || n > most)
    return fail(Errc::invalid, std::string(key) + " \"" + text + "\": a number from " +
                                   std::to_string(static_cast<long>(least)) + " to " +
                                   std::to_string(static_cast<long>(most)));
  out = static_cast<T>(n);
  return {};
}

Result<> read_duration(const std::map<std::string, std::string>& values, const char* key, std::chrono::seconds& out) {
  const auto it = values.find(key);
  if (it == values.end() || it->second.empty()) return {};
  auto d = parse_duration(it->second);
  if (!d) return fail(d.error().in(key));
  out = *d;
  return {};
}

Result<> read_bool(const std::map<std::string, std::string>& values, const char* key, bool& out) {
  const auto it = values.find(key);
  if (it == values.end() || it->second.empty()) return {};
  if (it->second != "true" && it->second != "false")
    return fail(Errc::invalid, std::string(key) + " \"" + it->second + "\": true or false");
  out = it->second == "true";
  return {};
}

std::string text_or(const std::map<std::string, std::string>& values, const char* key, std::string otherwise = {}) {
  const auto it = values.find(key);
  return it == values.end() || it->second.empty() ? otherwise : it->second;
}

Result<> read_router_ids(const std::map<std::string, std::string>& values, std::optional<Prefix>& out) {
  const auto mode = text_or(values, "bgp-router-id-allocation-mode", "default");
  if (mode == "default") return {};
  if (mode != "ip-pool")
    return fail(Errc::invalid, "bgp-router-id-allocation-mode \"" + mode + "\": default or ip-pool");
  const auto pool = text_or(values, "bgp-router-id-allocation-ip-pool");
  const auto prefix = Prefix::parse(pool);
  if (!prefix || prefix->family() != Family::v4)
    return fail(Errc::invalid,
                "bgp-router-id-allocation-ip-pool \"" + pool + "\": an IPv4 prefix such as 10.255.0.0/24");
  out = *prefix;
  return {};
}

}  // namespace

Result<std::chrono::seconds> parse_duration(const std::string& text) {
  const auto wrong = [&] { return fail(Errc::invalid, "\"" + text + "\" is not a duration: write 15m0s, 1h or 90s"); };
  double seconds = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at == end) return wrong();
  while (at != end) {
    double n = 0;
    const auto [next, ec] = std::from_chars(at, end, n);
    if (ec != std::errc{} || n < 0) return wrong();
    const char* unit = next;
    while (unit != end && std::isalpha(static_cast<unsigned char>(*unit))) ++unit;
    const std::string_view name(next, static_cast<std::size_t>(unit - next));
    if (name == "h") {
      seconds += n * 3600;
    } else if (name == "m") {
      seconds += n * 60;
    } else if (name == "s" || (name.empty() && next == end && at == text.data())) {
      seconds += n;
    } else if (name == "ms") {
      seconds += n / 1000;
    } else {
      return wrong();
    }
    at = unit;
  }
  if (seconds > 1e9) return wrong();
  return std::chrono::seconds(static_cast<long>(std::ceil(seconds)));
}

bool is_known(const std::string& key) {
  static const std::set<std::string> keys{"kubeconfig",
                                          "crd-dir",
                                          "skip-crd-creation",
                                          "debug",
                                          "log-format",
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
                                          "enable-bgp-control-plane",
                                          "bgp-secrets-namespace",
                                          "bgp-router-id-allocation-mode",
                                          "bgp-router-id-allocation-ip-pool"};
  return keys.contains(key);
}

Result<Options> parse_options(const std::map<std::string, std::string>& values) {
  Options o;
  o.kubeconfig = text_or(values, "kubeconfig");
  o.crd_dir = text_or(values, "crd-dir");
  bool skip_crds = false, debug = false;
  WEFT_TRY(read_bool(values, "skip-crd-creation", skip_crds));
  WEFT_TRY(read_bool(values, "debug", debug));
  o.install_crds = !skip_crds;
  if (debug) o.log_level = log::Level::debug;
  WEFT_TRY(read_duration(values, "identity-gc-interval", o.identity_gc_interval));
  WEFT_TRY(read_duration(values, "identity-heartbeat-timeout", o.identity_heartbeat_timeout));
  WEFT_TRY(read_duration(values, "cilium-endpoint-gc-interval", o.endpoint_gc_interval));
  WEFT_TRY(read_duration(values, "nodes-gc-interval", o.node_gc_interval));
  WEFT_TRY(read_duration(values, "leader-election-lease-duration", o.lease_duration));
  WEFT_TRY(read_duration(values, "leader-election-renew-deadline", o.renew_deadline));
  WEFT_TRY(read_duration(values, "leader-election-retry-period", o.retry_period));
  if (o.lease_duration <= o.renew_deadline || o.renew_deadline <= o.retry_period || o.retry_period.count() == 0)
    return fail(
        Errc::invalid,
        "leader-election-lease-duration must be longer than -renew-deadline, and that longer than -retry-period");
  WEFT_TRY(read_number(values, "operator-k8s-client-qps", o.qps, 0, 100'000));
  WEFT_TRY(read_number(values, "operator-k8s-client-burst", o.burst, 1, 100'000));
  WEFT_TRY(read_number(values, "operator-health-port", o.health_port, 0, 65535));
  WEFT_TRY(read_bool(values, "enable-bgp-control-plane", o.bgp));
  o.bgp_secrets_namespace = text_or(values, "bgp-secrets-namespace", o.bgp_secrets_namespace);
  WEFT_TRY(read_router_ids(values, o.bgp_router_ids));
  const auto format = text_or(values, "log-format", "text");
  if (format != "text" && format != "json") return fail(Errc::invalid, "log-format \"" + format + "\": text or json");
  o.log_format = format == "json" ? log::Format::json : log::Format::text;
  return o;
}

}  // namespace weft::op
