// ConfigDir: the remote clusters as a directory of files says, and as it changes. One file a remote, named like it,
// in etcd's client YAML; a file counts only if it contains "endpoints:", so certificates may lie beside.
// Source: cilium-compat section 1.14.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "mesh/config_files.h"
#include "mesh/remote_cluster.h"

namespace weft::mesh {

class ConfigDir {
 public:
  struct Options {
    std::string path = "/var/lib/cilium/clustermesh/";
    RemoteOptions remote;  // `store` is filled in from each file
    /// Changes are noticed by inotify; this often the directory is read anyway.
    std::chrono::milliseconds rescan{10'000};
  };
  /// Start it when the nodes of this cluster are in tables.nodes: pod CIDRs of remotes are checked against them.
  ConfigDir(asio::io_context& io, LocalCluster local, Options options, Tables tables);
  ~ConfigDir();
  ConfigDir(const ConfigDir&) = delete;

  /// Reads the directory and starts what it finds, then follows changes; until cancelled. A remote whose file goes away
  /// is stopped and withdrawn; one whose file or certificates change is restarted and keeps its rows; one whose file
  /// cannot be read just now goes on as it is.
  Task<> run();
  /// Ends all remotes; rows stay (an agent that restarts must not interrupt anybody).
  Task<> stop();

  std::vector<std::string> names() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::mesh
