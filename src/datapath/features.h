// What this kernel offers to the datapath, found by trying it. Needs CAP_BPF and CAP_NET_ADMIN.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace weft {

struct KernelFeatures {
  // Without these the datapath does not start.
  bool sock_addr = false;    // programs at connect, sendmsg, recvmsg (4.17, 4.18, 5.2) and getpeername (5.8)
  bool cgroup_link = false;  // bpf_link on a cgroup (5.7)
  bool mmap_array = false;   // array maps that user space can map (5.5)
  // Without these it does something less.
  bool set_retval = false;    // 5.18: a service without backends gives ECONNREFUSED, otherwise EPERM
  bool netns_cookie = false;  // 5.7: session affinity a pod, otherwise a node
  bool batch = false;         // 5.6: whole maps in few system calls, otherwise one call an entry
  bool diag_destroy = false;  // CONFIG_INET_DIAG_DESTROY: connected UDP sockets of deleted backends are cut off

  /// Names what is missing and without which there is no datapath.
  Result<> require() const;
  /// One line for each missing optional feature: what it costs.
  std::vector<std::string> degraded() const;
};

KernelFeatures probe_kernel();

}  // namespace weft
