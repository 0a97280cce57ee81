// EtcdProcess: a real etcd as a child process. Used by `weft-clustermesh etcdinit` (which sets up users before the
// etcd that serves is started) and by tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::kvstore {

class EtcdProcess {
 public:
  EtcdProcess() = default;
  ~EtcdProcess();  // kills it
  EtcdProcess(EtcdProcess&& o) noexcept;
  EtcdProcess& operator=(EtcdProcess&& o) noexcept;

  /// Runs `program` with `args`; its output goes to `log_file` (appended). It dies with us.
  static Result<EtcdProcess> start(const std::string& program, const std::vector<std::string>& args,
                                   const std::string& log_file);

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  /// SIGTERM, and after `grace` SIGKILL; waits for the end.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(10));

 private:
  pid_t pid_ = -1;
};

}  // namespace weft::kvstore
