// Endpoint: a pod of this node with its identity: what `weft endpoint list` shows and the datapath asks.
#pragma once

#include <string>
#include <vector>

#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "model/identity.h"
#include "model/local_pod.h"

namespace weft::identity {

struct Endpoint {
  using Key = ObjectName;
  ObjectName pod;
  std::string pod_uid;
  std::int64_t id = 0;  // the interface index of the node's side
  std::string container_id;
  std::string interface;
  std::vector<Address> addresses;
  NumericIdentity identity = 0;  // 0 until there is one
  Labels labels;                 // identity labels
  std::string state;             // "waiting-for-identity", "ready"
  std::string why;               // what it waits for; empty when ready
  Key key() const { return pod; }
  bool operator==(const Endpoint&) const = default;
};

/// What the CiliumEndpoint of a pod must say, but for the identity's number. Derived, written by EndpointPublisher.
struct EndpointIntent {
  using Key = ObjectName;
  kube::CiliumEndpoint object;  // identity and identity_labels empty
  Labels labels;
  std::string interface;
  std::uint64_t attempt = 0;  // raised to have the object looked at again
  Key key() const { return object.name; }
  bool operator==(const EndpointIntent&) const = default;
};

/// On every CiliumEndpoint that Weft writes: whose it is, so that an agent can ask the API server for its own and no
/// others. (A field selector would need selectableFields in the CRD, which Kubernetes has from 1.32 on by default.)
inline constexpr const char* kNodeLabel = "weft.io/node";
/// Its value: the node's name, or a hash of one that is too long for a label value (63 characters).
std::string node_label_value(const std::string& node_name);

/// Pure. `labels` are the identity labels, `node` the address under which the node is known.
EndpointIntent derive_intent(const LocalPod& local, const kube::Pod& pod, Labels labels, const std::string& node_name,
                             const Address& node);

/// Same to every reader: everything but the object's own uid.
bool same_endpoint(const kube::CiliumEndpoint& a, const kube::CiliumEndpoint& b);

/// ip → identity, one row for each address; none while the endpoint has no identity or node. Pure.
std::vector<IpIdentity> ip_identities(const kube::CiliumEndpoint& endpoint, const std::string& cluster);

}  // namespace weft::identity
