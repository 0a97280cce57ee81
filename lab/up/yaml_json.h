// YAML documents as JSON objects, with the types that Kubernetes' YAML 1.2 core schema gives plain scalars.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "base/result.h"

namespace weft::lab {

Result<std::vector<boost::json::object>> json_documents(const std::string& yaml, const std::string& file);

}  // namespace weft::lab
