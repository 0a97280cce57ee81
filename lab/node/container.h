// Starting, watching and ending one run of a container: a process with a parent (weft-lab-init run) that outlives
// weft-lab-node and writes down how the process ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "async/task.h"
#include "lab/node/lifecycle.h"
#include "lab/sys/process.h"
#include "lab/sys/rootfs.h"

namespace weft::lab {

struct RuntimeConfig {
  std::string init_program;         // weft-lab-init
  std::string machine_root;         // the machine's root as seen from the node
  std::vector<std::string> shared;  // paths that containers see as they are
  std::string scratch;              // an empty folder: mount point inside each container's own namespace
  std::string state_dir;            // records and logs
  std::string cgroups = "/sys/fs/cgroup";
};

struct RunSpec {
  std::string container;
  std::string pod_uid;
  int attempt = 0;
  std::string log;    // relative to state_dir
  std::string netns;  // empty: the node's
  bool private_cgroup = true;
  std::string hostname;
  std::vector<BindMount> binds;
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string cwd;
};

/// One run, as it is written down in the pod's record.
struct Run {
  ProcessId shim;
  ProcessId process;
  int attempt = 0;
  std::string started_at;
  std::string cgroup;  // below the node's root cgroup: "/kubepods/pod…/name-0"
  std::string log;     // relative to state_dir
  std::string state;   // folder of exit.json
  std::vector<std::string> env;
};
json::object to_json(const Run& run);
Run run_from_json(const json::object& o);

/// The error is for the container's status: the program does not exist, a mount failed.
Task<Result<Run>> start_run(RuntimeConfig config, RunSpec spec);
/// Waits for the end. A run whose end nobody recorded (its shim was killed) has code 137 and says so.
Task<Ended> end_of_run(Run run, std::string state_dir);
/// Sends a signal to the main process; an ended one is ignored.
void signal_run(const Run& run, int signal);
/// Kills every process of the run.
void kill_run(const RuntimeConfig& config, const Run& run);

}  // namespace weft::lab
