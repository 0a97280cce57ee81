// Processes that open TCP connections one after the other, each in its own network namespace, on command.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace weft::connrate {

/// What a client connects to, chosen at random for each connection.
struct Targets {
  std::uint32_t first = 0;  // IPv4, host order
  std::uint32_t count = 0;
  std::uint32_t step = 1;  // from one target's address to the next
  std::uint16_t port = 0;
};

struct Outcome {
  std::uint64_t connections = 0;
  std::uint64_t failures = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  int last_error = 0;
  double cpu_microseconds() const { return connections ? cpu_seconds * 1e6 / static_cast<double>(connections) : 0; }
  double rate() const { return seconds > 0 ? static_cast<double>(connections) / seconds : 0; }
};

class Client {
 public:
  /// Forks. The client lives in a network namespace joined to the caller's by a veth pair (192.168.<index>.0/24,
  /// default route to the caller), and in `cgroup` if one is given.
  Client(int index, const std::string& cgroup);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Outcome connect_for(const Targets& targets, int milliseconds);
  /// Runs a shell command in the client's network namespace; false if it failed.
  bool run(const std::string& command) const;

 private:
  int pid_ = -1;
  Fd channel_;
};

/// Accepts and closes on 10.1.0.1:8080 and 10.1.0.2:8080 until the process ends; forks.
int start_servers();

}  // namespace weft::connrate
