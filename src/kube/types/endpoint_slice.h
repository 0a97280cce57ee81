// EndpointSlice (discovery.k8s.io/v1) as a row.
#pragma once

#include "kube/json.h"
#include "model/service.h"

namespace weft::kube {

/// No row for slices of FQDN addresses and for those that belong to no service. Conditions that are not given are
/// resolved as model/service.h says.
Result<std::optional<EndpointSlice>> parse_endpoint_slice(const json::object& object);

}  // namespace weft::kube
