// NodeRouter: keeps the way to the pods of every known node open. Table<Node> in, kernel out:
//
//   Table<Node> ─ plan() ─┬─ Table<WantedRoute> ─ reconciler ─ routes
//   links, addresses ─────┤─ Table<TunnelPeer>  ─ reconciler ─ neighbours, forwarding entries of weft_vxlan
//                         └─ masquerade_ruleset() ─ nftables
//   the node's packet filter ─ ForwardGuard ─ rules that let pods through
//
// On stop everything stays in place, so that traffic flows on until the next agent adopts it.
#pragma once

#include <map>
#include <memory>

#include "async/scope.h"
#include "netlink/kernel.h"
#include "netlink/monitor.h"
#include "routing/forwarding.h"
#include "routing/masquerade.h"
#include "routing/ops.h"

namespace weft::routing {

/// The underlay as it is now: the agent asks for its MTU before it attaches pods.
Result<Underlay> detect_underlay(netlink::Kernel&, const std::vector<Address>& node_ips);

class NodeRouter {
 public:
  /// `node_ips`: this node's InternalIPs. `monitor` may be null (tests with a fake kernel).
  NodeRouter(asio::io_context& io, netlink::Kernel& kernel, Table<Node>& nodes, Config config,
             std::vector<Address> node_ips, std::unique_ptr<netlink::Monitor> monitor);

  /// Spawns the coroutines into the caller's scope.
  void start(Scope& scope);
  /// The node's InternalIPs changed: routes, tunnel and masquerade follow.
  void set_node_ips(std::vector<Address> node_ips);

  struct Status {
    std::vector<std::string> problems;  // of nodes and of this machine; empty when all is well
    std::size_t routes = 0;
    std::size_t peers = 0;
    /// Every row is applied, and what no row asks for is gone; the latter waits for remote clusters, and is not waited
    /// for when only they have still to deliver their nodes.
    bool settled = false;
  };
  Status status() const;
  /// Wakes when the status may have changed.
  Notifier& changed() { return changed_; }

 private:
  Task<> follow_nodes();
  Task<> derive();
  Result<> derive_once();
  Result<> apply_masquerade(const std::vector<std::shared_ptr<const Node>>& nodes);
  void add_to_adopted_rules(const MasqueradeSets& sets);
  void follow_reverse_path();
  void watch(int ifindex);

  netlink::Kernel& kernel_;
  Table<Node>& nodes_;
  Config config_;
  std::vector<Address> node_ips_;
  std::unique_ptr<netlink::Monitor> monitor_;

  Table<WantedRoute> routes_;
  Table<TunnelPeer> peers_;
  int tunnel_ifindex_ = 0;
  RouteOps route_ops_;
  PeerOps peer_ops_;
  Reconciler<WantedRoute> route_reconciler_;
  Reconciler<TunnelPeer> peer_reconciler_;

  Underlay underlay_;
  ForwardGuard forward_;
  std::string applied_masquerade_;
  std::map<std::string, std::string> added_masquerade_;  // to adopted rules: commands → why they failed, or nothing
  bool own_nodes_derived_ = false;                       // with all nodes of this cluster, at least
  Steady::time_point started_ = Steady::now();
  std::vector<std::string> problems_;
  std::string trouble_;         // why the last derivation failed
  std::string filter_trouble_;  // reverse path filtering cannot be set
  bool kernel_moved_ = false;   // the monitor saw something that may have taken routes away
  Notifier wake_;
  Notifier changed_;
};

}  // namespace weft::routing
