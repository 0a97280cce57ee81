// From started processes to a cluster that answers: waits for the API server, puts the lab's manifests into it,
// waits for the nodes.
#pragma once

#include <boost/json/object.hpp>

#include <functional>
#include <string>
#include <vector>

#include "lab/up/lab.h"

namespace weft::lab {

Result<> bring_up_cluster(const LabRecord& record, const ClusterSpec& cluster, bool wait_for_nodes,
                          const std::function<void(const std::string&)>& done);

/// The lab's own objects of a cluster (lab/manifests), with its addresses filled in. Pure.
Result<std::vector<boost::json::object>> manifests(const ClusterSpec& cluster);

/// What `status` shows of a cluster, asked from its API server within a few seconds.
struct NodeStatus {
  std::string name;
  std::vector<std::string> addresses;
  bool ready = false;
  std::string why;  // when not ready
  unsigned pods = 0;
  unsigned pods_ready = 0;
};
Result<std::vector<NodeStatus>> node_statuses(const LabRecord& record, const ClusterSpec& cluster);

/// The last lines of a log, indented, for an error message.
std::string log_tail(const std::string& path, std::size_t lines = 12);

}  // namespace weft::lab
