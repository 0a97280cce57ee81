// Runs a program to its end and keeps what it said.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::cli {

struct Ran {
  int code = 0;  // exit status; 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

/// `argv[0]` is a path or a name looked up in PATH. `environment` is added to ours. Errc::not_found when there is no
/// such program, Errc::timeout when `limit` passed (the program is killed then).
Result<Ran> run_process(const std::vector<std::string>& argv,
                        const std::map<std::string, std::string>& environment = {},
                        std::chrono::milliseconds limit = std::chrono::minutes(10));

}  // namespace weft::cli
