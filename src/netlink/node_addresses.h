// The addresses of a namespace with what tells which of them to use: their state and their age.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "netlink/types.h"

namespace weft::netlink {

struct NodeAddress {
  int ifindex = 0;
  Address address;
  unsigned length = 0;
  /// Neither in doubt (tentative, or somebody else has it too: RFC 4862 §5.4) nor on its way out (deprecated, or one of
  /// the temporary ones of RFC 8981).
  bool lasting = true;
  bool secondary = false;     // IPv4: of the same network as one that came before it
  std::uint32_t created = 0;  // 1/100 s since boot
  bool operator==(const NodeAddress&) const = default;
};

/// Of the namespace that the calling thread stands in, all interfaces and both families.
Result<std::vector<NodeAddress>> node_addresses();

}  // namespace weft::netlink
