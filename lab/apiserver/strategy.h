// What the server fills in and refuses beyond what a schema can say, kind by kind. Pure.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

/// Before storing, `old` null for a create. `status`: only the status may differ.
/// Services have their own rules beside these (service.h), CustomResourceDefinitions too (crd.h).
void prepare(const Kind& kind, json::value& object, const json::value* old);
void check(const Kind& kind, const json::value& object, const json::value* old, FieldErrors& errors);

/// Name, generateName, labels, annotations, finalizers, owner references.
void check_metadata(const Kind& kind, const json::value& object, FieldErrors& errors);
/// Identity that an update may not change.
void check_metadata_update(const json::value& object, const json::value& old, FieldErrors& errors);

/// Whether the kind counts its changes in metadata.generation, and whether `now` differs from `old` in what counts.
bool has_generation(const Kind& kind);
bool desired_state_differs(const Kind& kind, const json::value& now, const json::value& old);

bool dns_label(std::string_view s);
bool dns_subdomain(std::string_view s);
std::string random_suffix();

}  // namespace weft::lab::api
