#include "bfd/loop/realtime.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::bfd {
namespace {

// Above ordinary real-time work, below the kernel's own threads that must win (watchdogs run at 99).
constexpr int kPriority = 50;
constexpr int kNice = -20;

}  // namespace

std::string Scheduling::to_string() const {
  switch (kind) {
    case Kind::fifo: return fmt::format("SCHED_FIFO priority {}", value);
    case Kind::nice: return fmt::format("nice {} (SCHED_FIFO: {})", value, why);
    case Kind::normal: return fmt::format("an ordinary thread ({})", why);
  }
  return {};
}

Scheduling make_realtime() {
  ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  sched_param wanted{};
  wanted.sched_priority = kPriority;
  // Threads and processes that this one starts are ordinary again.
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &wanted) == 0)
    return {Scheduling::Kind::fifo, kPriority, {}};
  const std::string why = std::strerror(errno);
  // On Linux the nice value is the thread's own.
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice) == 0)
    return {Scheduling::Kind::nice, kNice, why};
  return {Scheduling::Kind::normal, 0, fmt::format("SCHED_FIFO: {}, nice {}: {}", why, kNice, std::strerror(errno))};
}

Result<> lock_memory() {
  // The first call reads in what is there, the second keeps stacks of threads to come from being filled to their limit.
  if (::mlockall(MCL_CURRENT) != 0) return fail(errno_error("locking the process in memory", errno));
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
    return fail(errno_error("locking future memory of the process", errno));
  return {};
}

}  // namespace weft::bfd
