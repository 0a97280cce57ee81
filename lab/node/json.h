// Looking into Kubernetes objects by JSON pointer; what is missing or of another type is empty.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::lab {

namespace json = boost::json;

const json::value* find(const json::object& o, std::string_view pointer);
/// Strings as they are, numbers and booleans as text.
std::string str(const json::object& o, std::string_view pointer, std::string_view fallback = {});
std::int64_t integer(const json::object& o, std::string_view pointer, std::int64_t fallback = 0);
bool boolean(const json::object& o, std::string_view pointer, bool fallback = false);
const json::array& list(const json::object& o, std::string_view pointer);
const json::object& object(const json::object& o, std::string_view pointer);
std::vector<std::string> strings(const json::object& o, std::string_view pointer);
std::map<std::string, std::string> string_map(const json::object& o, std::string_view pointer);

}  // namespace weft::lab
