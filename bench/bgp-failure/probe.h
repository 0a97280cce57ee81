// A thousand small UDP packets a second from a client to an address behind the node and back; which did not return?
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/interop/harness/host.h"

namespace weft::bench {

class Probe {
 public:
  /// The echo runs in `node` on `address` (IPv4), port 7. Returns when a first packet has come back.
  Probe(const interop::Host& client, const interop::Host& node, const std::string& address);
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  void start();
  std::uint64_t sent() const { return sent_; }
  /// Returns when so many more have been sent.
  void send_more(std::uint64_t packets) const;
  struct Result {
    std::uint64_t sent = 0, lost = 0;
    double longest_gap = 0;  // milliseconds between two that came back
  };
  /// Ends the stream; what is not back two seconds later is lost.
  Result stop();

 private:
  void echo();
  void send();
  void receive();

  Fd client_, server_;
  std::atomic<bool> sending_ = false, all_sent_ = false, ending_ = false;
  std::atomic<std::uint64_t> sent_ = 0, back_ = 0;
  std::uint64_t run_ = 0;       // answers of an earlier run do not count
  std::vector<char> returned_;  // by number; the receiver's until it has ended
  Steady::duration longest_{};
  std::thread echo_, sender_, receiver_;
};

}  // namespace weft::bench
