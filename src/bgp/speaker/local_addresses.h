// Which of this node's addresses BGP speaks from and names as next hops.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netlink/node_addresses.h"

namespace weft::bgp {

using LocalAddresses = std::vector<netlink::NodeAddress>;

/// An address of the interface for talking to peers of `family` and for next hops: never a loopback or link-local one,
/// which no peer takes for a next hop, and none that is in doubt or on its way out. One with a network of its own comes
/// before a single address, which may be a virtual one that moves to another node, and of equals the oldest, so that
/// none that comes later takes its place.
std::optional<Address> best_address(const LocalAddresses& all, int ifindex, Family family);
/// The interface that has the address; 0: none.
int interface_of(const LocalAddresses& all, const Address& address);

// The same, asking the kernel.
std::optional<Address> interface_address(const std::string& interface, Family family);
/// Whether the address is in a network that one of our interfaces has an address of.
bool on_link(const Address& address);

}  // namespace weft::bgp
