// What changing a peer costs: nothing, an adjustment of the running session, a new session, or another peer. Pure.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bgp/speaker/wanted.h"

namespace weft::bgp {

enum class PeerChange {
  none,
  adjust,   // taken over by the running session: routes, import, limits, BFD, timers that OPEN does not carry
  reset,    // OPEN or the TCP connection would look different (RFC 4271 §4.2), so the session starts anew
  replace,  // it is met elsewhere: the old session never returns, and nothing that was kept for it would go
};

/// `fields` names what differs, for the log and for the text of the NOTIFICATION.
struct PeerDifference {
  PeerChange change = PeerChange::none;
  std::vector<std::string> fields;
};

/// Of one peer in two states of its instance; only `local_as` and `router_id` of the instances are looked at.
PeerDifference difference(const InstanceConfig& was, const PeerConfig& old, const InstanceConfig& is,
                          const PeerConfig& now);

/// What became of an instance's peers, by name. An instance that is new has only `added`. A peer to replace is both
/// removed and added.
struct InstanceDifference {
  std::vector<std::string> removed;
  std::vector<std::string> added;
  std::vector<std::pair<std::string, PeerDifference>> changed;
};
InstanceDifference difference(const InstanceConfig& was, const InstanceConfig& is);

/// Where to listen, over all instances, sorted and without duplicates. An instance without addresses listens on the
/// wildcard of both families; a wildcard swallows single addresses of its family and port.
std::vector<SocketAddress> wanted_listeners(const Wanted& wanted);
/// Whether connections for the instance arrive at this one of the wanted listeners.
bool listens_at(const InstanceConfig& instance, const SocketAddress& listener);

/// What cannot work, as a sentence each, naming instance, peer, field, value and mend; empty when all is well. The
/// offending peer is left out by the speaker, its neighbours run. An instance's name is its key in `wanted`. Of two
/// peers that cannot both be, one that is not among `yielding` stays, and else the one of the first instance by name.
struct PeerFault {
  std::string instance;
  std::string peer;  // empty: the whole instance
  std::string why;
  bool operator==(const PeerFault&) const = default;
};
/// Instance and peer, by name.
using PeerNames = std::set<std::pair<std::string, std::string>>;
std::vector<PeerFault> faults(const Wanted& wanted, const PeerNames& yielding = {});

}  // namespace weft::bgp
