// RouterDiscovery: learns the link-local address of the router behind one interface, and tells that router ours, so
// that two ends of an unnumbered link can open a BGP session without an address in anybody's configuration.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/clock.h"
#include "base/net.h"

namespace weft::bgp {

/// Solicits at once and until somebody answers, listens for advertisements, and advertises itself with a router
/// lifetime of 0, so that nobody takes this node for a default router. An interface that is absent or down is tried
/// again. Needs CAP_NET_RAW. Which router is the peer where there are several: router_choice.h.
class RouterDiscovery {
 public:
  struct Router {
    Address address;
    unsigned ifindex = 0;
  };
  /// `heard` is called for each advertisement that makes another router than before the peer.
  RouterDiscovery(asio::io_context& io, std::string interface, std::function<void(const Router&)> heard);
  ~RouterDiscovery();
  RouterDiscovery(const RouterDiscovery&) = delete;
  RouterDiscovery& operator=(const RouterDiscovery&) = delete;

  const std::string& interface() const;
  std::optional<Router> router() const;
  /// A session with `address` is up: that is the router until release(), whoever else advertises itself.
  void settle(const Address& address);
  void release();
  /// An attempt with the router failed, and the next is for another that advertised itself. False when there is none.
  bool try_next();
  /// How many others advertised themselves.
  std::size_t others() const;
  /// Why nobody was heard, in words; empty when a router is known.
  std::string why_not() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::bgp
