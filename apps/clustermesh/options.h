// What weft-clustermesh is told: flags, and the files of the weft-config ConfigMap, one file a key. A flag wins.
#pragma once

#include <chrono>
#include <string>

#include "base/log.h"
#include "base/net.h"
#include "kvstore/client.h"
#include "mesh/export.h"

namespace weft::clustermesh {

struct Options {
  mesh::LocalCluster local{"", 0, 255};  // cluster-name, cluster-id, max-connected-clusters
  kvstore::Options store;                // etcd-endpoint, etcd-ca, etcd-cert, etcd-key
  std::chrono::seconds lease_ttl{900};   // kvstore-lease-ttl: 25 s to 24 h
  std::string users_config;              // users-config: users.yaml
  // clustermesh-default-global-namespace: whether namespaces without annotation clustermesh.cilium.io/global are told
  // of
  bool namespaces_global_by_default = true;
  std::string kubeconfig;  // empty: in the cluster
  std::string config_dir;
  Port health_port = 9880;                     // 0: none
  std::string health_address = "127.0.0.1";    // health-address
  log::Level log_level = log::Level::info;     // debug: "true"
  log::Format log_format = log::Format::text;  // log-format

  // etcdinit
  std::string data_dir = "/var/run/etcd";
  std::string cluster_token = "clustermesh-apiserver";
  std::string etcd = "etcd";
};

/// Fills in what `options.config_dir` says for keys that no flag gave, and checks the whole. Errors name key, value
/// and mend.
Result<> read_config_dir(Options& options);
Result<> validate_run(const Options& options);

}  // namespace weft::clustermesh
