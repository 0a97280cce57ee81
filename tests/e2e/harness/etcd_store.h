// The mesh store of a cluster of the lab, seen with stock etcdctl and a certificate of the mesh.
#pragma once

#include <map>
#include <string>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {

struct StoreEntry {
  std::string value;
  bool leased = false;
};

/// Whose certificate asks: a Secret of a cluster.
struct StoreCertificate {
  std::string cluster;  // empty: that of the store
  std::string secret = "clustermesh-apiserver-remote-cert";
};

class MeshStore {
 public:
  /// Puts the certificate where etcdctl runs: on the node of the store.
  /// `name`: what the cluster of context `cluster` calls itself, when that is not the same.
  MeshStore(const Lab& lab, std::string cluster, std::string name = {}, StoreCertificate certificate = {});

  Output etcdctl(Argv args) const;
  /// Keys below `prefix`; a failure of etcdctl fails the test.
  std::map<std::string, StoreEntry> list(const std::string& prefix) const;
  /// All that the remote user may list.
  std::map<std::string, StoreEntry> all() const;

 private:
  std::map<std::string, StoreEntry> read(const Argv& args) const;
  const Lab& lab_;
  std::string cluster_, name_, node_, dir_;
};

}  // namespace weft::e2e
