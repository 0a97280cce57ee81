// Everything that this node was asked to do and cannot, gathered from the parts that know it. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "api/problem.h"
#include "identity/endpoint.h"
#include "kube/reflector.h"
#include "model/frontend.h"
#include "state/reconciler.h"
#include "state/table.h"

namespace weft::agent {

/// Most problems are over before anybody could read of them (a pod whose labels are still on their way): what lasts
/// this long goes into the node's report.
inline constexpr auto kProblemLasts = std::chrono::seconds(10);
/// A report holds so many; the rest are told by their number.
inline constexpr std::size_t kProblemsReported = 50;

class Problems {
 public:
  /// An empty `why` is no problem.
  void add(std::string kind, std::string object, std::string why);
  /// Services that are not in the maps as they should be.
  void add_frontends(const ReconcileHealth& maps, const Table<Frontend>& frontends);
  /// Pods without an identity, and those whose CiliumEndpoint cannot be written.
  void add_endpoints(const Table<identity::Endpoint>& endpoints, const ReconcileHealth* objects);
  /// Objects of `kind` that cannot be read, and a watch that fails.
  void add_source(const std::string& kind, const kube::ReflectorHealth& health);

  /// Sorted, each once.
  std::vector<api::Problem> take() &&;

 private:
  std::vector<api::Problem> all_;
};

/// Why the frontend is not in the maps as it should be; empty when it is, or will be in a moment.
std::string error_of(const ReconcileHealth& maps, const FrontendKey& frontend);

}  // namespace weft::agent
