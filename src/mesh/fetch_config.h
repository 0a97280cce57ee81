// What a remote's store is asked first: its cluster configuration. Why there is no answer is found out and said in
// words that name both clusters and the mend: not reached, another CA on either side, no permission, nothing written
// there.
#pragma once

#include <string>

#include "async/task.h"
#include "kvstore/client.h"
#include "mesh/values/codec.h"

namespace weft::mesh {

struct ConfigQuestion {
  std::string us;          // this cluster's name
  std::string name;        // the remote's
  kvstore::Options store;  // as configured
};

/// Errc::invalid and Errc::unauthorized: it answered, and somebody has to mend something.
Task<Result<ClusterConfig>> fetch_cluster_config(kvstore::Client& client, ConfigQuestion question);

}  // namespace weft::mesh
