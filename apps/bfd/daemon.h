// The daemon: one thread for BFD, one for everything else.
#pragma once

#include <string>

#include "async/task.h"

namespace weft::bfd {

struct DaemonOptions {
  std::string socket;
  bool realtime = true;
  bool lock_memory = true;
  bool control_plane_independent = true;
};

/// Runs until SIGTERM or SIGINT, then says AdminDown to every peer. The exit code.
int run_daemon(const DaemonOptions& options);

}  // namespace weft::bfd
