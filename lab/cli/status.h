// What `weft lab status` looks at and how it prints it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/up/cluster.h"
#include "lab/up/lab.h"

namespace weft::lab {

struct LabStatus {
  std::map<std::string, std::vector<NodeStatus>> nodes;  // by cluster
  std::map<std::string, std::string> unreachable;        // clusters whose API server did not answer, and why
  std::vector<ProcessStatus> processes;
  std::vector<std::string> dead_sandboxes;
  bool supervised = true;
  /// Everything that the lab itself starts is running. Nodes may be NotReady: that is the CNI's business.
  bool running() const;
};

LabStatus look(const LabRecord& record);
std::string render_text(const LabRecord& record, const LabStatus& status);
std::string render_json(const LabRecord& record, const LabStatus& status);

}  // namespace weft::lab
