// Sockets of a network namespace, seen and destroyed through sock_diag(7).
#pragma once

#include <functional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "datapath/lb_maps.h"

namespace weft {

/// True when the kernel can destroy sockets (CONFIG_INET_DIAG_DESTROY). Asks for a socket that does not exist.
bool probe_diag_destroy();

/// A connected UDP socket.
struct UdpSocket {
  std::uint64_t cookie = 0;
  LbEndpoint peer;  // IPv4-mapped peers of IPv6 sockets are IPv4 here
};

/// Destroys the connected UDP sockets of the calling thread's network namespace for which `doomed` holds; their
/// owners get ECONNABORTED. Returns how many.
Result<std::size_t> destroy_udp_sockets(const std::function<bool(const UdpSocket&)>& doomed);

/// Runs `work` on a thread of its own inside the network namespace `netns`, and waits for it.
Result<> in_network_namespace(int netns, const std::function<void()>& work);

}  // namespace weft
