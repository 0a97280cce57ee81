// The commands that turn a plan's wires, addresses and routes into reality, for `ip -batch`. Pure.
#pragma once

#include <map>
#include <string>

#include "lab/topology/plan.h"

namespace weft::lab {

/// Wires: run in the root sandbox. `pids` are the holders' by sandbox name.
std::string wiring(const Plan& plan, const std::map<std::string, int>& pids);
/// A cable between two routers: run in the sandbox that has the port with a peer.
std::string cable(const Sandbox& sandbox, const std::map<std::string, int>& pids);
/// Addresses and routes of one sandbox: run in it. Running it again changes nothing, which is how a link that was
/// cut gets its routes back.
std::string addressing(const Sandbox& sandbox);
/// Kernel settings of a sandbox's network namespace, by path below /proc/sys.
std::map<std::string, std::string> sysctls(const Sandbox& sandbox);

}  // namespace weft::lab
