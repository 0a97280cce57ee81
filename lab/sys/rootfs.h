// A file system view for a sandbox or a container: the machine's own files below, a private layer above, and
// fresh /proc, /sys, /run and /tmp. Nothing written there reaches the machine.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace weft::lab {

struct BindMount {
  std::string source;  // as seen before entering
  std::string target;  // as seen inside
  bool read_only = false;
};

struct RootSpec {
  std::string lower = "/";          // the machine's root file system
  std::string scratch;              // an existing folder; a tmpfs is mounted there, holding the upper layer
  std::vector<std::string> shared;  // seen inside under the same path, as they are
  bool own_sysfs = true;            // false: the /sys that is there (host network)
  bool own_cgroupfs = true;         // false: the /sys/fs/cgroup that is there
  bool bpffs = false;               // a bpffs of its own at /sys/fs/bpf
  bool follow_mounts = false;       // what is mounted outside later shows up in the binds (HostToContainer propagation)
  std::string lower_inside;         // where inside the machine's root stays reachable (for containers); empty: nowhere
  std::vector<std::string> empty_folders;  // tmpfs over these, whatever the machine has there
  std::vector<BindMount> binds;            // last, in this order
};

/// Makes the calling process, which must be alone in its mount namespace, see exactly that.
/// Its network and cgroup namespaces must already be the final ones.
Result<> enter_root(const RootSpec& spec);

/// Mount points of this machine that hold files of its own (further disks), which an overlay of / does not show.
std::vector<std::string> machine_volumes();

}  // namespace weft::lab
