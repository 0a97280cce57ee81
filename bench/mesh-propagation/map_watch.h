// MapWatch: tells the moment at which a backend shows up in a node's load balancing maps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "datapath/lb_maps_bpf.h"

namespace weft::bench {

/// A thread of its own looks at the memory-mapped arrays about every 60 µs while something is expected. It reads what a
/// connect() in the kernel would: the service's choice, its slots, the backends in them.
class MapWatch {
 public:
  /// Waits until the maps below /sys/fs/bpf know `frontend`.
  static Result<std::unique_ptr<MapWatch>> open(const LbEndpoint& frontend, std::chrono::seconds limit);
  ~MapWatch();

  void expect(const LbEndpoint& backend);
  /// When the expected backend was there; nothing after `limit`.
  std::optional<Steady::time_point> wait(std::chrono::milliseconds limit);
  /// What a new connection could reach now, for messages.
  std::string describe() const;

 private:
  MapWatch(std::unique_ptr<BpfLbMaps> maps, std::uint32_t service);
  void run();
  bool present(const abi::lb_endpoint& backend) const;

  std::unique_ptr<BpfLbMaps> maps_;
  std::uint32_t service_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<abi::lb_endpoint> expected_;
  std::optional<Steady::time_point> seen_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace weft::bench
