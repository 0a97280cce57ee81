// Network namespaces for tests as root: the test's own mount and network namespaces hold everything, so nothing is left
// behind whatever happens to the test.
#pragma once

#include <string>
#include <vector>

namespace weft::testing_netns {

/// Output and exit code of a shell command.
struct Outcome {
  int code = 0;
  std::string out;
};
Outcome shell(const std::string& command);

/// Enters fresh mount and network namespaces, once per process. False without root.
bool enter_sandbox();

/// A scratch directory that goes with the object; namespaces are files in it.
class Namespaces {
 public:
  /// `label` tells whose directory it is when somebody looks into /tmp.
  explicit Namespaces(const std::string& label);
  ~Namespaces();
  Namespaces(const Namespaces&) = delete;
  Namespaces& operator=(const Namespaces&) = delete;

  const std::string& dir() const { return dir_; }
  std::string netns(const std::string& name) const { return dir_ + "/netns-" + name; }
  void add_netns(const std::string& name);
  void remove_netns(const std::string& name);
  /// Runs a shell command inside; throws std::runtime_error with its output when it fails.
  std::string run(const std::string& name, const std::string& command) const;
  /// The same without judging.
  bool succeeds(const std::string& name, const std::string& command) const;

 private:
  std::string dir_;
  std::vector<std::string> mounted_;
};

}  // namespace weft::testing_netns
