// Where programs are attached: the root of the cgroup2 hierarchy, and links that outlive the agent.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace weft {

/// The mount point of cgroup2 as this process sees it: every pod of the node is below, and so are the node's own
/// processes. `mounts` is the text of /proc/mounts.
Result<std::string> find_cgroup2(const std::string& mounts);
Result<std::string> find_cgroup2();

/// Makes `program` run at the hook `attach_type` of the cgroup at `cgroup_path`, by a link pinned at `pin`. A link
/// that is pinned there already for the same cgroup changes its program in one step, so that no socket call runs
/// without one; a link of another cgroup is replaced after the new one is in place.
Result<> attach_to_cgroup(int program, int attach_type, const std::string& cgroup_path, const std::string& pin);

/// Fails with the mend if `path` is not a mounted bpffs.
Result<> check_bpffs(const std::string& path);

/// Pins `fd` at `path`, replacing what is there in one step.
Result<> pin_object(int fd, const std::string& path);

}  // namespace weft
