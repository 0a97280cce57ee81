// What `weft-agent --cleanup` does on a node that Weft leaves: takes back what agents put into the kernel, the
// runtime's folders and the run folder, so that another network finds the node as Weft found it. Pods that Weft
// connected lose their network with it: their links and addresses would collide with those that the next one gives out.
// Forwarding stays on, since by now others may rely on it.
#pragma once

#include <string>
#include <vector>

#include "apps/agent/options.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// One line for each thing done or not possible; `ok` is false if something of ours stayed. The rules of plugin
/// portmap, which our CNI configuration chains, are its own: they are named and stay.
struct CleanupReport {
  bool ok = true;
  std::vector<std::string> lines;
};
/// No agent may run here meanwhile, it would put things back. What is absent already is success.
CleanupReport clean_up(const Options& options, netlink::Kernel& kernel);

/// clean_up() with its report on standard output; the exit status is 1 if something stayed. With `stay` a node that is
/// clean answers the agent's probes until SIGTERM: `weft uninstall` makes each agent's pod do this, and readiness
/// is how it hears of the end.
int clean_up_node(const Options& options, bool stay);

}  // namespace weft::agent
