// Light BGP peers, many in one process: they connect, count which routes they have been sent, and can send routes
// themselves as fast as the other side takes them. A receiver of their weight shows what a sender does; fifty bgpds
// beside it would show fifty bgpds.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/interop/harness/host.h"

namespace weft::bgpbench {

struct CrowdOptions {
  std::vector<std::string> from;  // an address of the host a session
  std::string to;
  std::uint32_t asn = 0;
  std::uint32_t send = 0;  // routes that each session sends once it is up
};

class Crowd {
 public:
  Crowd(const interop::Host& host, const CrowdOptions& options);
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd();

  /// Routes that every session has, at least; and at most.
  std::uint64_t least() const;
  std::uint64_t most() const;
  unsigned established() const;
  /// Sessions that have written all that they send.
  unsigned written() const;

 private:
  static constexpr std::size_t kMost = 256;
  struct Shared {
    std::atomic<unsigned> established, written;
    std::atomic<std::uint64_t> routes[kMost];
  };
  [[noreturn]] static void run(const CrowdOptions& options, Shared& shared);
  std::size_t count_;
  Shared* shared_;
  pid_t pid_ = -1;
  friend class Member;
};

}  // namespace weft::bgpbench
