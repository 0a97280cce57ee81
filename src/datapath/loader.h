// SockLb: the socket load balancer in the kernel. Loads its programs, adopts the maps that an earlier run pinned, and
// attaches, so that sockets are served from before this process starts until after it ends.
//
// Below <bpffs>/weft/lb: maps/<map>, links/<hook>. Links are pinned and change their program in one step; maps are
// adopted when they are one whole set of the same layout and sizes. If they are not, a fresh set is filled while the
// old programs go on serving from the old one, and takes over when it is complete (activate).
#pragma once

#include <memory>
#include <string>

#include "datapath/features.h"
#include "datapath/lb_maps_bpf.h"

namespace weft {

class SockLb {
 public:
  struct Options {
    std::string bpffs = "/sys/fs/bpf";
    std::string cgroup;  // empty: the cgroup2 mount point found in /proc/mounts
    LbSizes sizes;
    /// Makes the choices of Maglev differ from node to node; the same in every run on this node.
    std::uint32_t maglev_salt = 0;
  };
  /// To be called in the node's own network namespace: its processes are told from pods by that.
  /// Errors: unsupported (which kernel feature is missing), invalid (no bpffs, map sizes), and the verifier's words.
  static Result<std::unique_ptr<SockLb>> load(Options options, const KernelFeatures& features);
  /// Detaches and forgets everything: for uninstall. Running connections stay; services are not translated any more.
  static Result<> unload(const std::string& bpffs);
  ~SockLb();  // leaves everything in place

  BpfLbMaps& maps();
  /// True when maps of an earlier run were taken over.
  bool adopted() const;
  /// True when programs over these maps are attached.
  bool active() const;
  /// Attaches, if load() did not because an incompatible earlier set is still serving. Idempotent.
  Result<> activate();

 private:
  struct Impl;
  explicit SockLb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
