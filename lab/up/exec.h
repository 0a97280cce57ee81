// `weft lab exec` and `shell`: a command inside a node, a router, the client or a pod.
#pragma once

#include <string>
#include <vector>

#include "lab/up/lab.h"

namespace weft::lab {

/// Something of the lab that a command can run in.
struct Place {
  std::string sandbox;  // "cluster1-node1"
  ProcessId process;    // whose namespaces to enter
  std::string cgroup;   // path on the machine
  std::vector<std::string> env;
  std::string log;   // of a pod's container, a node's kubelet or a router's bgpd
  std::string name;  // for people
};

/// `target`: "cluster1/node1", "cluster1/cluster1-node1", "cluster1/router", "cluster1/cp", "client", "root", or
/// "cluster1/POD" with the namespace `ns`. `container` empty: the first. The error lists what there is.
Result<Place> find_place(const LabRecord& record, const std::string& target, const std::string& ns,
                         const std::string& container);

/// Runs `argv` there with our standard streams; its exit code.
Result<int> run_in(const Place& place, const std::vector<std::string>& argv);

}  // namespace weft::lab
