// LocalPod: a pod attached to this node by our CNI plugin. Written by src/pods, read by whoever publishes
// endpoints (CiliumEndpoint, ip -> identity) and by `weft endpoint list`.
#pragma once

#include <string>
#include <vector>

#include "base/net.h"
#include "model/names.h"

namespace weft {

struct LocalPod {
  /// "<container id>/<interface in the pod>", CNI's unit of attachment.
  using Key = std::string;

  std::string container_id;
  std::string pod_ifname;  // "eth0"
  ObjectName pod;          // namespace and name; empty when the runtime did not say
  std::string uid;         // K8S_POD_UID; empty when the runtime did not say
  std::vector<Address> ips;
  std::string netns;        // path as the runtime gave it
  std::string host_ifname;  // "lxc1a2b3c4d5e6f"
  int ifindex = 0;          // of host_ifname
  Mac host_mac;
  Mac pod_mac;
  unsigned mtu = 0;

  Key key() const { return container_id + "/" + pod_ifname; }
  bool operator==(const LocalPod&) const = default;
};

}  // namespace weft
