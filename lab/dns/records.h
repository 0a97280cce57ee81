// Which names a cluster's DNS answers: the Kubernetes DNS specification (github.com/kubernetes/dns, version 1.1.0),
// sections 2.3 (ClusterIP services) and 2.4 (headless services), as a hosts file. Pure.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/service.h"

namespace weft::lab {

/// Addresses by name, without the final dot.
using Records = std::map<std::string, std::set<Address>>;

/// Services with an address answer with it; headless ones with their ready endpoints, and each endpoint with a host
/// name under that name as well.
Records records(const std::vector<std::shared_ptr<const Service>>& services,
                const std::vector<std::shared_ptr<const EndpointSlice>>& slices, const std::string& domain);

/// "10.96.0.10 kube-dns.kube-system.svc.cluster.local" lines.
std::string hosts_text(const Records& records);

}  // namespace weft::lab
