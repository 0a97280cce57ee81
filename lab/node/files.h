// The files that kubelet writes into every pod. Pure.
#pragma once

#include <string>
#include <vector>

#include "lab/node/pod.h"

namespace weft::lab {

/// /etc/hosts: own addresses and spec.hostAliases; a host-network pod has the node's file as its head.
std::string hosts_file(const Pod& pod, const std::vector<std::string>& pod_ips, const std::string& node_hosts,
                       const std::string& domain);

/// /etc/resolv.conf by spec.dnsPolicy and spec.dnsConfig.
std::string resolv_conf(const Pod& pod, const std::vector<std::string>& cluster_dns, const std::string& domain,
                        const std::string& node_resolv_conf);

}  // namespace weft::lab
