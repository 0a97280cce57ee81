// Manifests: YAML as people write it for Kubernetes, read into JSON values.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

/// One document (the first), or every document of a stream separated by "---"; empty documents are skipped, and a
/// `kind: List` is taken apart. Plain scalars become numbers, booleans or null by YAML's core schema (0400 is octal, as
/// kubectl has it); quoted ones stay strings. JSON is YAML. Errc::invalid names line and column.
Result<boost::json::value> parse_yaml(std::string_view text);
Result<std::vector<boost::json::value>> parse_manifest(std::string_view text);

/// The other way, for people: block style, strings quoted only where they must be.
std::string to_yaml(const boost::json::value& value);

}  // namespace weft
