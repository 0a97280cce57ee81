// Starting processes: in a cgroup, in the namespaces of another process, with their output where we want it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace weft::lab {

struct SpawnOptions {
  std::vector<std::string> argv;    // argv[0] is looked up in env's PATH
  std::vector<std::string> env;     // "KEY=value"; empty: this process's own
  std::string cwd;                  // empty: stays, or / after entering a mount namespace
  std::string cgroup;               // path as this process sees it, joined first
  int namespaces_of = -1;           // a pidfd; -1: stay here
  int namespace_flags = 0;          // which of its namespaces: CLONE_NEWNET | …
  int in = -1, out = -1, err = -1;  // -1: in is /dev/null, out and err are inherited
  bool inherit_in = false;
  std::vector<int> keep;  // further descriptors to leave open, under the same number
  bool new_session = false;
};

/// Returns once the program runs (exec succeeded); the error names the step that failed.
Result<pid_t> spawn(const SpawnOptions& options);

/// How a process ended, as a shell counts: its code, or 128 + signal.
int exit_code(int wait_status);

/// Waits for a child of ours.
int wait_for(pid_t pid);

struct Output {
  int code = 0;
  std::string out;  // standard output and standard error together
};
/// Runs to the end, feeding `input`. Blocks: for `up` and `down`, not for event loops.
Result<Output> run_blocking(SpawnOptions options, const std::string& input = {});

/// A process that is still the one we mean: pids are reused, start times are not.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  // field 22 of /proc/PID/stat, clock ticks since boot
  bool operator==(const ProcessId&) const = default;
};
/// Nothing if it does not exist or is a zombie.
std::optional<ProcessId> identify(pid_t pid);
inline bool alive(const ProcessId& p) { return p.pid > 0 && identify(p.pid) == p; }

/// pidfd_open, after checking that the process is still `p`.
Result<Fd> open_process(const ProcessId& p);

/// The folder of the running program: where the lab's other programs are.
std::string program_folder();

}  // namespace weft::lab
