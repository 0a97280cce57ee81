// UdpCutter: ends the wait of connected UDP sockets whose backend was deleted. A TCP peer learns of a dead backend by
// a reset or a timeout; a connected UDP socket would go on sending to an address that nobody has. It is destroyed
// with ECONNABORTED, the application reconnects, and gets a living backend.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/lb_reconciler.h"

namespace weft {

class UdpCutter {
 public:
  /// Paths of network namespaces to look into: those of the local pods, and the node's own ("/proc/1/ns/net" or
  /// "/proc/self/ns/net"). Asked for on the caller's thread at each cut. A path that is gone is skipped.
  using Namespaces = std::function<std::vector<std::string>()>;

  /// `maps` (for the reverse entries, which tell who reached a backend through a service) must outlive this.
  UdpCutter(const LbMaps& maps, Namespaces namespaces);
  ~UdpCutter();  // finishes what was asked for

  /// Returns at once; the work is done on a thread of its own. Fits LbReconciler::Options::cut_udp.
  void cut(std::vector<GoneUdpBackend> gone);
  /// Sockets destroyed so far.
  std::uint64_t destroyed() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  Namespaces namespaces_;
};

}  // namespace weft
