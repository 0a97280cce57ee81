// Names, labels and what else every object has. Pure.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

/// Name, generateName, labels, annotations, finalizers, owner references.
void check_metadata(const Kind& kind, const json::value& object, FieldErrors& errors);
/// Identity that an update may not change.
void check_metadata_update(const json::value& object, const json::value& old, FieldErrors& errors);
void check_labels(const json::object& labels, const std::string& path, FieldErrors& errors);

/// Whether the kind counts its changes in metadata.generation, and whether `now` differs from `old` in what counts.
bool has_generation(const Kind& kind);
bool desired_state_differs(const Kind& kind, const json::value& now, const json::value& old);

bool dns_label(std::string_view s);
bool dns_subdomain(std::string_view s);
bool alnum(char c);
std::string random_suffix();

}  // namespace weft::lab::api
