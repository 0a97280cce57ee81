// A machine of its own for a program that runs routers: fresh pid, mount and network namespaces. All that it starts
// dies with it, however it ends, and nothing it writes below /run or /etc/frr reaches the machine.
#pragma once

#include <chrono>
#include <functional>

namespace weft::interop {

/// Runs `body` as a process of its own inside and returns its exit code. It is killed after `limit`, or when the
/// caller dies. Needs root: without it, or when a namespace cannot be made, says so and returns 2.
int run_in_sandbox(const std::function<int()>& body, std::chrono::seconds limit);

/// Writable, gone with the sandbox, the same path in every Host.
inline constexpr const char* kScratch = "/run/weft-interop";

}  // namespace weft::interop
