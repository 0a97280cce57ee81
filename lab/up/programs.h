// Which processes a lab runs and with which arguments. Pure: plan in, command lines out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/topology/plan.h"

namespace weft::lab {

struct ProgramSpec {
  std::string name;  // "cluster1-cp/etcd", "cluster1-node1/kubelet", "tor1/bgpd"
  std::string sandbox;
  std::vector<std::string> argv;
};

struct ProgramOptions {
  std::string bin;             // folder of our programs
  std::string kube_apiserver;  // a real one to run instead of the lab's; empty: ours
  unsigned kube_minor = 0;     // its version 1.N
  std::string etcd = "etcd";
  bool network_only = false;        // routers' programs, no Kubernetes
  std::vector<std::string> shared;  // paths that containers see as they are
};

/// Where files that `up` writes appear inside a sandbox.
inline constexpr const char* kConfigDir = "/etc/kubernetes";
/// A node's folder for pod records and logs; outside it is <run>/sandboxes/<node>/state.
inline constexpr const char* kStateDir = "/run/lab/state";
inline constexpr const char* kMachineRoot = "/run/lab/machine";
inline constexpr unsigned kApiPort = 6443;

std::vector<ProgramSpec> programs(const Topology& topology, const Plan& plan, const ProgramOptions& options);

}  // namespace weft::lab
