// free_port(): where a test's server may listen.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>

#include "base/fd.h"

namespace weft::testing {

/// An IPv4 loopback TCP port that nothing listens on right now. Never one that this process was given before: the
/// kernel gives a port out again as soon as it is closed, and of two ports for one server the second would be the first
/// about once in 15 000 times. Throws std::runtime_error when there is none.
inline std::uint16_t free_port() {
  static std::mutex mutex;
  static std::set<std::uint16_t> given;
  const std::lock_guard lock(mutex);
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    const Fd s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    if (::bind(s.get(), reinterpret_cast<sockaddr*>(&a), n) != 0 ||
        ::getsockname(s.get(), reinterpret_cast<sockaddr*>(&a), &n) != 0)
      break;
    if (const std::uint16_t port = ntohs(a.sin_port); given.insert(port).second) return port;
  }
  throw std::runtime_error("no free loopback port");
}

}  // namespace weft::testing
