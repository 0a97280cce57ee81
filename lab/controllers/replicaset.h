// ReplicaSets: what to do so that as many pods exist as are wanted, and what status to report. Pure.
#pragma once

#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

struct ReplicaSetPlan {
  std::size_t create = 0;
  std::vector<ObjectPtr> remove;
  std::vector<ObjectPtr> adopt;  // match the selector and have no controller
  json::object status;           // the whole of it, as it should be after what is known now
  bool recheck = false;          // a pod becomes available by time alone: look again in a second
};

/// `pods` is everything in the set's namespace.
ReplicaSetPlan plan_replicaset(const json::object& set, const std::vector<ObjectPtr>& pods, Wall::time_point now);

/// Whether every field of `wanted` stands in `status` already.
bool status_has(const json::object& status, const json::object& wanted);

}  // namespace weft::lab
