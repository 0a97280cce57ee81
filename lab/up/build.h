// `weft lab up` and `weft lab down`.
#pragma once

#include <functional>
#include <string>

#include "lab/up/lab.h"

namespace weft::lab {

struct UpOptions {
  std::string name = "default";
  std::string file;            // a topology; empty: the default one
  std::string kube_apiserver;  // path of a real kube-apiserver to run instead of the lab's
  std::string bin;             // folder of the programs; empty: where this program is
  bool network_only = false;   // namespaces, links, routes and BGP routers, no Kubernetes
  bool nodes = true;           // wait until every node has registered
  bool keep_failed = false;    // leave what was built when a later step fails
};

/// Called with one line a step, as it is done.
using Progress = std::function<void(const std::string&)>;

/// Builds the lab and waits until its API servers answer and its nodes have registered. On failure everything is
/// removed again (unless keep_failed), and the error carries the end of the log of the process at fault.
Result<LabRecord> up(const UpOptions& options, const Progress& progress);

/// Removes everything of the lab, however far it was built and whatever became of its processes. A lab that is not
/// there is success, reported as false.
Result<bool> down(const std::string& name, const Progress& progress);

/// Runs an `ip -batch` in a sandbox's network namespace.
Result<> ip_batch(const ProcessId& holder, const std::string& commands);

}  // namespace weft::lab
