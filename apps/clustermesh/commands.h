// The two things weft-clustermesh does. Each returns the process's exit code.
#pragma once

#include "apps/clustermesh/options.h"
#include "async/task.h"

namespace weft::clustermesh {

/// Prepares the data directory of the store: a temporary etcd on loopback, users, roles, authentication. A directory
/// that is prepared already is left as it is.
Task<int> etcd_init(asio::io_context& io, Options options);

/// Mirrors the cluster into the store until told to stop.
Task<int> run(asio::io_context& io, Options options);

}  // namespace weft::clustermesh
