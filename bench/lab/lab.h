// A lab of the benchmark's own, brought up with the commands that everybody uses and taken down whatever happens.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::bench {

class Lab {
 public:
  /// Uses the lab `existing`, which is up, or without one makes another.
  explicit Lab(std::string existing);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  /// `up_args` go to `weft lab up`. Nothing is installed in the clusters of a lab that was made here.
  Result<> up(const std::vector<std::string>& up_args);
  /// Takes it down now, if it is ours.
  void down();
  /// weft ARGS...; what it said is in the error. From any thread.
  Result<std::string> weft(const std::vector<std::string>& args, const std::string& input_file = {});
  const std::string& name() const { return name_; }
  bool ours() const { return ours_; }  // made by us, and taken down by us
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
