// Pods of a dual-stack cluster.
#pragma once

#include <string>
#include <vector>

#include "async/task.h"
#include "base/net.h"
#include "kube/client.h"

namespace weft::bench {

struct PodAddresses {
  Address v4, v6;
};

/// Waits until the pod has an address of each family; after kPatience (until.h) fails with its status.
Task<Result<PodAddresses>> pod_addresses(kube::Client& client, std::string ns, std::string name);

/// A node's spec.podCIDRs.
Task<Result<std::vector<Prefix>>> pod_cidrs(kube::Client& client, std::string node);

}  // namespace weft::bench
