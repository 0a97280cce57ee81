// Service (core/v1) as a row.
#pragma once

#include "kube/json.h"
#include "model/service.h"

namespace weft::kube {

/// Every service has a row, also one of type ExternalName. Errors: an address or port that is none.
Result<std::optional<Service>> parse_service(const json::object& object);

}  // namespace weft::kube
