// Nodes and pods in network namespaces of the test's own, with the part of an agent that gives pods their network.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/node.h"
#include "routing/plan.h"
#include "tests/netns/namespaces.h"

namespace weft::podnet {

using testing_netns::enter_sandbox;
using testing_netns::Outcome;
using testing_netns::shell;

class World : public testing_netns::Namespaces {
 public:
  World() : Namespaces("podnet") {}
};

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
