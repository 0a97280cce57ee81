// Why a TLS connection to an etcd fails, in words: gRPC says only that it did.
#pragma once

#include <string>

#include "async/task.h"
#include "kvstore/client.h"

namespace weft::kvstore {

/// Connects once to `endpoint` (an https URL) as Client would and says what is wrong: no connection, a server
/// certificate that our CA did not sign, that is expired or for another name, or a client certificate that the server
/// refuses. `server` is what the messages call the other side. Success: TLS is not the problem.
Task<Result<>> probe_tls(std::string endpoint, Options options, std::string server);

}  // namespace weft::kvstore
