// Making one thread run when it wants to, and saying how far that went.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::bfd {

/// How a thread is scheduled. Never an error: a machine that allows nothing still runs BFD, and says so.
struct Scheduling {
  enum class Kind { fifo, nice, normal };
  Kind kind = Kind::normal;
  int value = 0;    // SCHED_FIFO's priority, or the nice value
  std::string why;  // why it is not SCHED_FIFO
  std::string to_string() const;
};

/// SCHED_FIFO for the calling thread where allowed, else nice -20, else as it is; and timers without slack.
Scheduling make_realtime();

/// Every page of the process stays in memory: what is there now is read in, what comes is locked when it is touched.
Result<> lock_memory();

}  // namespace weft::bfd
