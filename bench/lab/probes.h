// Small UDP questions to `weft-lab-echo`, whose answers name the pod: to one pod, and to an address behind the routers.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "base/net.h"

namespace weft::bench {

/// Asks one pod every two milliseconds, from the network namespace `netns`.
class PodProbe {
 public:
  PodProbe(int netns, const SocketAddress& pod);
  ~PodProbe();
  PodProbe(const PodProbe&) = delete;
  PodProbe& operator=(const PodProbe&) = delete;

  /// When the first and, until now, the last answer came.
  std::optional<Steady::time_point> first() const;
  std::optional<Steady::time_point> last() const;

 private:
  void run(int netns, SocketAddress pod);
  mutable std::mutex mutex_;
  std::optional<Steady::time_point> first_, last_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

/// Ports to ask from, one after the other: so many that none is used again while a node's connection tracking remembers
/// its last question (30 s).
class Ports {
 public:
  std::uint16_t next() { return static_cast<std::uint16_t>(kFirst + used_++ % kCount); }

 private:
  static constexpr std::uint32_t kFirst = 20'000, kCount = 40'000;
  std::atomic<std::uint32_t> used_ = 0;
};

/// Asks an address every five milliseconds, each time from another port, so that routers and nodes take each question
/// for a connection of its own.
class ServiceProbe {
 public:
  ServiceProbe(int netns, const SocketAddress& service, Ports& ports);
  ~ServiceProbe();
  ServiceProbe(const ServiceProbe&) = delete;
  ServiceProbe& operator=(const ServiceProbe&) = delete;

  struct Counts {
    std::uint64_t sent = 0, lost = 0;
    std::map<std::string, std::uint64_t> by_pod;
    std::string error;  // of the system: nothing could be sent
  };
  Counts counts() const;
  /// Ends the questions; what has no answer a second later is lost.
  Counts stop();

 private:
  void run(int netns, SocketAddress service, Ports& ports);
  mutable std::mutex mutex_;
  Counts counts_;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace weft::bench
