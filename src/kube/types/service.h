// Service (core/v1) as a row.
#pragma once

#include "kube/json.h"
#include "model/service.h"

namespace weft::kube {

/// Every service has a row, also one of type ExternalName. Errors: an address or port that is none.
Result<std::optional<Service>> parse_service(const json::object& object);

/// As parse_service, but a service that names another proxy (label service.kubernetes.io/service-proxy-name, with
/// whatever value) has no row: it is that proxy's alone, as kube-proxy and Cilium take it.
Result<std::optional<Service>> parse_served_service(const json::object& object);

}  // namespace weft::kube
