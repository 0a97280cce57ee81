// EndpointManager: the pods of this node. Turns CNI requests into links, addresses and routes, remembers them on
// disk, and publishes them as rows of Table<LocalPod>.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/local_pod.h"
#include "netlink/kernel.h"
#include "pods/ipam.h"
#include "pods/store.h"
#include "state/table.h"

namespace weft::pods {

struct EndpointOptions {
  std::string state_dir = "/var/run/weft/state";  // endpoints/ and delete-queue/ below it
  unsigned mtu = 1500;                            // of new pods: the underlay's less the tunnel's overhead
  Duration reuse_delay = std::chrono::seconds(30);
  std::function<Steady::time_point()> now = [] { return Steady::now(); };
};

/// Single-threaded, synchronous: a request takes a few milliseconds of netlink. Table source name: "pods".
class EndpointManager {
 public:
  EndpointManager(netlink::Kernel& kernel, Table<LocalPod>& table, EndpointOptions options);

  /// Restores what is on disk: keeps pods whose link is there and repairs the node's side, rebuilds the link of pods
  /// whose namespace lives without one, forgets pods whose namespace is gone. Then works off the delete queue. Call
  /// once, before serving; with or without CIDRs known.
  Result<> start(const std::vector<Prefix>& pod_cidrs);
  /// The node's podCIDRs as they are now; sets up weft_host. ADD is refused (try again later) before the first.
  Result<> set_pod_cidrs(const std::vector<Prefix>& pod_cidrs);
  void set_mtu(unsigned mtu) { options_.mtu = mtu; }

  struct AddRequest {
    std::string container_id, ifname, netns;
    ObjectName pod;
    std::string uid;
  };
  /// The same container twice gives the same answer.
  Result<LocalPod> add(const AddRequest&);
  /// Unknown is success, and so is a namespace that is gone.
  Result<> remove(const LocalPod::Key&);
  /// not_found or conflict with what is wrong.
  Result<> check(const LocalPod::Key&, const std::optional<std::vector<Address>>& previous_ips);
  /// Removes every attachment that is not named. Returns how many.
  Result<std::size_t> collect_garbage(const std::vector<LocalPod::Key>& valid);
  /// Whether an ADD would find an address.
  Result<> ready() const;
  /// Deletes that weft-cni could not deliver while no agent listened. Called by start() and before each request.
  void drain_delete_queue();

  const NodeIpam& ipam() const { return ipam_; }
  /// The node's own addresses on the pod network (CiliumInternalIP).
  std::vector<Address> gateways() const { return ipam_.gateways(); }
  std::string delete_queue_dir() const { return options_.state_dir + "/delete-queue"; }

 private:
  void restore();
  void claim_orphans();
  void forget(const LocalPod::Key&);
  Result<> save(const LocalPod&, std::uint64_t netns_id);

  netlink::Kernel& kernel_;
  Table<LocalPod>& table_;
  EndpointOptions options_;
  NodeIpam ipam_;
  EndpointStore store_;
  std::map<LocalPod::Key, StoredPod> pods_;
  std::map<LocalPod::Key, std::vector<Address>> orphans_;  // links of ours without a file: their addresses stay taken
};

}  // namespace weft::pods
