// What the speaker knows, for `weft bgp`, metrics, events and status: values, never text to be parsed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bgp/fsm/state.h"
#include "bgp/packet/message.h"
#include "bgp/packet/types.h"

namespace weft::bgp {

struct FamilyStatus {
  bool negotiated = false;
  std::uint64_t received = 0;    // prefixes in adj-rib-in
  std::uint64_t imported = 0;    // of them in the kernel's tables
  std::uint64_t stale = 0;       // kept through the peer's restart
  std::uint64_t advertised = 0;  // prefixes the peer has from us
  std::uint64_t pending = 0;     // changes the peer has not been told yet
  bool end_of_rib_sent = false;
  bool end_of_rib_received = false;
};

struct PeerStatus {
  std::string instance;
  std::string name;
  Asn local_as = 0;
  RouterId router_id;              // ours
  Asn peer_as = 0;                 // of the OPEN; until then what is configured, 0 for any
  std::optional<Address> address;  // learned for an unnumbered peer
  std::string interface;
  Port port = 179;
  std::optional<Address> local_address;
  RouterId peer_router_id;
  SessionState state = SessionState::idle;
  DownReason down;  // the last one, also while up
  std::optional<Wall::time_point> established_at;
  std::chrono::seconds hold_time{0};  // negotiated
  std::chrono::seconds keepalive{0};
  Capabilities ours;
  Capabilities theirs;
  std::map<AfiSafi, FamilyStatus> families;
  std::string bfd;  // "", "up", "down: …", "waiting"
  std::uint64_t messages_in = 0, messages_out = 0;
  std::uint64_t updates_in = 0, updates_out = 0;
  std::uint64_t flaps = 0;             // times it left established
  std::uint64_t attribute_faults = 0;  // malformed attributes survived (RFC 7606)
  std::string last_fault;
};

/// A route as `routes available|advertised|received` shows it.
struct RouteView {
  std::string instance;
  std::string peer;  // empty for available
  Prefix prefix;
  NextHop next_hop;
  PathAttributes attributes;
  Wall::time_point since{};
  bool stale = false;
  bool best = false;
  std::string note;  // received: why it is not best or not imported; advertised: "pending"
};

/// What a query found: at most its limit of routes, and how many there are beside them.
struct RouteViews : std::vector<RouteView> {
  std::size_t more = 0;
};

/// Which routes somebody wants to see; empty fields match every one.
struct RouteQuery {
  std::string instance;
  std::string peer;
  std::optional<Family> family;
  std::optional<Prefix> prefix;   // exactly this
  std::size_t limit = 1'000'000;  // at most so many
};

/// Whether one peer has a prefix from us.
struct PrefixAnswer {
  std::string instance;
  std::string peer;
  bool advertised = false;
  std::string why;  // a sentence, for yes and no
};

struct ListenerStatus {
  SocketAddress at;
  std::string problem;  // empty: it listens
};

}  // namespace weft::bgp
