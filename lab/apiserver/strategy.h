// What the server fills in and refuses beyond what a schema can say, kind by kind. Pure.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

/// Before storing, `old` null for a create. `status`: only the status may differ.
/// Services have their own rules beside these (service.h), CustomResourceDefinitions too (crd.h).
void prepare(const Kind& kind, json::value& object, const json::value* old);
void check(const Kind& kind, const json::value& object, const json::value* old, FieldErrors& errors);

}  // namespace weft::lab::api
