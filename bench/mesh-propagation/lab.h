// A lab of the benchmark's own, brought up with the commands that everybody uses and taken down whatever happens.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::bench {

class Lab {
 public:
  /// Uses the lab `existing`, meshed already, or without one makes another. `up_args` go to `weft lab up`.
  explicit Lab(std::string existing);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  Result<> up(const std::vector<std::string>& up_args);
  /// Takes it down now, if it is ours.
  void down();
  /// weft ARGS...; what it said is in the error. From any thread.
  Result<std::string> weft(const std::vector<std::string>& args, const std::string& input_file = {});
  const std::string& kubeconfig() const { return kubeconfig_; }
  /// A folder of ours that goes when we go.
  const std::string& scratch() const { return scratch_; }

 private:
  void guard();
  std::string name_, bin_, kubeconfig_, scratch_;
  bool ours_;
  int guardian_ = -1;
  std::atomic<int> runs_ = 0;
};

}  // namespace weft::bench
