// What `weft install` finds out by itself, so that it works without flags. Pure.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace weft::cli {

struct InstallFacts {
  std::string context;                           // the kubeconfig context's name
  std::string server;                            // its API server's URL
  bool name_given = false;                       // cluster.name was
  bool host_given = false;                       // k8sServiceHost was
  bool kube_proxy = false;                       // so the API server's ClusterIP answers before agents run
  std::optional<boost::json::object> endpoints;  // default/kubernetes
};

struct InstallPlan {
  std::vector<std::string> sets;   // --set-string texts
  std::vector<std::string> notes;  // what was decided, and how to decide otherwise
};

/// What the chart says of given values that do nothing, each "PATH has no effect: WHY". `config` is the ConfigMap
/// weft-config.
std::vector<std::string> values_without_effect(const boost::json::object& config);

InstallPlan install_plan(const InstallFacts&);

}  // namespace weft::cli
