// Server-side apply: who set which fields (managedFields, FieldsV1), merging what a manager applies, and conflicts.
// Pure. Lists merge by the schema's list type: map by its keys, set by value, atomic as a whole.
#pragma once

#include "lab/apiserver/schema.h"

namespace weft::lab::api {

/// `applied`: what the manager wants, pruned and with apiVersion, kind and metadata; `live`: the object as it is, or
/// null. Errors: conflict with the fields and managers named, unless `force`.
Answer<json::value> apply_configuration(const Schema& schema, const json::value* live, const json::value& applied,
                                        const std::string& manager, const std::string& sub, bool force);

/// Follows a change that was not an apply: what `manager` changed is his. Only objects that have managedFields are
/// tracked (that is: that somebody applied); others are as if made before the first apply.
void track_update(const Schema& schema, const json::value& old, json::value& now, const std::string& manager,
                  const std::string& sub);

}  // namespace weft::lab::api
