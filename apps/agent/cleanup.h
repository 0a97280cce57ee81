// What `weft-agent --cleanup` does on a node that Weft leaves: takes back what the agent put into the kernel and into
// the runtime's folders. Pods that are attached keep their links until they are deleted.
#pragma once

#include <string>
#include <vector>

#include "apps/agent/options.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// One line for each thing done or not possible; `ok` is false if something stayed.
struct CleanupReport {
  bool ok = true;
  std::vector<std::string> lines;
};
CleanupReport clean_up(const Options& options, netlink::Kernel& kernel);

}  // namespace weft::agent
