// Monitor: tells when links or addresses of this namespace changed, by whoever.
#pragma once

#include <functional>
#include <memory>

#include "async/task.h"

namespace weft::netlink {

class Monitor {
 public:
  /// Subscribes at once, in the caller's namespace, so that nothing that happens after is missed.
  static Result<std::unique_ptr<Monitor>> open(asio::io_context& io);
  virtual ~Monitor() = default;
  /// Calls `changed` with the index of the link that an event was about; with 0 when events were lost and anything may
  /// have changed. Runs until cancelled.
  virtual Task<> run(std::function<void(int ifindex)> changed) = 0;
};

}  // namespace weft::netlink
