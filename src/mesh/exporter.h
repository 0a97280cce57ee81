// Exporter: keeps this cluster's mesh store equal to what Kubernetes says.
//
//   tables of Kubernetes rows → export.h → SyncStore → etcd
//
// Order: the cluster configuration first, then the data, then, kind by kind, the canary that says it is complete.
// Everything hangs on leases. Services, endpoints and identities of namespaces that are not global stay at home.
// Source: cilium-compat sections 1.2, 1.9, 1.10, 1.12, 1.17 and 3.2.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "kvstore/client.h"
#include "kvstore/lease.h"
#include "mesh/export.h"
#include "state/table.h"

namespace weft::mesh {

struct ExportSources {
  Table<Node>& nodes;  // of this cluster
  Table<Service>& services;
  Table<EndpointSlice>& slices;
  Table<kube::CiliumEndpoint>& endpoints;
  Table<Identity>& identities;
  Table<kube::Namespace>& namespaces;  // decide what of services, endpoints and identities is told
};

struct ExportOptions {
  kvstore::LeaseManager::Options lease;
  std::chrono::milliseconds heartbeat_every{60'000};
  std::chrono::milliseconds config_every{300'000};  // the cluster configuration is looked at again
  /// What a Namespace without annotation clustermesh.cilium.io/global is.
  bool namespaces_global_by_default = true;
};

class Exporter {
 public:
  Exporter(kvstore::Client& client, LocalCluster local, ExportSources sources, ExportOptions options = {});
  ~Exporter();

  /// Until cancelled (call stop() then), or until etcd turns out to hold another data set: make a new client and
  /// exporter then. Nothing is written before the cluster configuration is.
  Task<Result<>> run();
  /// Ends what run() started; the keys stay until their leases expire.
  Task<> stop();

  /// Every canary is written and no kind is behind with an error.
  bool ready() const;
  struct KindStatus {
    std::string prefix;
    std::size_t wanted = 0;
    std::size_t waiting = 0;
    bool canary = false;
    std::string error;
  };
  std::vector<KindStatus> status() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::mesh
