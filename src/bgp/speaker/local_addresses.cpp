#include "bgp/speaker/local_addresses.h"

#include <net/if.h>

#include <algorithm>
#include <tuple>

namespace weft::bgp {

std::optional<Address> best_address(const LocalAddresses& all, int ifindex, Family family) {
  const netlink::NodeAddress* best = nullptr;
  const auto rank = [](const netlink::NodeAddress& n) {
    return std::tuple(n.length == n.address.bits(), n.secondary, n.created, n.address);
  };
  for (const netlink::NodeAddress& n : all) {
    const Address& a = n.address;
    if (n.ifindex != ifindex || a.family() != family || !n.lasting || a.is_loopback()) continue;
    if (a.is_v6() && a.is_link_local()) continue;
    if (best == nullptr || rank(n) < rank(*best)) best = &n;
  }
  return best == nullptr ? std::nullopt : std::optional(best->address);
}

int interface_of(const LocalAddresses& all, const Address& address) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& n) { return n.address == address; });
  return found == all.end() ? 0 : found->ifindex;
}

std::optional<Address> interface_address(const std::string& interface, Family family) {
  const auto all = netlink::node_addresses();
  if (!all) return std::nullopt;
  return best_address(*all, static_cast<int>(::if_nametoindex(interface.c_str())), family);
}

bool on_link(const Address& address) {
  const auto all = netlink::node_addresses();
  return all && std::any_of(all->begin(), all->end(), [&](const auto& n) {
           return n.address.family() == address.family() && Prefix(n.address, n.length).contains(address);
         });
}

}  // namespace weft::bgp
