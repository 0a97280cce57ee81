// Running commands with a deadline, and loads in the background.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace weft::e2e {

using Argv = std::vector<std::string>;
using Env = std::vector<std::pair<std::string, std::string>>;

struct Output {
  int code = -1;           // 128 + signal when killed
  bool timed_out = false;  // then it was killed, with its process group
  std::string out, err;
  std::string command;
  bool ok() const { return code == 0 && !timed_out; }
  /// For a failure message: the command, how it ended and what it said.
  std::string describe() const;
};

struct RunOptions {
  std::chrono::seconds limit{60};
  std::string input;
  Env env;  // added to ours
};

/// Never fails the test by itself: what an exit code means is the caller's business.
Output run(const Argv& argv, const RunOptions& options = {});

/// A process that runs beside the test. Killed with its process group when it goes out of scope.
class Background {
 public:
  explicit Background(const Argv& argv, const Env& env = {});
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background();

  bool running();
  /// Waits for the end; after `limit` SIGTERM, and SIGKILL 5 s later.
  Output wait(std::chrono::seconds limit);
  /// SIGTERM (or `signal`), then wait.
  Output stop(int signal = 0, std::chrono::seconds limit = std::chrono::seconds(10));
  /// Standard output until now.
  const std::string& so_far();

 private:
  void read_some(int timeout_ms);
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  Output result_;
  bool ended_ = false;
};

}  // namespace weft::e2e
