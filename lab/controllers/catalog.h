// Catalog: which kinds the server has, out of its discovery documents. Garbage collection and the deletion of
// namespaces concern all kinds, those of custom resource definitions included.
#pragma once

#include <vector>

#include "kube/client.h"
#include "lab/controllers/object.h"

namespace weft::lab {

/// The kinds of one APIResourceList that can be listed, watched and deleted; no subresources. Pure.
std::vector<kube::Resource> kinds_of(const json::object& resource_list);

/// Every such kind of every group, each group in the version it prefers. A group that does not answer is left out
/// with a warning (an aggregated API that is down must not stop the rest).
Task<Result<std::vector<kube::Resource>>> discover(kube::Client& client);

}  // namespace weft::lab
