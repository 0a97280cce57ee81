// NodePublisher: keeps this node's CiliumNode object as wanted: makes it, corrects it, makes it again when somebody
// deletes it. What a Node row says is ours, and so is its absence: a WireGuard key or pools of pod CIDRs that Cilium
// left behind would be told to other clusters as this node's. Fields that a row does not know (other controllers' parts
// of spec, status) stay.
#pragma once

#include <optional>
#include <string>

#include "kube/client.h"
#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "state/table.h"

namespace weft::identity {

namespace json = boost::json;

/// What this node says of itself: labels, addresses, podCIDRs and boot id from the Node object, the addresses that
/// its pods see it by (CiliumInternalIP) and its health addresses from the agent. Pure.
Node describe_node(const kube::CoreNode& node, const kube::ClusterInfo& cluster,
                   const std::vector<Address>& internal_ips, const std::vector<Address>& health_ips = {});

class NodePublisher {
 public:
  /// `nodes` holds the cluster's CiliumNodes as read back from the API server.
  NodePublisher(kube::Client& client, Table<Node>& nodes);

  /// What the object is to say, and the uid of the Node that owns it (so that it goes with it).
  void set(Node wanted, std::string node_uid);
  /// Runs until cancelled; does nothing before set().
  Task<> run();
  /// Why the object is not as wanted; empty when it is.
  const std::string& error() const { return error_; }

 private:
  bool published() const;
  /// As published() asks: what others may add does not count.
  bool as_wanted(const Node& seen) const;
  /// Why an answer to write() is not what was written; empty when it is.
  std::string difference(const json::object& answer) const;
  /// The object as the API server has it now.
  Task<Result<json::object>> write();

  kube::Client& client_;
  Table<Node>& nodes_;
  std::optional<Node> wanted_;
  std::string uid_;
  std::uint64_t generation_ = 0;
  std::string error_;
};

}  // namespace weft::identity
