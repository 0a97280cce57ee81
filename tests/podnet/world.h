// A small world of network namespaces for tests as root: the test's own mount and network namespaces hold everything,
// so nothing is left behind whatever happens to the test.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/node.h"
#include "routing/plan.h"

namespace weft::podnet {

/// Enters fresh mount and network namespaces, once per process. False without root.
bool enter_sandbox();

/// A scratch directory that goes with the object; namespaces are files in it.
class World {
 public:
  World();
  ~World();

  const std::string& dir() const { return dir_; }
  std::string netns(const std::string& name) const { return dir_ + "/netns/" + name; }
  void add_netns(const std::string& name);
  void remove_netns(const std::string& name);
  /// Runs a shell command inside; throws std::runtime_error with its output when it fails.
  std::string run(const std::string& ns, const std::string& command) const;
  /// The same without judging.
  bool succeeds(const std::string& ns, const std::string& command) const;

 private:
  std::string dir_;
  std::vector<std::string> mounted_;
};

/// Output and exit code of a shell command.
struct Outcome {
  int code = 0;
  std::string out;
};
Outcome shell(const std::string& command);

/// Connects from one namespace to a TCP server in another and returns the address that the server sees.
Result<std::string> peer_seen(const World&, const std::string& server_ns, const Address& server,
                              const std::string& client_ns);

/// The part of an agent that these tests are about, in a process of its own inside a node's namespace.
class AgentProcess {
 public:
  AgentProcess(const World& world, std::string ns, Node self, std::vector<Node> nodes, routing::Config config);
  ~AgentProcess() { stop(); }
  void start();  // returns when the socket answers and the routes are settled, or throws
  void stop();   // SIGTERM, and waits
  void kill();   // SIGKILL, and waits
  std::string socket() const { return dir_ + "/weft.sock"; }
  std::string state_dir() const { return dir_ + "/state"; }
  std::string ns() const { return ns_; }

 private:
  [[noreturn]] void run();
  const World& world_;
  std::string ns_, dir_;
  Node self_;
  std::vector<Node> nodes_;
  routing::Config config_;
  pid_t pid_ = -1;
};

/// weft-cni as a runtime calls it.
Outcome cni(const AgentProcess&, const std::string& command, const std::string& container,
            const std::string& netns_path, const std::string& more_config = "");

}  // namespace weft::podnet
