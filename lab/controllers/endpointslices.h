// EndpointSlices from a Service's selector and its pods: who is an endpoint with which conditions, and the fewest
// writes that bring the slices there. Pure. Follows KEP-0752 and KEP-1672 (terminating endpoints).
#pragma once

#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab {

inline constexpr std::string_view kSliceManager = "endpointslice-controller.k8s.io";
inline constexpr std::size_t kMaxEndpointsPerSlice = 100;

struct SlicePlan {
  std::vector<json::object> create;
  std::vector<json::object> update;  // whole objects with their resourceVersion
  std::vector<ObjectPtr> remove;
};

/// Whether this controller makes slices for the Service at all: it has a selector and is no ExternalName.
bool wants_slices(const json::object& service);

/// `pods`, `slices`: everything in the Service's namespace; slices of other managers are left alone.
SlicePlan plan_slices(const json::object& service, const std::vector<ObjectPtr>& pods,
                      const std::vector<ObjectPtr>& nodes, const std::vector<ObjectPtr>& slices);

}  // namespace weft::lab
