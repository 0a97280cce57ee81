// A lab on this machine: where its things are and what is written down about it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "lab/sys/process.h"
#include "lab/topology/plan.h"

namespace weft::lab {

/// Everything that a lab leaves outside its own namespaces: a folder and a cgroup, both named after it. There are
/// no mounts and no interfaces of it in the machine's own namespaces.
struct LabPaths {
  std::string name;
  std::string run;     // /run/weft-lab/<name>
  std::string cgroup;  // <cgroup2>/weft-lab/<name>

  std::string sandbox(const std::string& s) const { return run + "/sandboxes/" + s; }
  std::string sandbox_cgroup(const std::string& s) const { return cgroup + "/" + s; }
  std::string kubeconfig() const { return run + "/kubeconfig"; }
  std::string processes() const { return run + "/processes.json"; }
  std::string record() const { return run + "/lab.json"; }
  std::string log(const std::string& process) const { return run + "/log/" + process + ".log"; }
};
/// The error names the rule for names, or says that cgroup v2 is missing.
Result<LabPaths> lab_paths(const std::string& name);

/// What `up` wrote down for the other commands.
struct LabRecord {
  LabPaths paths;
  std::string bin;  // folder of the programs
  Topology topology;
  std::string topology_text;
  std::map<std::string, ProcessId> holders;   // by sandbox
  std::map<std::string, unsigned> api_ports;  // by cluster: a loopback port of this machine
  ProcessId supervisor;
  std::int64_t created = 0;  // Unix seconds
};
Result<> save_record(const LabRecord& record);
/// Errc::not_found when there is no such lab; the message lists those that are there.
Result<LabRecord> load_record(const std::string& name);
std::vector<std::string> lab_names();

/// One supervised process as the supervisor last wrote it.
struct ProcessStatus {
  std::string name;
  ProcessId id;
  std::int64_t restarts = 0;
  std::string last_end;
  std::string log;
};
std::vector<ProcessStatus> process_statuses(const LabPaths& paths);

}  // namespace weft::lab
