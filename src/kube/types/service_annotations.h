// What the annotations of a Service say (cilium-compat section 3.1). Pure.
#pragma once

#include "model/service.h"

namespace weft::kube {

struct ServiceAnnotations {
  bool global = false;
  bool shared = true;
  ServiceAffinity affinity = ServiceAffinity::none;
  std::optional<LbAlgorithm> algorithm;
  std::string unrecognised;  // in words, for a log line; the value was treated as absent
};

/// service.cilium.io/{global,shared,affinity,lb-algorithm} and the aliases io.cilium/{global-service,shared-service,
/// service-affinity}; the current key wins. "true" counts in any case, every other text is false.
ServiceAnnotations read_service_annotations(const Labels& annotations);

}  // namespace weft::kube
