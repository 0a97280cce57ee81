// What a node's conditions mean for others: taints, and pods that cannot be trusted any more. Pure.
#pragma once

#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

/// spec.taints as they should be: those that stand for conditions (not ready, unreachable, pressure, no network,
/// cordoned) follow them, all others stay as they are.
json::array taints_by_condition(const json::object& node);

/// status.conditions of a node that has not been heard of: all that its kubelet reports become Unknown.
json::array conditions_unknown(const json::object& node, Wall::time_point now);

/// status.conditions of a pod on such a node: not ready. Nothing when it is that already.
std::optional<json::array> pod_conditions_lost(const json::object& pod, Wall::time_point now);

}  // namespace weft::lab
