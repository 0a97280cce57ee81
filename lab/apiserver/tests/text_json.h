// JSON as the tests write it down.
#pragma once

#include <string>

#include "lab/apiserver/json.h"

namespace weft::lab::api {

inline json::value j(const std::string& text) { return *parse_json(text); }

}  // namespace weft::lab::api
