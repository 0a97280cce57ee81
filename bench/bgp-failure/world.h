// client ── router (FRR) ── switch ── node (ours): the node's link can be cut without a word to the router, which keeps
// its carrier.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "bfd_watch.h"
#include "node.h"
#include "route_watch.h"
#include "tests/interop/harness/speaker.h"

namespace weft::bench {

struct WorldSpec {
  bool bfd = false;
  unsigned graceful_restart = 0;  // seconds
  std::vector<std::string> prefixes;
  bool frr_node = false;  // FRR in our place
};

class World {
 public:
  explicit World(const WorldSpec& spec);

  interop::Host client, router, the_switch, node_host;
  RouteWatch routes;
  std::unique_ptr<interop::Speaker> frr;
  std::unique_ptr<BfdWatch> bfd;
  Node node;
  std::unique_ptr<interop::Speaker> instead;  // of `node`; may be null

  /// Starts both ends and returns when all routes are in the router's kernel.
  void start();
  void wait_for_routes();
  /// Both ends of the BFD session agreed on 100 ms.
  void wait_for_bfd();
  /// The moment before the link went down.
  Steady::time_point cut() { return set_link(false); }
  void mend() { set_link(true); }
  /// Everything that helps to see why a fact did not come true.
  std::string seen();

 private:
  Steady::time_point set_link(bool up);
  std::size_t wanted_;
  Fd control_;  // a socket in the switch's network
};

}  // namespace weft::bench
