// EndpointPublisher: gives every pod of this node its identity and writes its CiliumEndpoint object, repairs the object
// when somebody changes or deletes it, and removes it with the pod.
//
//   LocalPod (CNI) ┐
//   Pod, Namespace ┼─► EndpointIntent ─► allocate identity ─► CiliumEndpoint (API) and Endpoint (table)
//   CiliumEndpoint, Identity (seen back: repair) ┘
#pragma once

#include <map>
#include <set>
#include <string>

#include "async/scope.h"
#include "identity/allocator.h"
#include "identity/endpoint.h"
#include "identity/labels_filter.h"
#include "state/reconciler.h"

namespace weft::identity {

struct EndpointPublisherOptions {
  std::string cluster = "default";
  std::string node;
  std::vector<Address> node_addresses;  // the first is written into the objects; all of them mean "ours"
  LabelsFilter filter;
};

class EndpointPublisher {
 public:
  struct Tables {
    Table<LocalPod>& local_pods;
    Table<kube::Pod>& pods;  // at least those of this node
    Table<kube::Namespace>& namespaces;
    Table<kube::CiliumEndpoint>& cilium_endpoints;  // at least those of this node (kNodeLabel)
    Table<Identity>& identities;
    Table<Endpoint>& endpoints;  // written here
  };
  EndpointPublisher(kube::Client& client, IdentityAllocator& allocator, Tables tables,
                    EndpointPublisherOptions options);
  ~EndpointPublisher();

  /// Runs until cancelled.
  Task<> run();
  /// The node's addresses changed: every object is written anew. The old ones still mean "ours".
  void set_node_addresses(const std::vector<Address>& addresses);
  const ReconcileHealth& health() const;

 private:
  struct Ops;
  struct Inputs;
  Task<> derive();
  std::set<ObjectName> changed(Inputs& inputs);
  void derive_one(const ObjectName& name);
  const LocalPod* attachment(const ObjectName& name, const kube::Pod& pod) const;
  void touch(const ObjectName& name);
  bool ours(const kube::CiliumEndpoint& object) const;

  kube::Client& client_;
  IdentityAllocator& allocator_;
  Tables t_;
  EndpointPublisherOptions options_;
  bool all_again_ = false;  // derive every pod anew
  Table<EndpointIntent> intents_;
  std::unique_ptr<Ops> ops_;
  Reconciler<EndpointIntent> reconciler_;
  Notifier woken_;
  Scope scope_;
  std::map<LocalPod::Key, ObjectName> pod_of_;           // which pod an attachment served
  std::map<ObjectName, std::set<LocalPod::Key>> local_;  // the other way
  std::map<ObjectName, kube::CiliumEndpoint> written_;   // as we left it
};

}  // namespace weft::identity
