// The reconcilers' hands: routes and tunnel ends into the kernel.
#pragma once

#include <map>

#include "netlink/kernel.h"
#include "routing/plan.h"
#include "state/reconciler.h"

namespace weft::routing {

/// Owns the routes of the main table with our protocol number (netlink::kRouteProtocol) and no other.
struct RouteOps : ReconcileOps<WantedRoute> {
  explicit RouteOps(netlink::Kernel& kernel) : kernel_(kernel) {}
  Task<Result<>> update(const WantedRoute& row) override;
  Task<Result<>> remove(const Prefix& destination) override;
  /// Also puts back what somebody else (or a link that went down and up) took away.
  Task<Result<>> prune(const Table<WantedRoute>& table) override;

 private:
  Result<> set(const netlink::Route& route);
  netlink::Kernel& kernel_;
};

/// Owns every permanent neighbour and forwarding entry of the tunnel device.
struct PeerOps : ReconcileOps<TunnelPeer> {
  PeerOps(netlink::Kernel& kernel, const int& tunnel_ifindex) : kernel_(kernel), ifindex_(tunnel_ifindex) {}
  Task<Result<>> update(const TunnelPeer& row) override;
  Task<Result<>> remove(const Node::Key& key) override;
  Task<Result<>> prune(const Table<TunnelPeer>& table) override;

 private:
  Result<> set(const TunnelPeer& peer);
  Result<> drop(const TunnelPeer& peer, const TunnelPeer* keep);
  netlink::Kernel& kernel_;
  const int& ifindex_;  // 0 while there is no tunnel device
  std::map<Node::Key, TunnelPeer> applied_;
};

/// Makes weft_vxlan fit and returns its index; in native mode removes it and returns 0.
Result<int> ensure_tunnel_device(netlink::Kernel&, const Config&, const Underlay&);

}  // namespace weft::routing
