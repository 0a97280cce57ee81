// RemoteCluster: reads one remote cluster's mesh store into our tables, for as long as it is configured.
//
//   connect → cluster configuration (checked against ours) → canaries → nodes, services, ip, identities
//
// Rows stay while the remote cannot be reached and while a changed value is bad; they go when the remote is removed
// (withdraw()), or when it turns out to have another cluster id. Services alone go when it was away for cache_ttl. A
// remote that is refused has no rows, says why in its RemoteStatus and asks again from time to time; it never touches
// the rows of others, and tables do not wait for it. Source: cilium-compat sections 1.9 to 1.13.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/scope.h"
#include "kvstore/client.h"
#include "mesh/export.h"
#include "mesh/status_check.h"
#include "mesh/tables.h"
#include "mesh/values/import.h"

namespace weft::mesh {

struct RemoteOptions {
  kvstore::Options store;  // endpoints, certificates
  /// How long tables wait for this remote before they count as initialized without it (reconcilers prune then).
  std::chrono::milliseconds sync_timeout{60'000};
  /// After how long without a connection the remote's services are dropped (its nodes, addresses and identities stay,
  /// so that what is established goes on); they come back with the next connection. 0: never.
  std::chrono::milliseconds cache_ttl{0};
  std::chrono::milliseconds retry_first{500};
  std::chrono::milliseconds retry_max{30'000};
  std::chrono::milliseconds check_every{30'000};  // status check and round trip
  /// How old the heartbeat of its weft-clustermesh may become before the remote is not ready any more.
  Duration heartbeat_within = kHeartbeatWithin;
  std::int64_t page = 256;
};

class RemoteCluster {
 public:
  /// `initial`: tables are not initialized before this remote's first list (or sync_timeout).
  RemoteCluster(asio::io_context& io, const LocalCluster& local, std::string name, RemoteOptions options, Tables tables,
                IdRegistry& ids, bool initial);
  ~RemoteCluster();
  RemoteCluster(const RemoteCluster&) = delete;

  void start();
  /// Ends everything that runs; rows and status stay.
  Task<> stop();
  /// Only when stopped: another configuration; the rows stay.
  void set_options(RemoteOptions options);
  const RemoteOptions& options() const;
  /// Only when stopped: removes every row of this remote and its status, and frees its id.
  void withdraw();
  const std::string& name() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::mesh
