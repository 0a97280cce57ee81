// Routes into GoBGP over its gRPC interface: one stream, a thousand paths a message, attributes in wire form, which is
// what costs its daemon least. `gobgp mrt inject` is no way: it ends before the daemon has read all, and the last
// routes are lost.
#pragma once

#include <cstdint>
#include <string>

namespace weft::bgpbench {

/// Adds `count` routes with this next hop to the global table of the daemon that listens on a Unix socket, or takes
/// them away; returns when it has taken them all. Throws when it does not.
void inject(const std::string& socket, std::uint32_t count, const std::string& next_hop, bool withdraw = false);

}  // namespace weft::bgpbench
