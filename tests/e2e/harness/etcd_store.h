// The mesh store of a cluster of the lab, seen with stock etcdctl and the certificate that remote clusters get.
#pragma once

#include <map>
#include <string>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {

struct StoreEntry {
  std::string value;
  bool leased = false;
};

class MeshStore {
 public:
  /// Puts the certificate of Secret clustermesh-apiserver-remote-cert where etcdctl runs: on the node of the store.
  /// `name`: what the cluster of context `cluster` calls itself, when that is not the same.
  MeshStore(const Lab& lab, std::string cluster, std::string name = {});

  Output etcdctl(Argv args) const;
  /// Keys below `prefix`; a failure of etcdctl fails the test.
  std::map<std::string, StoreEntry> list(const std::string& prefix) const;
  /// All that the remote user may list.
  std::map<std::string, StoreEntry> all() const;

 private:
  std::map<std::string, StoreEntry> read(const Argv& args) const;
  const Lab& lab_;
  std::string cluster_, name_, node_;
};

}  // namespace weft::e2e
