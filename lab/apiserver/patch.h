// Patches: pure functions from a document and a patch to a new document.
#pragma once

#include "lab/apiserver/schema.h"

namespace weft::lab::api {

/// RFC 6902. A failed `test` is an Invalid, a path that is not there too.
Answer<json::value> json_patch(json::value document, const json::value& patch);

/// RFC 7386.
json::value merge_patch(json::value document, const json::value& patch);

/// Strategic merge patch: lists with a merge key merge by it; $patch: delete | replace | merge,
/// $deleteFromPrimitiveList/x, $setElementOrder/x and $retainKeys are understood.
Answer<json::value> strategic_merge_patch(const Schema& schema, json::value document, const json::value& patch);

}  // namespace weft::lab::api
