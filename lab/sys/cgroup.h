// Cgroups (v2) as the lab uses them: a tree of its own, so that what belongs to it can be killed as one.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::lab {

/// Where this machine has cgroup v2 mounted (/proc/mounts); the error says how to mount it.
Result<std::string> cgroup2_mount();
/// Creates `path` and its parents.
Result<> make_cgroup(const std::string& path);
/// Kills every process in `path` and below (cgroup.kill, or one by one before Linux 5.14) and waits until none
/// is left. An absent cgroup is empty.
Result<> kill_cgroup(const std::string& path, std::chrono::milliseconds limit);
/// Removes `path` and all below it; they must be empty of processes. Absent is success.
Result<> remove_cgroup(const std::string& path);
/// Pids in `path` and below.
std::vector<int> cgroup_processes(const std::string& path);

}  // namespace weft::lab
