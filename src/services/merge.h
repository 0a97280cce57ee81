// The service merge: one Service, its local endpoints and what other clusters offer under the same name,
// made into the frontends that the datapath answers for. Pure: values in, values out.
// Source: cilium-compat sections 3.3 (rules) and 3.4 (affinity).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/frontend.h"
#include "model/service.h"

namespace weft::services {

/// Where the merge is computed: what differs from node to node and from cluster to cluster.
struct Site {
  std::string cluster;            // our own name: a feed of that name is ignored
  std::string node;               // for internalTrafficPolicy: Local and topology hints
  std::string zone;               // topology.kubernetes.io/zone of the node, empty if unknown
  bool service_topology = false;  // loadBalancer.serviceTopology
  LbAlgorithm default_algorithm = LbAlgorithm::random;
  bool ipv4 = true;
  bool ipv6 = true;
  bool operator==(const Site&) const = default;
};

/// Backends of clusters that have not spoken yet, as last known for this frontend; `cluster` is never empty.
using LastKnown = std::function<std::vector<Backend>(const FrontendKey&)>;

/// All frontends of `service`, each with every backend that could serve it: those that may take traffic now have
/// `preferred`, the others say in `held_back` why not. Sorted by address; empty for headless and ExternalName. What a
/// slice or a feed says of an address counts more than what was last known of it.
std::vector<Frontend> merge(const Site& site, const Service& service,
                            const std::vector<std::shared_ptr<const EndpointSlice>>& slices,
                            const std::vector<std::shared_ptr<const ClusterService>>& remotes,
                            const LastKnown& last_known = {});

}  // namespace weft::services
