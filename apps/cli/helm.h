// Helm underneath: found, run, and its complaints passed on.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::cli {

namespace json = boost::json;

/// Which cluster, as kubectl and helm understand it.
struct Target {
  std::string context;     // empty: the kubeconfig's current one
  std::string kubeconfig;  // empty: $KUBECONFIG, ~/.kube/config
  std::string ns = "kube-system";
  std::string release = "weft";
};

/// $WEFT_HELM, beside this program, .cache/tools/bin of the source tree it was built in, PATH.
Result<std::string> find_helm();
/// The same with $WEFT_KUBECTL.
Result<std::string> find_kubectl();
/// `given` (must hold a Chart.yaml), $WEFT_CHART, share/weft/chart of the installation, charts/weft of the source tree.
Result<std::string> find_chart(const std::string& given);

struct Release {
  std::string status;  // "deployed", "failed", "pending-install", …
  std::string chart;   // "weft-0.1.0"
  std::string revision;
  std::string updated;
};

class Helm {
 public:
  Helm(std::string program, Target target) : program_(std::move(program)), target_(std::move(target)) {}
  const Target& target() const { return target_; }

  /// No value: no such release.
  Result<std::optional<Release>> release() const;
  /// What was given with -f and --set; with `all` the chart's defaults too.
  Result<json::object> values(bool all = false) const;
  /// helm <arguments> with the cluster's flags added; its standard output.
  Result<std::string> run(std::vector<std::string> arguments) const;
  /// Upgrades the release to exactly these user values.
  Result<> upgrade_to(const std::string& chart, const json::object& values) const;

 private:
  std::string program_;
  Target target_;
};

/// What helm wrote to standard error, as one sentence: without "Error: ", warnings and usage.
std::string helm_complaint(const std::string& stderr_text);

}  // namespace weft::cli
