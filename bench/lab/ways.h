// The next hops that BGP has given a router's kernel for some prefixes, and since when.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/net.h"
#include "base/result.h"
#include "netlink/kernel.h"

namespace weft::bench {

/// Looks again whenever the kernel tells of a changed route or next hop; the moment is that after the look, so that a
/// withdrawal never seems earlier than it was.
class Ways {
 public:
  struct State {
    std::set<std::string> hops;
    Steady::time_point since{};
  };
  /// `netns`: the router's network namespace, as a path.
  static Result<std::unique_ptr<Ways>> open(std::string router, const std::string& netns, std::vector<Prefix> prefixes);
  ~Ways();
  Ways(const Ways&) = delete;
  Ways& operator=(const Ways&) = delete;

  const std::string& router() const { return router_; }
  const std::vector<Prefix>& prefixes() const { return prefixes_; }
  /// By the index of the prefix.
  State to(std::size_t prefix) const;
  /// "tor1: 203.0.113.30/32 via 10.0.0.11, 10.0.0.12", and what went wrong when something did.
  std::string describe() const;

 private:
  Ways(std::string router, std::vector<Prefix> prefixes, Fd events, std::unique_ptr<netlink::Kernel> kernel);
  void run();
  void look();

  std::string router_;
  std::vector<Prefix> prefixes_;
  Fd events_, stop_;
  std::unique_ptr<netlink::Kernel> kernel_;
  mutable std::mutex mutex_;
  std::vector<State> states_;
  std::string error_;
  std::thread thread_;
};

/// Waits until the kernel of `router` has so many next hops for each prefix; after kPatience (until.h) fails with those
/// that it has.
Task<Result<>> ways_through(std::string router, std::string netns, std::vector<Prefix> prefixes, std::size_t hops);

}  // namespace weft::bench
