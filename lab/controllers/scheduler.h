// Pods onto nodes: which nodes would take a pod, and the best of them. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

struct Placement {
  ObjectPtr pod;
  std::string node;  // empty: none would take it
  std::string why;   // then, as upstream words it: "0/3 nodes are available: 3 node(s) didn't match ..."
};

/// Places every pod that waits for a node and is this scheduler's (schedulerName default-scheduler). A node takes a
/// pod when it is ready or the pod tolerates that it is not, selectors match, taints are tolerated and no host port is
/// taken. Of those, the one with the fewest pods of the same controller, then with the fewest pods, then by name.
/// `assumed`: uid → node of pods placed earlier that `pods` does not show as placed yet.
std::vector<Placement> place_pods(const std::vector<ObjectPtr>& pods, const std::vector<ObjectPtr>& nodes,
                                  const std::map<std::string, std::string>& assumed);

/// Waits for a node and is the default scheduler's.
bool wants_node(const json::object& pod);

}  // namespace weft::lab
