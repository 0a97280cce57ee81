// The agent's side of the CNI plugin: POST /v1/cni on the agent's socket.
#pragma once

#include <boost/json.hpp>

#include "async/task.h"
#include "pods/endpoint_manager.h"

namespace weft::pods {

class PodsApi {
 public:
  explicit PodsApi(EndpointManager& manager) : manager_(manager) {}

  /// One request (see cni.h) to what weft-cni prints: a CNI result for ADD, {} for the others when they succeed, a
  /// CNI error object (has "code") otherwise. The HTTP status is 200 in every case: the body says it all.
  Task<boost::json::value> handle(boost::json::value request);
  boost::json::value answer(const boost::json::value& request);

 private:
  EndpointManager& manager_;
};

}  // namespace weft::pods
