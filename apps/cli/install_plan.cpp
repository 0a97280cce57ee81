#include "apps/cli/install_plan.h"

#include <boost/url/parse.hpp>

#include <sstream>

#include "apps/cli/objects.h"
#include "base/net.h"
#include "model/names.h"

namespace weft::cli {

namespace {

struct HostPort {
  std::string host;
  std::string port;
};

/// Host and port of the kubeconfig's server, unless that means "this machine": a tunnel or a port of a lab.
std::optional<HostPort> server_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return std::nullopt;
  HostPort out{parsed->host_address(), parsed->port()};
  if (out.port.empty()) out.port = parsed->scheme() == "http" ? "80" : "443";
  const auto address = Address::parse(out.host);
  if (out.host.empty() || out.host == "localhost" || (address && address->is_loopback())) return std::nullopt;
  return out;
}

std::vector<HostPort> endpoints_of(const json::object& endpoints) {
  std::vector<HostPort> out;
  for (const auto& s : list(endpoints, {"subsets"})) {
    const auto* subset = s.if_object();
    if (!subset) continue;
    const auto& ports = list(*subset, {"ports"});
    const auto* port = ports.empty() ? nullptr : ports[0].if_object();
    if (!port) continue;
    for (const auto& a : list(*subset, {"addresses"}))
      if (const auto* o = a.if_object()) out.push_back({text(*o, {"ip"}), std::to_string(number(*port, {"port"}))});
  }
  return out;
}

}  // namespace

std::vector<std::string> values_without_effect(const json::object& config) {
  std::vector<std::string> out;
  std::istringstream lines(text(config, {"metadata", "annotations", "weft.io/values-without-effect"}));
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(": ");
    if (colon != std::string::npos) out.push_back(line.substr(0, colon) + " has no effect: " + line.substr(colon + 2));
  }
  return out;
}

InstallPlan install_plan(const InstallFacts& f) {
  InstallPlan plan;
  if (!f.name_given && f.context != "default" && validate_cluster_name(f.context, 1)) {
    plan.sets.push_back("cluster.name=" + f.context);
    plan.notes.push_back(
        fmt::format("cluster.name: {}, after the context (--set cluster.name=… decides otherwise)", f.context));
  }
  if (f.host_given || f.kube_proxy) return plan;
  const auto endpoints = f.endpoints ? endpoints_of(*f.endpoints) : std::vector<HostPort>();
  const auto server = server_of(f.server);
  // One API server: its own address. Several: whatever stands in front of them, if the kubeconfig names it.
  std::optional<HostPort> chosen;
  if (endpoints.size() == 1 || (!server && !endpoints.empty())) {
    chosen = endpoints[0];
  } else {
    chosen = server;
  }
  if (!chosen) {
    plan.notes.push_back(
        "no kube-proxy runs here and the API server's address is not known: agents may not reach it "
        "(--set k8sServiceHost=ADDRESS --set k8sServicePort=PORT)");
    return plan;
  }
  plan.sets.push_back("k8sServiceHost=" + chosen->host);
  plan.sets.push_back("k8sServicePort=" + chosen->port);
  plan.notes.push_back(fmt::format(
      "no kube-proxy runs here: agents reach the API server at {} port {} (--set k8sServiceHost=… decides otherwise)",
      chosen->host, chosen->port));
  return plan;
}

}  // namespace weft::cli
