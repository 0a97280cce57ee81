// The node: our speaker and weft-bfd, as the processes that they are on a real one.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "tests/interop/harness/host.h"

namespace weft::bench {

struct NodeSpec {
  std::uint32_t asn = 65001, router_asn = 65000;
  std::string router;  // its address
  std::vector<std::string> prefixes;
  bool bfd = false;               // 100 ms, three times
  unsigned graceful_restart = 0;  // seconds; 0: not offered
};

/// Finds both programs beside this one. Errors are std::runtime_error with what was said.
class Node {
 public:
  Node(interop::Host& host, NodeSpec spec) : host_(host), spec_(std::move(spec)) {}

  /// `restarting`: as after a crash, with sessions that peers may have kept.
  void start(bool restarting = false);
  /// SIGKILL to the speaker; weft-bfd lives on.
  void kill_speaker() { speaker_.stop(SIGKILL); }
  /// Ends the wait with which the speaker answers a session that flaps: trials follow each other faster than failures.
  void forgive();
  std::string log() const;

 private:
  std::string path(const std::string& file) const { return host_.dir() + "/" + file; }
  interop::Host& host_;
  NodeSpec spec_;
  interop::Daemon bfd_, speaker_;
};

}  // namespace weft::bench
