// A place of its own for programs that load BPF: network namespace, cgroup, BPF file system.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace weft::testing_bpf {

/// Runs `body` in a child process inside a fresh network namespace, mount namespace (with bpffs at bpffs()) and
/// cgroup; removes all of it afterwards, whatever the child did. Returns the child's exit code. The child is killed
/// after `limit`.
int run_in_sandbox(const std::function<int()>& body, std::chrono::seconds limit);
const std::string& bpffs();
const std::string& cgroup();

}  // namespace weft::testing_bpf
