// CustomResourceDefinitions: what is filled in, what is refused, and the kinds they define. Pure.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

void default_crd(json::value& crd);
void check_crd(const json::value& crd, const json::value* old, FieldErrors& errors);
/// Status with the names accepted and Established true, or the conflict with `taken`, a message, if that is not empty.
json::object crd_status(const json::value& crd, const std::string& taken);
/// The served kinds of an established definition.
std::vector<KindPtr> kinds_of(const json::value& crd);

}  // namespace weft::lab::api
