// RouterChoice: which of the routers that advertise themselves on a link is the peer. Mostly there is one; where there
// are several, no advertisement moves a session that is up, and all of them get their turn until one is. Pure.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/clock.h"
#include "base/net.h"

namespace weft::bgp {

/// The first router that is heard, until an attempt with it fails, or it is silent while another speaks; while a
/// session is up, the one that it is with.
class RouterChoice {
 public:
  struct Router {
    Address address;
    Steady::time_point heard{};
  };
  /// Of the others the ones that were heard last are remembered, so many and for so long (the longest that a router may
  /// be silent, RFC 4861 §6.2.1).
  static constexpr std::size_t kOthers = 16;
  static constexpr std::chrono::seconds kForget{1800};
  /// Three of the advertisements that routers send on an unnumbered link.
  static constexpr std::chrono::seconds kSilent{30};

  const std::optional<Router>& current() const { return current_; }
  /// How many others there are beside the current one.
  std::size_t others() const { return others_.size(); }

  // Each returns true when the current router is another one than before.

  /// An advertisement came.
  bool heard(const Address& router, Steady::time_point now);
  /// A session is up with this one, which is the peer until release().
  bool settle(const Address& router, Steady::time_point now);
  /// That session is down. The router is the first to be tried again, and has every other turn from then on.
  void release(Steady::time_point now);
  /// An attempt with the current one failed: the next is for another one, if there is any.
  bool try_next(Steady::time_point now);

 private:
  using Others = std::deque<Router>;  // in the order of their turns
  Others::iterator find(const Address& router);
  void make_current(Others::iterator next);
  void forget(Steady::time_point now);

  std::optional<Router> current_;
  Others others_;
  bool settled_ = false;
  std::optional<Address> met_;  // whom the last session was with
};

}  // namespace weft::bgp
