// Deployments: one ReplicaSet a template, and the way from one to the next. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

struct DeploymentPlan {
  struct Change {
    ObjectName set;
    json::object patch;   // merge patch of the ReplicaSet
    std::string message;  // of the event, when it scales
  };
  std::optional<json::object> create;  // the ReplicaSet of the template as it is now
  std::vector<Change> changes;
  std::vector<ObjectPtr> remove;  // history beyond revisionHistoryLimit
  json::object annotations;       // to be set on the Deployment
  json::object status;            // empty: as it is
  std::optional<std::chrono::seconds> recheck;
};

/// `sets` and `pods` are those in the Deployment's namespace.
DeploymentPlan plan_deployment(const json::object& deployment, const std::vector<ObjectPtr>& sets,
                               const std::vector<ObjectPtr>& pods, Wall::time_point now);

/// An int-or-string of `total`: 3, "25%" rounded as told. Malformed counts as `fallback`.
std::int64_t resolve_count(const json::value* v, std::int64_t total, bool round_up, std::int64_t fallback);

}  // namespace weft::lab
