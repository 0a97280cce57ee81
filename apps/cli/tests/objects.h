// Kubernetes objects as the tests write them down.
#pragma once

#include <boost/json.hpp>

#include <string>

namespace weft::cli {

inline boost::json::object obj(const std::string& text) { return boost::json::parse(text).as_object(); }

}  // namespace weft::cli
