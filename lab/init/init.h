// weft-lab-init: the small processes that hold a lab together. Each is the lab's own and dies with its cgroup.
#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "base/result.h"

namespace weft::lab {

/// `hold CONFIG`: makes namespaces and a file system view, says "ready" on standard output, and then only lives:
/// while it does, the sandbox exists. CONFIG is JSON:
///   hostname, cgroup (already joined), scratch, shared [], binds [{source,target}], folders [] (made empty),
///   files {path: content}, sysctls {"net/ipv4/ip_forward": "1"}, lower_inside
int hold(const boost::json::object& config);

/// `run SPEC`: starts one container and stays behind as its parent, so that its end is recorded even when
/// weft-lab-node is not there to see it. Prints {"shim":pid,"shim_start":…,"pid":…,"start":…} or {"error":"…"} and
/// returns; the shim goes on. SPEC is JSON:
///   state (folder: exit.json is written there), log, pod_cgroup, cgroup, netns (path or ""), private_cgroup (bool),
///   hostname, lower, scratch, shared [], binds [{source,target,read_only}], argv [], env [], cwd
int run_container(const boost::json::object& spec);

/// `supervise CONFIG`: starts the lab's processes, starts them again when they end, and forwards loopback ports of
/// the machine to API servers inside. CONFIG is JSON:
///   status (file kept up to date), processes [{name, cgroup, holder, argv [], env [], log}],
///   forwards [{fd, holder, target}]
int supervise(const boost::json::object& config);

}  // namespace weft::lab
