// DaemonSets: one pod on every node that qualifies, and rolling updates of them. Pure.
#pragma once

#include <string>
#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

struct DaemonSetPlan {
  std::vector<std::string> create;  // nodes that get a pod
  std::vector<ObjectPtr> remove;
  json::object status;
  bool recheck = false;  // look again in a second: time alone makes a pod available, or a failed one may be replaced
};

/// `pods` is everything in the set's namespace.
DaemonSetPlan plan_daemonset(const json::object& set, const std::vector<ObjectPtr>& nodes,
                             const std::vector<ObjectPtr>& pods, Wall::time_point now);

/// The pod for one node: pinned by node affinity on the name, with the tolerations that daemons get.
json::object daemon_pod(const json::object& set, const std::string& node);

/// Value of the label controller-revision-hash of pods made from the template as it is.
std::string daemon_revision(const json::object& set);

}  // namespace weft::lab
