// What a pod's attachment looks like in the kernel, and making it so. No state of its own: LocalPod says what
// should be, Kernel says what is.
//
//   pod namespace                         node namespace
//   eth0  10.1.0.5/32, fd00:1::5/128 ──── lxc<hash>   10.1.0.5/32 and fd00:1::5/128 dev lxc<hash>, src gateway
//   gateway/32 dev eth0, default via it   weft_host   gateway/32 and /128 (the node's own on the pod network)
//
// Neighbour entries are static on both ends, so nobody ever asks with ARP or NDP.
#pragma once

#include <string>
#include <vector>

#include "model/local_pod.h"
#include "netlink/kernel.h"

namespace weft::pods {

inline constexpr const char* kHostDevice = "weft_host";
inline constexpr const char* kHostDevicePeer = "weft_net";  // the other end; nothing uses it
inline constexpr const char* kAliasPrefix = "weft:";        // ifalias of an lxc link: weft:<attachment key>

/// "lxc" and twelve hex digits of a hash of the attachment's key: the same pod, the same name, always.
std::string host_ifname(const LocalPod::Key& key);
/// Locally administered, from the key and the end ("host", "pod").
Mac derive_mac(const std::string& key, const std::string& end);

/// The node's device on the pod network with exactly these addresses, forwarding on. A veth pair rather than a dummy,
/// which not every kernel has. Idempotent.
Result<> ensure_host_device(netlink::Kernel&, const std::vector<Address>& gateways, unsigned mtu);

/// Creates or repairs the whole attachment and fills in pod.ifindex. On failure the caller detaches.
Result<> attach_pod(netlink::Kernel&, LocalPod& pod, const std::vector<Address>& gateways);
/// Repairs the node's side of a pod whose link is there; fills in pod.ifindex. not_found when the link is gone.
Result<> repair_host_side(netlink::Kernel&, LocalPod& pod, const std::vector<Address>& gateways);
/// Removes the link, and with it routes and neighbours. Absent is success.
Result<> detach_pod(netlink::Kernel&, const LocalPod& pod);
/// CNI CHECK: says what differs from what attach_pod made.
Result<> verify_pod(netlink::Kernel&, const LocalPod& pod, const std::vector<Address>& gateways);

}  // namespace weft::pods
