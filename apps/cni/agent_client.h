// Talking to the agent over its Unix socket, with nothing but system calls: the plugin runs for every pod.
#pragma once

#include <expected>
#include <string>

namespace weft::cni {

struct Failure {
  bool agent_down = false;  // nobody listens; false: it listened but did not answer well
  std::string why;
};

/// POSTs `body` and returns the body of the answer. Waits at most `seconds` for it.
std::expected<std::string, Failure> post(const std::string& socket_path, const std::string& target,
                                         const std::string& body, int seconds);

}  // namespace weft::cni
