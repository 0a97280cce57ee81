// What the speaker asks of the rest of the node, apart from TCP: BFD sessions and routes in the kernel. Both are
// handed the whole wanted set each time, like the speaker itself.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "bgp/packet/attributes.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

/// BFD for peers that want it (RFC 5882).
class BfdEdge {
 public:
  struct Session {
    Address remote;
    std::optional<Address> local;  // always set when `multihop`
    std::string interface;         // of a peer on a link; empty: by route
    bool multihop = false;
    std::uint8_t min_ttl = 1;  // of what arrives, when `multihop`
    PeerBfd parameters;
    bool operator==(const Session&) const = default;
  };
  struct Status {
    enum class State {
      waiting,  // not up yet, or nobody knows: no reason to do without the peer
      up,
      failed,  // it was up and the path died
    };
    State state = State::waiting;
    bool control_plane_independent = false;  // the peer's C bit (RFC 5880 §4.1)
    std::string words;                       // why not up
    bool operator==(const Status&) const = default;
  };
  virtual ~BfdEdge() = default;
  /// All sessions, by a name of the speaker's.
  virtual void want(const std::map<std::string, Session>& sessions) = 0;
  /// Who is told of changes; called from the io_context's thread, never from within want().
  virtual void on_change(std::function<void(const std::string& name, const Status& status)> told) = 0;
};

/// A route that shall be in the kernel: learned ones with next hops, or one that discards what no other route of the
/// node takes (an aggregate that is advertised).
struct KernelRoute {
  Prefix prefix;
  std::uint32_t table = 254;
  std::uint32_t metric = 0;
  struct Hop {
    Address via;
    std::string interface;  // of a link-local next hop
    auto operator<=>(const Hop&) const = default;
  };
  std::vector<Hop> hops;  // sorted; empty: blackhole
  bool operator==(const KernelRoute&) const = default;
};

class KernelEdge {
 public:
  virtual ~KernelEdge() = default;
  /// Makes the kernel's routes of netlink::kBgpRouteProtocol be these. Without `prune`, routes that an earlier run left
  /// and that are not among them stay. Errors, one a route: the others are done. A next hop that the kernel does not
  /// take is no error: the route goes in with the others, see take_refused().
  virtual std::vector<Error> apply(const std::vector<KernelRoute>& routes, bool prune) = 0;
  /// The same for some prefixes: to each of them these routes and no others. The rest stays as it is, unlooked at.
  virtual std::vector<Error> change(const std::map<Prefix, std::vector<KernelRoute>>& routes) = 0;
  /// Somebody else may have changed the kernel's routes: the next apply() reads them again and restores what differs.
  virtual void doubt() {}
  /// What of the last apply(), and of what changed since, is not in the kernel at all, and why.
  virtual std::map<Prefix, std::string> missing() const { return {}; }
  /// Next hops that the kernel did not take, each once.
  struct Refused {
    Prefix prefix;
    KernelRoute::Hop hop;
    std::string why;
  };
  virtual std::vector<Refused> take_refused() { return {}; }
};

}  // namespace weft::bgp
